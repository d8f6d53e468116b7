"""What holds an old version back: each blocker is named in a condition, and when it goes the version goes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Opening
from tests.e2e.history import Recorder, recording
from tests.e2e.manifests import BEHAVIOUR, Manifest, consumer, credential, job, pod, workload
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("blockers")]

SHORT = {"deadline": "4s"}
STUCK = {BEHAVIOUR: "stuck"}
RUNNING = {BEHAVIOUR: "running"}


@dataclass(frozen=True)
class Blocker:
    """Who uses the credential, what a condition must say of them, and how they go."""

    users: Callable[[str], list[Manifest]]
    says: str
    goes: Callable[[Stage, str], None]
    consumers: Callable[[str], list[Manifest]] = lambda _: []
    reason: str = "HeldByPods"
    overlap: Any = None


def _release(stage: Stage, name: str) -> None:
    for one in stage.all("pods"):
        if one["metadata"]["name"].startswith(name) and "deletionTimestamp" in one["metadata"]:
            stage.kubectl("annotate", "pod", one["metadata"]["name"], f"{BEHAVIOUR}-")


def _complete(stage: Stage, name: str) -> None:
    stage.kubectl("annotate", "--overwrite", "pod", f"-ljob-name={name}", f"{BEHAVIOUR}=complete")


def _resume(stage: Stage, name: str) -> None:
    stage.patch("deployment", name, {"spec": {"paused": False}})


def _delete_pods(stage: Stage, name: str) -> None:
    stage.kubectl("delete", "pod", f"-lapp={name}", "--wait=false")


def _delete_pod(stage: Stage, name: str) -> None:
    stage.kubectl("delete", "pod", name, "--wait=false")


def _by_itself(kind: str, **more: Any) -> Callable[[str], list[Manifest]]:
    return lambda name: [consumer(name, kind, **more)]


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
BLOCKERS = {
    "one pod that is stuck terminating": Blocker(
        users=lambda name: [workload(name, name, notes=STUCK, replicas=1)],
        consumers=_by_itself("Deployment"),
        says="Deployment/{name}: may hold an older version: {name}-",
        reason="DeadlinePassed",
        overlap=SHORT,
        goes=_release,
    ),
    "a paused Deployment": Blocker(
        users=lambda name: [workload(name, name, paused=False)],
        consumers=_by_itself("Deployment"),
        says="Deployment/{name}: not restarted: paused; may hold an older version: {name}-",
        reason="DeadlinePassed",
        overlap=SHORT,
        goes=_resume,
    ),
    "a StatefulSet with OnDelete": Blocker(
        users=lambda name: [workload(name, name, kind="StatefulSet", **ON_DELETE)],
        consumers=_by_itself("StatefulSet"),
        says="StatefulSet/{name}: not restarted: OnDelete; may hold an older version: {name}-0",
        reason="DeadlinePassed",
        overlap=SHORT,
        goes=_delete_pods,
    ),
    "an undeclared bare pod": Blocker(
        users=lambda name: [pod(name, name)],
        says="pod {name} (undeclared)",
        goes=_delete_pod,
    ),
    "an undeclared Job that runs": Blocker(
        users=lambda name: [job(name, name, notes=RUNNING)],
        says="pod {name}-",
        goes=_complete,
    ),
    "a declared Job that runs": Blocker(
        users=lambda name: [job(name, name, notes=RUNNING)],
        consumers=_by_itself("Job", refresh="None"),
        says="Job/{name}: may hold an older version: {name}-",
        reason="DeadlinePassed",
        overlap=SHORT,
        goes=_complete,
    ),
}


def name_of(blocker: str) -> str:
    """Return the name of everything that a case is made of."""
    return "-".join(blocker.lower().split()[1:])


@pytest.fixture(scope="module")
def scene(opening: Opening) -> Iterator[tuple[Stage, Recorder]]:
    """Give a stage on which every case has begun its rotation: they wait together."""
    with opening() as stage, recording(stage.reader, stage.namespace) as recorder:
        cases = {name_of(title): blocker for title, blocker in BLOCKERS.items()}
        stage.apply(
            *[
                credential(name, consumers=blocker.consumers(name), overlap=blocker.overlap or {})
                for name, blocker in cases.items()
            ]
        )
        for name in cases:
            stage.until_states(name, {1: "Active"})
        # Only now: what starts before a version is shown cannot hold it.
        stage.apply(*[thing for name, blocker in cases.items() for thing in blocker.users(name)])
        stage.until_ready(*cases)
        stage.patch("deployment", name_of("a paused Deployment"), {"spec": {"paused": True}})
        patch = json.dumps({"spec": {"rotation": {"trigger": "a"}}})
        stage.kubectl("patch", "rcred", *cases, "--type=merge", "-p", patch)
        yield stage, recorder


@pytest.mark.parametrize("title", BLOCKERS)
def test_a_user_holds_the_old_version_back(scene: tuple[Stage, Recorder], title: str) -> None:
    """While it may hold version 1 that stays, and a condition names it; when it is gone version 1 goes."""
    (stage, recorder), name, blocker = scene, name_of(title), BLOCKERS[title]
    message = stage.until_condition(name, "RevocationBlocked", "True", blocker.reason)
    assert blocker.says.format(name=name) in message
    assert stage.states(name) == {1: "Retiring", 2: "Active"}
    stored, bundle = stage.held(f"{name}-v1"), stage.held(name)
    assert bundle["previous.token"] == stored["token"]

    blocker.goes(stage, name)
    stage.until_states(name, {1: "Revoked", 2: "Active"})
    assert stage.data(f"{name}-v1") is None
    assert stage.condition(name, "RevocationBlocked")[0] == "False"
    assert stage.events(name)[-2:] == ["OverlapExpired", "Revoked"]
    history = recorder.history()
    assert history.locked_out(name) == []
    assert history.made(name) == {1: 1, 2: 1}


@pytest.mark.parametrize("title", ["an undeclared bare pod", "an undeclared Job that runs"])
def test_undeclared_users_are_reported(scene: tuple[Stage, Recorder], title: str) -> None:
    """Who uses the bundle without being declared is told in an Event."""
    stage, _ = scene
    stage.until(lambda: "UndeclaredConsumer" in stage.events(name_of(title)), "the Event")
