"""What a person can say about rotations: when, whether, how far, and what happens to the old version."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.history import recording
from tests.e2e.manifests import ANNOTATION, Manifest, consumer, credential, pod, workload
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

DONE = {1: "Revoked", 2: "Active"}
BOTH = {1: "Retiring", 2: "Active"}


def settle(stage: Stage, name: str, *others: Manifest, **spec: object) -> None:
    """Apply a credential, wait for version 1, and apply those who use it: what starts before cannot hold it."""
    stage.apply(credential(name, **spec))
    stage.until_states(name, {1: "Active"})
    if others:
        stage.apply(*others)


def templates(stage: Stage, app: str, name: str) -> set[str | None]:
    """Return the versions that the pods of an app were made for."""
    pods = [one for one in stage.all("pods") if one["metadata"].get("labels", {}).get("app") == app]
    return {one["metadata"].get("annotations", {}).get(f"{ANNOTATION}{name}") for one in pods}


def until_both(stage: Stage, name: str) -> None:
    """Wait until version 2 is current and version 1 still accepted."""
    stage.until(lambda: stage.states(name) == BOTH, f"{name} to have both versions")


def test_suspend(stage: Stage) -> None:
    """While a credential is suspended no rotation begins; the trigger is not forgotten."""
    settle(stage, "resting", suspend=True)
    stage.trigger("resting")
    stage.until_condition("resting", "Ready", "True", "Suspended")
    stage.until(lambda: stage.status("resting")["observedGeneration"] == 2, "the trigger to be seen")
    assert stage.states("resting") == {1: "Active"}
    stage.change("resting", suspend=False)
    stage.until_states("resting", DONE)


def test_hold(stage: Stage) -> None:
    """Nothing is revoked before the hold ends; the condition gives its reason."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    settle(stage, "held", hold={"until": until, "reason": "the auditors are here"})
    stage.trigger("held")
    message = stage.until_condition("held", "RevocationBlocked", "True", "OnHold")
    assert "the auditors are here" in message
    assert stage.states("held") == BOTH
    assert stage.data("held-v1")
    stage.change("held", hold=None)
    stage.until_states("held", DONE)


@pytest.mark.parametrize(
    ("policy", "status", "reason"),
    [
        pytest.param("Manual", "True", "ManualRevocation", id="by hand: somebody has to act"),
        pytest.param("Never", "False", "NeverRevoked", id="never: nobody has to"),
    ],
)
def test_old_versions_are_kept(stage: Stage, policy: str, status: str, reason: str) -> None:
    """The policy keeps the old version after its overlap; the rotation is over and the next one can begin."""
    name = f"kept-{policy.lower()}"
    settle(stage, name, revocationPolicy=policy)
    stage.trigger(name)
    stage.until_states(name, BOTH)
    assert "version 1" in stage.until_condition(name, "RevocationBlocked", status, reason)
    stage.trigger(name, "b")
    stage.until_states(name, {1: "Retiring", 2: "Retiring", 3: "Active"})
    assert stage.data(f"{name}-v1")
    assert stage.data(f"{name}-v2")
    stage.change(name, revocationPolicy="AfterOverlap")
    stage.until_states(name, {1: "Revoked", 2: "Revoked", 3: "Active"})


def test_at_the_deadline_the_old_version_can_be_revoked(stage: Stage) -> None:
    """With atDeadline Revoke it goes although a pod holds it; condition and Event say so."""
    overlap = {"deadline": "5s", "atDeadline": "Revoke"}
    settle(stage, "forced", pod("clinging", "forced"), overlap=overlap)
    stage.until_ready("clinging")
    stage.trigger("forced")
    stage.until_states("forced", DONE)
    _, reason, message = stage.condition("forced", "RevocationBlocked")
    assert reason == "DeadlinePassed"
    assert message == "version 1 was revoked at overlap.deadline although pods could still hold it"
    stage.until(lambda: stage.events("forced")[-2:] == ["RevocationForced", "Revoked"], "the Events")
    assert stage.get("pods", "clinging")


def test_a_closed_window(stage: Stage) -> None:
    """A rotation that is asked for waits for the window, says until when, and begins when windows are gone."""
    opens = datetime.now(UTC) + timedelta(hours=12)
    windows = [{"schedule": f"0 {opens.hour} * * *", "duration": "1h"}]
    settle(stage, "shut", rotation={"windows": windows})
    stage.trigger("shut")
    message = stage.until_condition("shut", "Ready", "True", "AwaitingWindow")
    assert f" {opens.hour:02}:00:00Z" in message
    assert stage.states("shut") == {1: "Active"}
    stage.change("shut", rotation={"windows": None})
    stage.until_states("shut", DONE)


def test_another_generator_makes_another_version(stage: Stage) -> None:
    """A change of what is generated is a rotation; a change of anything else is none."""
    settle(stage, "longer")
    stage.change("longer", revisionHistoryLimit=2, rollout={"maxConcurrent": 2})
    stage.until(lambda: stage.status("longer")["observedGeneration"] == 2, "the change to be seen")
    assert stage.states("longer") == {1: "Active"}
    stage.change("longer", generate={"token": {"prefix": "new_"}})
    stage.until_states("longer", DONE)
    assert stage.held("longer")["token"].startswith(b"new_")
    assert stage.status("longer")["versions"][-1]["number"] == 2


def test_the_form_is_pinned_while_a_rotation_runs(stage: Stage) -> None:
    """A template that is changed during the overlap is used only when the rotation is over."""
    with recording(stage.reader, stage.namespace) as recorder:
        settle(stage, "pinned", overlap={"duration": "4s"})
        stage.trigger("pinned")
        until_both(stage, "pinned")
        stage.change("pinned", target={"template": {"data": {"env": "T=${token}"}}})
        stage.until_states("pinned", DONE)
        stage.until(lambda: "env" in stage.held("pinned"), "the new form")
        history = recorder.history()
    shown = [one.body.get("data", {}) for one in history.of("secrets", "pinned")]
    assert any("previous.token" in data for data in shown)
    assert not any("previous.token" in data and "env" in data for data in shown)
    assert stage.held("pinned")["env"] == b"T=" + stage.held("pinned")["token"]


def test_a_consumer_that_is_added_during_the_overlap(stage: Stage) -> None:
    """It is moved, too, once, and its pods hold the old version back until then."""
    apps = [workload(name, "growing", replicas=1) for name in ("early", "late")]
    with recording(stage.reader, stage.namespace) as recorder:
        settle(stage, "growing", *apps, consumers=[consumer("early")])
        stage.until_ready("early", "late")
        stage.trigger("growing")
        stage.until_condition("growing", "RevocationBlocked", "True", "HeldByPods")
        stage.change("growing", consumers=[consumer("early"), consumer("late")])
        stage.until_states("growing", DONE)
        history = recorder.history()
    assert history.named("early", "growing") == history.named("late", "growing") == [None, "2"]
    assert history.locked_out("growing") == []


def test_a_consumer_that_is_removed_during_a_rotation(stage: Stage) -> None:
    """It holds the rollout up no more, an Event tells, and its pods gate as long as there are any."""
    apps = [workload("staying", "shrinking", replicas=1), workload("leaving", "shrinking", replicas=1, paused=True)]
    apps[1]["spec"]["paused"] = False
    settle(stage, "shrinking", *apps, consumers=[consumer("staying"), consumer("leaving")])
    stage.until_ready("staying", "leaving")
    stage.patch("deployment", "leaving", {"spec": {"paused": True}})
    stage.trigger("shrinking")
    stage.until(lambda: "ConsumerWaiting" in stage.events("shrinking"), "the Event about the paused one")
    stage.change("shrinking", consumers=[consumer("staying")])
    message = stage.until_condition("shrinking", "RevocationBlocked", "True", "HeldByPods")
    assert "pod leaving-" in message
    assert "(undeclared)" in message
    stage.until(lambda: "ConsumerRemoved" in stage.events("shrinking"), "the Event about the removed one")
    stage.kubectl("delete", "deployment", "leaving")
    stage.until_states("shrinking", DONE)


def test_a_template_that_a_person_puts_back(stage: Stage) -> None:
    """The version is written again once; whoever undoes that as well is obeyed."""
    apps = [workload("contested", "tug", replicas=1), workload("waiting", "tug", replicas=1)]
    with recording(stage.reader, stage.namespace) as recorder:
        settle(stage, "tug", *apps, consumers=[consumer("contested"), consumer("waiting")])
        stage.until_ready("contested", "waiting")
        stage.patch("deployment", "waiting", {"spec": {"paused": True}})
        stage.trigger("tug")
        stage.until(lambda: stage.named("deployments", "contested", "tug") == "2", "version 2")
        stage.kubectl("rollout", "undo", "deployment/contested")
        stage.until(lambda: "ConsumerReverted" in stage.events("tug"), "it to be written again")
        assert stage.named("deployments", "contested", "tug") == "2"
        # Else the second undo keeps a pod that has held version 1 all along, which is waited for, and rightly so.
        stage.until(lambda: templates(stage, "contested", "tug") == {"2"}, "no other pod to be left")
        stage.kubectl("rollout", "undo", "deployment/contested")
        stage.patch("deployment", "waiting", {"spec": {"paused": False}})
        stage.until(lambda: stage.named("deployments", "waiting", "tug") == "2", "the other one to be moved")
        stage.until_states("tug", DONE)
        history = recorder.history()
    assert history.named("contested", "tug") == [None, "2", None, "2", None]
    assert history.named("waiting", "tug") == [None, "2"]
    assert history.locked_out("tug") == []
