"""Secrets that somebody edits, deletes or disowns are as before at the next check: no version, no restart."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import Opening
from tests.e2e.manifests import consumer, credential, workload
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

DISOWN = '[{"op": "remove", "path": "/metadata/ownerReferences"}]'


@pytest.fixture(scope="module")
def watched(opening: Opening) -> Iterator[Stage]:
    """Give a stage whose operator compares every Secret each second."""
    with opening(settings={"REKEY_DRIFT_INTERVAL": "1s"}) as stage:
        yield stage


def _edit(stage: Stage, name: str) -> None:
    stage.patch("secret", name, {"stringData": {"token": "typed by somebody", "version": "7"}})


def _drop_a_key(stage: Stage, name: str) -> None:
    stage.patch("secret", name, {"data": {"token": None}})


def _delete(stage: Stage, name: str) -> None:
    stage.kubectl("delete", "secret", name)


def _delete_version(stage: Stage, name: str) -> None:
    stage.kubectl("delete", "secret", f"{name}-v1")


def _disown(stage: Stage, name: str) -> None:
    stage.kubectl("patch", "secret", name, "--type=json", "-p", DISOWN)


DAMAGES: dict[str, Callable[[Stage, str], None]] = {
    "the bundle is edited": _edit,
    "a key of the bundle is deleted": _drop_a_key,
    "the bundle is deleted": _delete,
    "the version is deleted": _delete_version,
    "the bundle is disowned": _disown,
    "the version is disowned": lambda stage, name: _disown(stage, f"{name}-v1"),
}


def intact(stage: Stage, name: str) -> tuple[bytes, bytes] | None:
    """Return the value as shown and as stored if both are there, ours, and the version cannot be changed."""
    bundle, stored = (stage.get("secrets", one) for one in (name, f"{name}-v1"))
    found = stage.get("rotatedcredentials", name)
    if not bundle or not stored or not found:
        return None
    uid = found["metadata"]["uid"]
    owners = [[one["uid"] for one in item["metadata"].get("ownerReferences", ())] for item in (bundle, stored)]
    if owners != [[uid], [uid]] or not stored.get("immutable"):
        return None
    shown = stage.held(name)
    return (shown["token"], stage.held(f"{name}-v1")["token"]) if shown.keys() == {"token", "version"} else None


@pytest.mark.parametrize("title", DAMAGES)
def test_damage_is_undone(watched: Stage, title: str) -> None:
    """The same values are back, with their owner; there is no new version and nobody is restarted."""
    stage, name = watched, title.replace(" ", "-")
    stage.apply(workload(name, name, replicas=1), credential(name, consumers=[consumer(name)]))
    stage.until_states(name, {1: "Active"})
    stage.until_ready(name)
    before = stage.held(name)["token"]

    DAMAGES[title](stage, name)
    stage.until(lambda: intact(stage, name) == (before, before), "what was damaged")
    assert stage.held(name) == {"token": before, "version": b"1"}
    stage.until(lambda: "DriftRepaired" in stage.events(name), "the Event")
    assert stage.states(name) == {1: "Active"}
    found = stage.get("deployments", name)
    assert found is not None
    assert found["metadata"]["generation"] == 1


def test_no_copy_of_the_value_is_left(watched: Stage) -> None:
    """When bundle and version are deleted together a new version is made, and an Event says so."""
    stage = watched
    stage.apply(credential("lost"))
    stage.until_states("lost", {1: "Active"})
    first = stage.held("lost")["token"]
    stage.kubectl("delete", "secret", "lost", "lost-v1")
    stage.until(lambda: (stage.data("lost") or {}).get("version") == b"2", "version 2")
    assert stage.held("lost")["token"] == stage.held("lost-v2")["token"] != first


def test_a_changed_template_is_rendered(watched: Stage) -> None:
    """The bundle shows the same version in its new form at once; there is no new version and no restart."""
    stage = watched
    stage.apply(workload("form", "form", replicas=1), credential("form", consumers=[consumer("form")]))
    stage.until_states("form", {1: "Active"})
    before = stage.held("form")
    template = {"data": {"app.env": "TOKEN=${token}"}, "metadata": {"labels": {"team": "blue"}}}
    stage.change("form", target={"template": template})
    stage.until(lambda: "app.env" in stage.held("form"), "the new form")
    assert stage.held("form") == {**before, "app.env": b"TOKEN=" + before["token"]}
    found, app = stage.get("secrets", "form"), stage.get("deployments", "form")
    assert found is not None
    assert found["metadata"]["labels"]["team"] == "blue"

    stage.change("form", target={"template": None})
    stage.until(lambda: stage.held("form") == before, "the old form")
    assert stage.states("form") == {1: "Active"}
    assert app is not None
    assert app["metadata"]["generation"] == 1
    assert "DriftRepaired" not in stage.events("form")
