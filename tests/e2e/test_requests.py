"""What a person asks for once, with kubectl: rotate, give up what leaked, go back, revoke; and what becomes of it."""

from typing import Any

import pytest

from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, consumer, credential, pod, request, workload
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

DONE = {1: "Revoked", 2: "Active"}


def settle(stage: Stage, name: str, *others: Manifest, **spec: object) -> None:
    """Apply a credential, wait for version 1, and apply those who use it."""
    stage.apply(credential(name, **spec))
    stage.until_states(name, {1: "Active"})
    if others:
        stage.apply(*others)


def standing(stage: Stage, name: str) -> tuple[str, str]:
    """Return which of the two conditions of a request is true, and why."""
    found = stage.get("rotationrequests", name) or {}
    for one in found.get("status", {}).get("conditions", ()):
        if one["status"] == "True":
            return one["type"], one["reason"]
    return "", ""


def result(stage: Stage, name: str, number: int = 0) -> dict[str, Any]:
    """Return one of the results of a request."""
    found = stage.get("rotationrequests", name)
    assert found is not None
    return dict(found["status"]["results"][number])


def until_standing(stage: Stage, name: str, kind: str, reason: str) -> None:
    """Wait until a request has come to that end."""
    stage.until(lambda: standing(stage, name) == (kind, reason), f"request {name} to be {kind}: {reason}")


def test_manual(stage: Stage) -> None:
    """One request, one new version; who asked stands in the ledger while it runs and in an Event; kubectl can wait."""
    settle(stage, "plain", overlap={"duration": "4s"})
    stage.apply(request("now", "Manual", "plain", requestedBy="alice", message="before the audit"))
    stage.kubectl("wait", "rreq/now", "--for=condition=Complete", "--timeout=60s")
    done = result(stage, "now")
    assert (done["state"], done["fromVersion"], done["toVersion"]) == ("Succeeded", 1, 2)
    running = stage.status("plain")["rotation"]
    assert (running["cause"], running["requestedBy"]) == ("Manual", "RotationRequest now (alice)")
    stage.until_states("plain", DONE)
    stage.until(lambda: "RequestAccepted" in stage.events("plain"), "the Event")
    head, row = stage.kubectl("get", "rreq", "now").splitlines()
    assert head.split() == ["NAME", "ASKS", "CREDENTIAL", "DONE", "OF", "COMPLETE", "WHY", "AGE"]
    assert row.split()[:7] == ["now", "Manual", "plain", "1", "1", "True", "Succeeded"]


def test_ten_at_once(stage: Stage) -> None:
    """Ten identical requests for one credential make one new version."""
    settle(stage, "popular")
    stage.apply(*(request(f"ten-{number}", "Manual", "popular") for number in range(10)))
    for number in range(10):
        until_standing(stage, f"ten-{number}", "Complete", "Succeeded")
    assert {result(stage, f"ten-{number}")["toVersion"] for number in range(10)} == {2}
    stage.until_states("popular", DONE)


def using(stage: Stage, name: str, app: str, **spec: Any) -> None:
    """Settle a credential with one consumer whose pods all started when version 1 was current."""
    settle(stage, name, workload(app, name, replicas=1), consumers=[consumer(app)], **spec)
    stage.until_old(app)


def test_compromise_after_the_rollout(stage: Stage) -> None:
    """In spite of an overlap of an hour the old version goes once the consumer has moved; nobody is locked out."""
    with recording(stage.reader, stage.namespace) as recorder:
        using(stage, "leaky", "shop", overlap={"duration": "1h"})
        stage.apply(request("leak", "Compromise", "leaky", revoke="AfterRollout", requestedBy="scanner"))
        until_standing(stage, "leak", "Complete", "Succeeded")
        history = recorder.history()
    assert stage.states("leaky") == DONE
    assert stage.data("leaky-v1") is None
    assert stage.named("deployments", "shop", "leaky") == "2"
    assert history.named("shop", "leaky") == [None, "2"]
    assert history.locked_out("leaky") == []


def test_compromise_immediately(stage: Stage) -> None:
    """The old version goes at once although a paused consumer still holds it; condition and Event say so."""
    using(stage, "burnt", "slow", overlap={"duration": "1h"})
    stage.patch("deployment", "slow", {"spec": {"paused": True}})
    stage.apply(request("fire", "Compromise", "burnt", revoke="Immediately"))
    stage.until(lambda: stage.states("burnt") == DONE, "the old version to go")
    assert stage.data("burnt-v1") is None
    assert stage.condition("burnt", "RevocationBlocked")[1] == "Compromised"
    assert stage.named("deployments", "slow", "burnt") is None
    assert result(stage, "fire")["state"] == "Running"
    stage.patch("deployment", "slow", {"spec": {"paused": False}})
    until_standing(stage, "fire", "Complete", "Succeeded")
    assert stage.named("deployments", "slow", "burnt") == "2"
    stage.until(lambda: {"RequestAccepted", "RevocationForced"} <= set(stage.events("burnt")), "the Events")


def test_rollback(stage: Stage) -> None:
    """During the overlap the value before is back, byte for byte, and the consumer with it."""
    using(stage, "undo", "till", overlap={"duration": "1h"})
    before = stage.held("undo")
    stage.trigger("undo")
    stage.until(lambda: (stage.status("undo").get("rotation") or {}).get("step") == "Overlap", "the overlap")
    stage.apply(request("back", "Rollback", "undo", version=1))
    until_standing(stage, "back", "Complete", "Succeeded")
    held = stage.held("undo")
    assert {key: held[key] for key in before} == before
    assert held["previous.version"] == b"2"
    assert stage.named("deployments", "till", "undo") is None
    stage.apply(request("back-again", "Rollback", "undo"))
    until_standing(stage, "back-again", "Failed", "Refused")


def test_revoke(stage: Stage) -> None:
    """With the policy Manual a version stays until a request names it, and while a pod holds it."""
    settle(stage, "archive", pod("reader", "archive"), revocationPolicy="Manual")
    stage.until_ready("reader")
    stage.trigger("archive")
    stage.until_condition("archive", "RevocationBlocked", "True", "ManualRevocation")
    stage.apply(request("shred", "Revoke", "archive", version=1))
    stage.until_condition("archive", "RevocationBlocked", "True", "HeldByPods")
    stage.kubectl("delete", "pod", "reader", "--wait=false")
    until_standing(stage, "shred", "Complete", "Succeeded")
    assert stage.states("archive") == DONE


def test_a_selector(stage: Stage) -> None:
    """Those with the label are rotated; the request counts, and says what each came to."""
    labels = {"tier": "web"}
    for name, suspend in (("one", False), ("two", False), ("resting", True)):
        body = credential(f"tier-{name}", suspend=suspend)
        stage.apply({**body, "metadata": {**body["metadata"], "labels": labels}})
        stage.until_states(f"tier-{name}", {1: "Active"})
    stage.apply(request("tier", "Manual", selector={"matchLabels": labels}))
    until_standing(stage, "tier", "Failed", "Refused")
    found = stage.get("rotationrequests", "tier")
    assert found is not None
    status = found["status"]
    assert (status["total"], status["done"], status["succeeded"]) == (3, 3, 2)
    states = {one["name"]: one["state"] for one in status["results"]}
    assert states == {"tier-one": "Succeeded", "tier-two": "Succeeded", "tier-resting": "Refused"}


def test_a_finished_request_goes(stage: Stage) -> None:
    """With a time to live of nothing it is deleted as soon as it is over; what it did stays."""
    settle(stage, "brief")
    stage.apply(request("gone", "Manual", "brief", ttlAfterFinished="0s"))
    stage.until_states("brief", DONE)
    stage.until(lambda: stage.get("rotationrequests", "gone") is None, "the request to be deleted")


def test_a_request_for_nobody(opening: Opening) -> None:
    """It waits for its credential and says so; an operator that comes later finds what came meanwhile."""
    with opening() as stage:
        stage.apply(request("early", "Manual", "later"))

        def said() -> str:
            conditions = (stage.get("rotationrequests", "early") or {}).get("status", {}).get("conditions", ())
            return next((str(one["message"]) for one in conditions), "")

        stage.until(lambda: "there is no RotatedCredential later yet" in said(), "the request to say what it lacks")
        stage.operator.kill()
        stage.apply(credential("later"))
        stage.operator.start()
        until_standing(stage, "early", "Complete", "Succeeded")
        assert stage.states("later") == {1: "Active"}


def test_an_operator_that_is_killed_in_the_middle(opening: Opening) -> None:
    """Requests that come while it is away, or are under way when it goes, are carried out once."""
    with opening() as stage:
        using(stage, "steady", "web", overlap={"duration": "2s"})
        stage.patch("deployment", "web", {"spec": {"paused": True}})
        stage.apply(request("first", "Manual", "steady"))
        stage.until(lambda: "ConsumerWaiting" in stage.events("steady"), "the rollout to wait")
        stage.operator.kill()
        stage.patch("rreq", "first", {"metadata": {"labels": {"a": "b"}}})
        stage.kubectl("patch", "rreq", "first", "--subresource=status", "--type=merge", "-p", '{"status": null}')
        stage.patch("deployment", "web", {"spec": {"paused": False}})
        stage.operator.start()
        until_standing(stage, "first", "Complete", "Succeeded")
        assert (result(stage, "first")["fromVersion"], result(stage, "first")["toVersion"]) == (1, 2)
        stage.until_states("steady", DONE)
        assert stage.events("steady").count("ConsumerRestarted") == 1
