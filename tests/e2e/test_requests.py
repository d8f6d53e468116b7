"""What a person asks for once, with kubectl: rotate, give up what leaked, go back, revoke; and what becomes of it."""

from typing import Any

import pytest

from tests.e2e.manifests import Manifest, credential, request
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
