"""What a rotation waits for on a real API server: healthy consumers, a staging credential, consumers that settle."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.history import recording
from tests.e2e.manifests import BEHAVIOUR, consumer, credential, workload
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

DONE = {1: "Revoked", 2: "Active"}


def settled(stage: Stage, name: str, **validation: str) -> None:
    """Apply a credential with a Deployment, and wait until that runs with version 1."""
    stage.apply(credential(name, consumers=[consumer(name)], validation=validation))
    stage.until_states(name, {1: "Active"})
    stage.apply(workload(name, name))
    stage.until_old(name)
    stage.until(lambda: available(stage, name) == 2, f"{name} to be available")


def available(stage: Stage, name: str) -> int:
    """Return how many pods serve, by the Deployment's own status."""
    found = stage.get("deployments", name)
    return int((found or {})["status"].get("availableReplicas", 0))


def sicken(stage: Stage, name: str) -> None:
    """Let all pods that are there crash, over and over."""
    stage.kubectl("annotate", "--overwrite", "pod", f"-lapp={name}", f"{BEHAVIOUR}=failing")
    stage.until(lambda: available(stage, name) == 0, f"{name} to be unavailable")


def test_a_sick_consumer_postpones_the_rotation_until_it_is_healthy(stage: Stage) -> None:
    """No version is made and nobody is restarted; when its pods serve again the rotation begins by itself."""
    name = "careful"
    settled(stage, name, consumers="Required")
    sicken(stage, name)
    stage.trigger(name)
    message = stage.until_condition(name, "Postponed", "True", "ConsumersUnhealthy")
    assert f"not healthy: Deployment/{name} (2 of 2 pods updated, 2 not ready)" in message
    assert stage.condition(name, "Ready")[:2] == ("True", "ConsumersUnhealthy")
    assert stage.states(name) == {1: "Active"}
    assert stage.data(f"{name}-v2") is None
    assert stage.named("deployments", name, name) is None

    stage.kubectl("annotate", "pod", f"-lapp={name}", f"{BEHAVIOUR}-")
    stage.until_states(name, DONE)
    assert stage.condition(name, "Postponed")[0] == "False"
    assert stage.named("deployments", name, name) == "2"
    assert stage.events(name).count("RotationPostponed") == 1


def test_a_consumer_that_falls_ill_while_it_should_settle_is_taken_back(stage: Stage) -> None:
    """It was ready with version 2; the bundle shows version 1 again, byte for byte, and the Deployment runs with it."""
    name = "settling"
    with recording(stage.reader, stage.namespace) as recorder:
        settled(stage, name, settle="20s")
        before = stage.held(name)
        stage.trigger(name)
        stage.until_condition(name, "ConsumersUpToDate", "False", "Settling")
        assert stage.states(name) == {1: "Retiring", 2: "Active"}
        assert stage.held(name)["previous.token"] == before["token"]
        sicken(stage, name)
        stage.until_states(name, {1: "Active", 2: "Discarded"})
    assert stage.held(name) == before
    assert stage.named("deployments", name, name) is None
    assert stage.data(f"{name}-v2") is None
    said = stage.events(name)
    assert said[-5:] == ["ConsumerRestarted", "RolloutFailed", "RolledBack", "ConsumerRestarted", "Discarded"]
    assert recorder.history().locked_out(name) == []


def test_the_staging_credential_goes_first(stage: Stage) -> None:
    """A rotation that is asked for waits until the other one's is over, to its last revocation."""
    stage.apply(credential("staging"), credential("production", validation={"after": "staging"}))
    for name in ("staging", "production"):
        stage.until_states(name, {1: "Active"})
    stage.trigger("production")
    message = stage.until_condition("production", "Postponed", "True", "AwaitingStaging")
    assert "RotatedCredential staging, which goes first, has not rotated since this one did" in message
    # Times are known in whole seconds: a rotation in the same one as ours does not count as later.
    since = datetime.fromisoformat(stage.status("production")["lastRotationTime"])
    stage.until(lambda: datetime.now(UTC) > since + timedelta(seconds=1), "another second")
    stage.trigger("staging")
    stage.until_states("production", DONE)
    assert stage.states("staging") == DONE
    first, last = stage.status("staging"), stage.status("production")
    assert first["versions"][0]["revocationTime"] <= last["versions"][0]["retireTime"]
    assert stage.events("production").count("RotationPostponed") == 1


def test_a_staging_credential_that_is_not_there_is_said(stage: Stage) -> None:
    """Before any rotation is due; who waits for each other is told so."""
    stage.apply(credential("lost", validation={"after": "nobody"}))
    assert "RotatedCredential nobody does not exist" in stage.until_condition(
        "lost", "Postponed", "True", "InvalidSpec"
    )
    stage.until_states("lost", {1: "Active"})
