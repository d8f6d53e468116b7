"""Both sides of a credential on a real API server: what verifiers read, in turn, and who is moved when."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.conftest import Opening
from tests.e2e.history import Change, History, recording, shown, written
from tests.e2e.manifests import ANNOTATION, BAD_VERSION, Manifest, consumer, credential, request, workload
from tests.e2e.stage import Stage, started

pytestmark = pytest.mark.kube

OVERLAP = {"duration": "2s", "propagation": "2s"}
SUCCESS = [
    *("Published", "Issued", "Published", "ConsumerRestarted", "Activated", "ConsumerRestarted", "OverlapStarted"),
    *("OverlapExpired", "Revoked"),
]
PREPARED, PUBLISHED = {1: "current"}, {2: "next", 1: "current"}
ACTIVE, BACK, DONE = {2: "current", 1: "previous"}, {2: "previous", 1: "current"}, {2: "current"}
Listed = dict[int, str]


@pytest.fixture(scope="module")
def watched(opening: Opening) -> Iterator[Stage]:
    """Give a stage whose operator compares every Secret each second."""
    with opening(settings={"REKEY_DRIFT_INTERVAL": "1s"}) as stage:
        yield stage


def listed(data: dict[str, Any] | None) -> Listed:
    """Return the versions that a verifier's Secret lists."""
    text = (data or {}).get("verifier.json")
    return {one["version"]: one["status"] for one in json.loads(b64decode(text))["entries"]} if text else {}


def told(stage: Stage, name: str) -> Listed:
    """Return what verifiers of a credential can read now."""
    found = stage.get("secrets", f"{name}-verifier")
    return listed(found and found.get("data"))


def said(history: History, name: str) -> list[Listed]:
    """Return what the verifier's Secret said, in turn."""
    found = [listed(change.body.get("data")) for change in history.of("secrets", f"{name}-verifier") if not change.gone]
    return found[:1] + [after for before, after in pairwise(found) if before != after]


def both_sides(name: str, **spec: Any) -> Manifest:
    """Return a credential with a verifier's Secret."""
    verifier = {"secretName": f"{name}-verifier", "format": "SHA256", **spec.pop("verifier", {})}
    return credential(name, verifier=verifier, **{"overlap": OVERLAP, **spec})


def sides(name: str, client: str | None = None, gate: str | None = None, **spec: Any) -> tuple[Manifest, ...]:
    """Return a verifier, a client and their credential; either may fail with version 2."""
    notes = [{BAD_VERSION: f"{name}=2"} if bad else {} for bad in (gate, client)]
    consumers = [consumer(f"{name}-gate", role="Verifier"), consumer(f"{name}-web")]
    return (
        workload(f"{name}-gate", f"{name}-verifier", notes=notes[0]),
        workload(f"{name}-web", name, notes=notes[1]),
        both_sides(name, consumers=consumers, **spec),
    )


def settle(stage: Stage, name: str, **options: Any) -> None:
    """Bring both sides to version 1."""
    gate, web, both = sides(name, **options)
    stage.apply(both)
    stage.until_states(name, {1: "Active"})
    stage.apply(gate, web)
    stage.until_old(f"{name}-gate", f"{name}-web")


def first(history: History, resource: str, name: str, there: Callable[[Change], bool]) -> Change:
    """Return the first change of an object after which something is so."""
    return next(change for change in history.of(resource, name) if not change.gone and there(change))


def names(number: int, credential: str) -> Callable[[Change], bool]:
    """Return the question whether a pod template names a version."""

    def there(change: Change) -> bool:
        notes = change.body["spec"]["template"]["metadata"].get("annotations") or {}
        return bool(notes.get(f"{ANNOTATION}{credential}") == str(number))

    return there


def test_verifiers_come_first_and_let_go_last(stage: Stage) -> None:
    """Told, verifiers moved, shown, clients moved, taken away, deleted: in this order, and nobody is locked out."""
    settle(stage, "till")
    with recording(stage.reader, stage.namespace) as recorder:
        stage.trigger("till")
        stage.until_states("till", {1: "Revoked", 2: "Active"})
        stage.until_events("till", SUCCESS)
        history = recorder.history()
    assert said(history, "till") == [PREPARED, PUBLISHED, ACTIVE, DONE]
    order = [
        first(history, "secrets", "till-verifier", lambda one: listed(one.body["data"]) == PUBLISHED),
        first(history, "deployments", "till-gate", names(2, "till")),
        first(history, "secrets", "till", lambda one: shown(one.body, "") == 2),
        first(history, "deployments", "till-web", names(2, "till")),
        first(history, "secrets", "till-verifier", lambda one: listed(one.body["data"]) == DONE),
        next(one for one in history.of("secrets", "till-v1") if one.gone),
    ]
    assert [one.version for one in order] == sorted(one.version for one in order)
    assert history.locked_out("till") == []
    assert (history.rolled("till-gate"), history.rolled("till-web")) == (2, 2)
    _every_verifier_had_started(history, order[0], order[2])


def _every_verifier_had_started(history: History, published: Change, active: Change) -> None:
    """When the bundle shows the version no pod of the verifier is left that started before it was published."""
    pods: dict[str, Any] = {}
    for change in history.changes:
        if change.resource == "pods" and change.version < active.version and change.name.startswith("till-gate-"):
            pods[change.name] = None if change.gone else started(change.body)
    starts = [start for start in pods.values() if start is not None]
    assert len(starts) == 2
    assert min(starts) > written(published.body)


def test_a_client_that_fails_leaves_both_versions_accepted(stage: Stage) -> None:
    """The old version was accepted all the time; the failed one goes when nobody holds it; verifiers stay."""
    settle(stage, "bills", client="bad", rollout={"progressDeadline": "4s"})
    with recording(stage.reader, stage.namespace) as recorder:
        stage.trigger("bills")
        stage.until_states("bills", {1: "Active", 2: "Discarded"})
        history = recorder.history()
    assert said(history, "bills") == [PREPARED, PUBLISHED, ACTIVE, BACK, PREPARED]
    assert history.locked_out("bills") == []
    assert history.named("bills-web", "bills") == [None, "2", None]
    assert history.named("bills-gate", "bills") == [None, "2"]


def test_a_verifier_that_fails_keeps_the_version_from_everybody(stage: Stage) -> None:
    """The bundle never shows it; the verifier is put back, then the version leaves its Secret."""
    settle(stage, "mail", gate="bad", rollout={"progressDeadline": "4s"})
    with recording(stage.reader, stage.namespace) as recorder:
        stage.trigger("mail")
        stage.until_states("mail", {1: "Active", 2: "Discarded"})
        history = recorder.history()
    assert said(history, "mail") == [PREPARED, PUBLISHED, PREPARED]
    assert {shown(change.body, "") for change in history.of("secrets", "mail")} == {1}
    assert history.named("mail-gate", "mail") == [None, "2", None]
    assert history.named("mail-web", "mail") == [None]


def test_a_ring_of_hmac_keys(stage: Stage) -> None:
    """The keys are in the verifier's Secret, which says so, and in no status."""
    spec = {"generate": {"hmacKey": {}}, "verifier": {"format": "HMAC"}, "overlap": {**OVERLAP, "duration": "1h"}}
    stage.apply(both_sides("hooks", **spec))
    stage.until_states("hooks", {1: "Active"})
    stage.trigger("hooks")
    stage.until(lambda: told(stage, "hooks") == ACTIVE, "both keys to be accepted")
    found = stage.get("secrets", "hooks-verifier")
    assert found is not None
    assert found["metadata"]["labels"]["rekey.dev/holds"] == "keys"
    ring = json.loads(stage.held("hooks-verifier")["keyring.json"])["keys"]
    assert [key["status"] for key in ring] == ["current", "previous"]
    assert not any("proof" in version for version in stage.status("hooks")["versions"])


DAMAGES: dict[str, Callable[[Stage, str], object]] = {
    "edited": lambda stage, name: stage.patch("secret", name, {"stringData": {"verifier.json": "{}"}}),
    "deleted": lambda stage, name: stage.kubectl("delete", "secret", name),
    "disowned": lambda stage, name: stage.kubectl(
        *("patch", "secret", name, "--type=json", "-p", '[{"op": "remove", "path": "/metadata/ownerReferences"}]')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_done_to_the_secret_is_undone(watched: Stage, damage: str) -> None:
    """It says what it said and is ours again; no version is made."""
    name = f"drift-{damage}"
    watched.apply(both_sides(name))
    watched.until_states(name, {1: "Active"})
    before, credential = watched.held(f"{name}-verifier"), watched.get("rotatedcredentials", name)
    assert credential is not None
    DAMAGES[damage](watched, f"{name}-verifier")

    def restored() -> bool:
        found = watched.get("secrets", f"{name}-verifier")
        owners = [one["uid"] for one in found["metadata"].get("ownerReferences", ())] if found else []
        return owners == [credential["metadata"]["uid"]] and watched.data(f"{name}-verifier") == before

    watched.until(restored, f"{name}-verifier to be restored")
    watched.until(lambda: "DriftRepaired" in watched.events(name), "the Event")
    assert watched.states(name) == {1: "Active"}


def test_a_name_that_is_taken_is_left_alone(watched: Stage) -> None:
    """`Stalled` says what to do; when that is done it goes on."""
    watched.kubectl("create", "secret", "generic", "taken-verifier", "--from-literal=theirs=1")
    watched.apply(both_sides("taken"))
    message = watched.until_condition("taken", "Stalled", "True", "NameTaken")
    assert "taken-verifier" in message
    assert (watched.data("taken-verifier"), watched.data("taken")) == ({"theirs": b"1"}, None)
    watched.kubectl("delete", "secret", "taken-verifier")
    watched.change("taken", rollout={"maxConcurrent": 2})
    watched.until_states("taken", {1: "Active"})
    assert told(watched, "taken") == PREPARED


def test_what_leaked_is_refused_at_once(stage: Stage) -> None:
    """`Immediately` waits for no verifier; both sides are moved after that."""
    settle(stage, "leak")
    stage.change("leak", overlap={"duration": "1h", "propagation": "1h"})
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(request("now", "Compromise", "leak", revoke="Immediately"))
        stage.until_states("leak", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert said(history, "leak")[-1] == DONE
    gone = first(history, "secrets", "leak-verifier", lambda one: listed(one.body["data"]) == DONE)
    assert gone.version < first(history, "deployments", "leak-gate", names(2, "leak")).version
    assert stage.named("deployments", "leak-web", "leak") == "2"


def test_a_verifier_that_is_added_later(stage: Stage) -> None:
    """The Secret is there at once with what is accepted; nobody is restarted, and nothing is made."""
    stage.apply(credential("late", overlap=OVERLAP))
    stage.until_states("late", {1: "Active"})
    stage.change("late", verifier={"secretName": "late-verifier", "format": "SHA256", "scopes": ["read"]})
    stage.until(lambda: told(stage, "late") == PREPARED, "what is accepted to be told")
    assert stage.states("late") == {1: "Active"}
    stage.trigger("late")
    stage.until_states("late", {1: "Revoked", 2: "Active"})
    assert told(stage, "late") == DONE


def test_deletion_retains(stage: Stage) -> None:
    """The Secret stays, says what it said, and belongs to nobody."""
    stage.apply(both_sides("kept"))
    stage.until_states("kept", {1: "Active"})
    before = stage.held("kept-verifier")
    stage.kubectl("delete", "rcred", "kept", "--timeout=60s")
    found = stage.get("secrets", "kept-verifier")
    assert found is not None
    assert "ownerReferences" not in found["metadata"]
    assert stage.held("kept-verifier") == before


def test_deletion_revokes(stage: Stage) -> None:
    """The list is emptied before the Secret goes."""
    stage.apply(both_sides("gone", deletionPolicy="Revoke"))
    stage.until_states("gone", {1: "Active"})
    with recording(stage.reader, stage.namespace) as recorder:
        stage.kubectl("delete", "rcred", "gone", "--timeout=60s")
        stage.until(lambda: stage.data("gone-verifier") is None, "the Secret to be gone")
        history = recorder.history()
    assert said(history, "gone") == [PREPARED, {}]
    assert [stage.data(name) for name in ("gone", "gone-v1")] == [None, None]
