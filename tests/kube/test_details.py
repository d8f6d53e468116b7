"""What a real API server does with our writes beyond what the ports promise."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.spec import Consumer, ConsumerKind, LabelRequirement, LabelSelector, Operator
from rekey.errors import NamespaceTerminating, Rejected
from rekey.kube.api import CREDENTIALS, DELETE, GET, MERGE, SECRETS, Path
from rekey.ports.secrets import Owner
from tests.kube.stage import DEPLOYMENTS, KubeStage
from tests.sim.conformance import change_of, new_secret, owner
from tests.sim.conformance_of_workloads import restart
from tests.sim.stage import Play, Stage

pytestmark = pytest.mark.kube


def test_owner_reference(play: Play) -> None:
    """A Secret names its owner as controller, does not hold up its deletion, and keeps other references."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        us, other = await owner(stage), await owner(stage, "other")
        view = await stage.ports.secrets.create(stage.namespace, new_secret(us))
        path = SECRETS.one(stage.namespace, "db")
        stored = await stage.client.request(GET, path)
        [ours] = stored["metadata"]["ownerReferences"]
        assert ours == {
            "apiVersion": "rekey.dev/v1alpha1",
            "kind": "RotatedCredential",
            "name": us.name,
            "uid": us.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        theirs = {**{key: ours[key] for key in ("apiVersion", "kind")}, "name": other.name, "uid": other.uid}
        body = {"metadata": {"ownerReferences": [theirs, ours]}}
        written = await stage.client.request(MERGE, path, body=body)
        change = replace(change_of(view), resource_version=written["metadata"]["resourceVersion"], release=us.uid)
        await stage.ports.secrets.change(stage.namespace, "db", change)
        stored = await stage.client.request(GET, path)
        assert stored["metadata"]["ownerReferences"] == [theirs]

    play(scene)


def test_namespaces(play: Play) -> None:
    """A Secret of another namespace is not there."""

    async def scene(stage: Stage) -> None:
        await stage.ports.secrets.create(stage.namespace, new_secret(await owner(stage)))
        assert await stage.ports.secrets.read("default", "db") is None

    play(scene)


def test_written(play: Play) -> None:
    """A Secret says when it was last written, by the API server's clock, whoever wrote it."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        made = await stage.ports.secrets.create(stage.namespace, new_secret(await owner(stage)))
        assert made.written is not None
        assert made.written >= made.created
        path = SECRETS.one(stage.namespace, "db")
        entries = (await stage.client.request(GET, path))["metadata"]["managedFields"]
        for year in ("2031", "2030"):
            entries.append({**entries[0], "manager": year, "time": f"{year}-05-04T12:00:00Z"})
        await stage.client.request(MERGE, path, body={"metadata": {"managedFields": entries}})
        seen = await stage.ports.secrets.read(stage.namespace, "db")
        assert seen is not None
        assert seen.written == datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
        await stage.client.request(MERGE, path, body={"metadata": {"managedFields": [{}]}})
        seen = await stage.ports.secrets.read(stage.namespace, "db")
        assert seen is not None
        assert seen.written is None

    play(scene)


def test_immutable(play: Play) -> None:
    """The values of an immutable Secret cannot be changed, its labels and its owner can."""

    async def scene(stage: Stage) -> None:
        us = await owner(stage)
        made = await stage.ports.secrets.create(stage.namespace, replace(new_secret(us), immutable=True))
        assert made.immutable
        with pytest.raises(Rejected, match=r"status 422$"):
            await stage.ports.secrets.change(
                stage.namespace, "db", replace(change_of(made), material=Material({"password": b"two"}))
            )
        change = replace(change_of(made), labels={"a": "b"}, release=us.uid)
        freed = await stage.ports.secrets.change(stage.namespace, "db", change)
        assert (freed.owner, freed.material) == (None, made.material)

    play(scene)


def test_ending_namespace(play: Play) -> None:
    """In a namespace that is being deleted nothing can be created, and that is said as such."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        held = await stage.ports.credentials.finalize(await stage.credential("db"), present=True)
        assert held is not None
        await stage.client.request(DELETE, Path(f"/api/v1/namespaces/{stage.namespace}", "namespaces"))
        with pytest.raises(NamespaceTerminating):
            await stage.ports.secrets.create(stage.namespace, new_secret(Owner("db", held.uid)))
        await stage.delete_credential(held.key)
        dying = await stage.ports.credentials.read(held.key)
        assert dying is not None
        assert await stage.ports.credentials.finalize(dying, present=False) is None

    play(scene)


def annotations_by_manager(item: dict[str, Any]) -> dict[str, set[str]]:
    """Return which annotations of the pod template each field manager holds."""
    held = {}
    for entry in item["metadata"]["managedFields"]:
        template = entry["fieldsV1"].get("f:spec", {}).get("f:template", {})
        fields = template.get("f:metadata", {}).get("f:annotations", {})
        held[entry["manager"]] = {name.removeprefix("f:") for name in fields if name != "."}
    return {manager: names for manager, names in held.items() if names}


def test_field_managers(play: Play) -> None:
    """Each credential holds its own annotation only, and writing what is there rolls nothing."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        db, mail = await stage.credential("db"), await stage.credential("mail")
        await stage.deployment("web", {})
        for credential in (db, mail, db):
            await restart(stage, credential, "web", "1")
        item = await stage.client.request(GET, DEPLOYMENTS.one(stage.namespace, "web"))
        assert item["metadata"]["generation"] == 3
        assert annotations_by_manager(item) == {
            f"rekey-{db.uid}": {"version.rekey.dev/db"},
            f"rekey-{mail.uid}": {"version.rekey.dev/mail"},
        }

    play(scene)


SELECTORS: dict[str, tuple[tuple[str, Operator, tuple[str, ...]], list[str]]] = {
    "one of some": (("tier", Operator.IN, ("web", "api")), ["a", "b"]),
    "none of some": (("tier", Operator.NOT_IN, ("web", "api")), ["c", "d"]),
    "there": (("tier", Operator.EXISTS, ()), ["a", "b", "c"]),
    "not there": (("tier", Operator.DOES_NOT_EXIST, ()), ["d"]),
}


@pytest.mark.parametrize(("expression", "names"), SELECTORS.values(), ids=SELECTORS)
def test_selectors(play: Play, expression: tuple[str, Operator, tuple[str, ...]], names: list[str]) -> None:
    """Every operator of a selector means what it means elsewhere in Kubernetes."""
    key, operator, values = expression
    requirement = LabelRequirement(key=key, operator=operator, values=values)

    async def scene(stage: Stage) -> None:
        credential = await stage.credential("db")
        for name, labels in (
            ("a", {"tier": "web"}),
            ("b", {"tier": "api"}),
            ("c", {"tier": "batch"}),
            ("d", {}),
        ):
            await stage.deployment(name, labels)
        selector = LabelSelector(match_expressions=(requirement,))
        consumer = Consumer(kind=ConsumerKind.DEPLOYMENT, selector=selector)
        views = await stage.ports.workloads.find(credential, [consumer])
        assert [view.name for view in views] == names

    play(scene)


def test_empty_selector(play: Play) -> None:
    """A selector without any term selects nothing: a mistake must not mean everything."""

    async def scene(stage: Stage) -> None:
        credential = await stage.credential("db")
        await stage.deployment("web", {"tier": "web"})
        consumer = Consumer(kind=ConsumerKind.DEPLOYMENT, selector=LabelSelector())
        assert await stage.ports.workloads.find(credential, [consumer]) == ()

    play(scene)


def test_all_kinds(play: Play) -> None:
    """Every kind of workload can be asked for by name and by label."""

    async def scene(stage: Stage) -> None:
        credential = await stage.credential("db")
        web = LabelSelector(match_labels={"tier": "web"})
        by_name = [Consumer(kind=kind, name="gone") for kind in ConsumerKind]
        by_label = [Consumer(kind=kind, selector=web) for kind in ConsumerKind]
        views = await stage.ports.workloads.find(credential, [*by_name, *by_label])
        assert [(view.kind, view.exists) for view in views] == [(str(kind), False) for kind in ConsumerKind]

    play(scene)


def test_status_keeps_the_rest(play: Play) -> None:
    """Saving a status changes nothing of spec, labels and their field managers."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        made = await stage.credential("db")
        path = CREDENTIALS.one(stage.namespace, "db")
        before = await stage.client.request(GET, path)
        await stage.ports.credentials.save(made, made.status.model_copy(update={"observed_generation": 1}))
        after = await stage.client.request(GET, path)
        assert after["spec"] == before["spec"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
        [spec, *_] = before["metadata"]["managedFields"]
        assert spec["fieldsV1"] in [entry["fieldsV1"] for entry in after["metadata"]["managedFields"]]

    play(scene)
