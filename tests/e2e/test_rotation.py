"""Whole rotations, through kubectl: what a person sees of a success, a rollback and a failure."""

from datetime import datetime
from itertools import pairwise

import pytest

from tests.e2e.history import Change, History, recording, written
from tests.e2e.manifests import BAD_VERSION, BEHAVIOUR, DELAY, consumer, credential, workload
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

SUCCESS = ["Issued", "Activated", "ConsumerRestarted", "OverlapStarted", "OverlapExpired", "Revoked"]
ROLLBACK = ["Issued", "Activated", "ConsumerRestarted", "RolloutFailed", "RolledBack", "ConsumerRestarted", "Discarded"]
FAILURE = ["Issued", "Activated", "ConsumerRestarted", "RolloutFailed"]


def when(text: str) -> datetime:
    """Return the instant that a server wrote."""
    return datetime.fromisoformat(text)


def test_a_whole_rotation(stage: Stage) -> None:
    """Version 2 follows a trigger; version 1 goes only after its overlap, when no pod can hold it."""
    app = workload("checkout", "orders")
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(app, credential("orders", consumers=[consumer("checkout")], overlap={"duration": "5s"}))
        stage.until_states("orders", {1: "Active"})
        first = stage.held("orders")
        assert first.keys() == {"token", "version"}
        assert first == {**stage.held("orders-v1"), "version": b"1"}
        assert stage.named("deployments", "checkout", "orders") is None
        stage.until_ready("checkout")

        stage.trigger("orders")
        stage.until(lambda: stage.states("orders") == {1: "Retiring", 2: "Active"}, "version 2")
        _compare_both(stage, first)
        stage.until(lambda: stage.named("deployments", "checkout", "orders") == "2", "the template to name 2")
        stage.until(lambda: stage.status("orders").get("overlapEndTime"), "the end of the overlap to be known")
        end = when(stage.status("orders")["overlapEndTime"])

        stage.until_states("orders", {1: "Revoked", 2: "Active"})
        assert stage.data("orders-v1") is None
        assert stage.held("orders") == {**stage.held("orders-v2"), "version": b"2"}
        stage.until_events("orders", SUCCESS)
        _judge_the_end(recorder.history(), end)


def _compare_both(stage: Stage, first: dict[str, bytes]) -> None:
    """Compare the bundle, which shows both versions, with their Secrets."""
    both = stage.held("orders")
    assert both.keys() == {"token", "version", "previous.token", "previous.version"}
    assert (both["version"], both["previous.version"]) == (b"2", b"1")
    assert both["previous.token"] == first["token"] == stage.held("orders-v1")["token"]
    assert both["token"] == stage.held("orders-v2")["token"] != first["token"]
    for name in ("orders-v1", "orders-v2"):
        found = stage.get("secrets", name)
        assert found is not None
        assert found["immutable"] is True
        assert found["metadata"]["ownerReferences"][0]["controller"] is True


def _judge_the_end(history: History, end: datetime) -> None:
    """Compare what the servers wrote down: the commit comes after the overlap and after the last pod that was there."""
    assert history.locked_out("orders") == []
    assert history.made("orders") == {1: 1, 2: 1}
    assert history.rolled("checkout") == 2
    commit = next(one for one in history.of("rotatedcredentials", "orders") if _state(one, 1) == "Revoking")
    gone = next(one for one in history.of("secrets", "orders-v1") if one.gone)
    assert written(commit.body) >= end
    assert commit.version < gone.version
    began = history.of("secrets", "orders-v2")[0].version
    old = {one.name for one in history.changes if one.resource == "pods" and one.version < began}
    old = {name for name in old if name.startswith("checkout-")}
    ends = [one.version for one in history.changes if one.name in old and one.gone]
    assert len(ends) == len(old) == 2
    assert max(ends) < commit.version


def _state(change: Change, number: int) -> str | None:
    versions = change.body.get("status", {}).get("versions", ())
    return next((one["state"] for one in versions if one["number"] == number), None)


def test_a_rollout_that_fails_is_taken_back(stage: Stage) -> None:
    """Version 1 is current again byte for byte, the template says what it said, and version 2 is gone."""
    app = workload("picky", "bills", notes={BAD_VERSION: "bills=2"})
    rollout = {"progressDeadline": "4s"}
    stage.apply(app, credential("bills", consumers=[consumer("picky")], rollout=rollout))
    stage.until_states("bills", {1: "Active"})
    first = stage.held("bills")
    stage.until_old("picky")

    with recording(stage.reader, stage.namespace) as recorder:
        stage.trigger("bills")
        stage.until_states("bills", {1: "Active", 2: "Discarded"})
        stage.until_events("bills", ROLLBACK)
        history = recorder.history()

    assert stage.held("bills") == first
    assert stage.data("bills-v2") is None
    assert stage.held("bills-v1")["token"] == first["token"]
    assert history.named("picky", "bills") == [None, "2", None]
    assert history.locked_out("bills") == []
    assert history.made("bills") == {1: 1, 2: 1}
    status, reason, message = stage.condition("bills", "Stalled")
    assert (status, reason) == ("True", "RolloutFailed")
    assert "next attempt" in message
    stage.until_ready("picky")


def test_a_failed_rollout_can_be_left_as_it_is(stage: Stage) -> None:
    """With onFailure Hold both versions stay accepted, nothing is put back, and a person is told."""
    app = workload("stubborn", "mail", notes={BAD_VERSION: "mail=2"})
    rollout = {"progressDeadline": "3s", "onFailure": "Hold"}
    stage.apply(app, credential("mail", consumers=[consumer("stubborn")], rollout=rollout))
    stage.until_states("mail", {1: "Active"})
    stage.until_ready("stubborn")
    stage.trigger("mail")
    message = stage.until_condition("mail", "Stalled", "True", "RolloutFailed")

    assert "Deployment/stubborn" in message
    assert stage.states("mail") == {1: "Retiring", 2: "Active"}
    assert {"mail-v1", "mail-v2"} <= {item["metadata"]["name"] for item in stage.all("secrets")}
    assert stage.named("deployments", "stubborn", "mail") == "2"
    stage.until_events("mail", FAILURE)
    stage.kubectl("patch", "deployment", "stubborn", "--type=json", "-p", _without(BAD_VERSION))
    stage.until_states("mail", {1: "Revoked", 2: "Active"})
    assert stage.condition("mail", "Stalled")[0] == "False"


def _without(note: str) -> str:
    path = f"/spec/template/metadata/annotations/{note.replace('/', '~1')}"
    return f'[{{"op": "remove", "path": "{path}"}}]'


def test_two_credentials_on_one_deployment(stage: Stage) -> None:
    """Each rotation restarts the Deployment once, and neither touches the other's annotation."""
    app = workload("shared", "left", "right")
    both = [credential(name, consumers=[consumer("shared")]) for name in ("left", "right")]
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(app, *both)
        for name in ("left", "right"):
            stage.until_states(name, {1: "Active"})
        stage.until_ready("shared")
        for name in ("left", "right"):
            stage.trigger(name)
            stage.until_states(name, {1: "Revoked", 2: "Active"})
        stage.trigger("left", "b")
        stage.until_states("left", {1: "Revoked", 2: "Revoked", 3: "Active"})
        history = recorder.history()

    assert history.named("shared", "left") == [None, "2", "3"]
    assert history.named("shared", "right") == [None, "2"]
    assert history.rolled("shared") == 4
    assert history.of("deployments", "shared")[-1].body["metadata"]["generation"] == 4
    assert history.locked_out("left") == history.locked_out("right") == []


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_kinds_of_consumers(stage: Stage, kind: str) -> None:
    """StatefulSets and DaemonSets are rolled once, too, and their old pods gate."""
    name = f"kind-{kind.lower()}"
    stage.apply(workload(name, name, kind=kind), credential(name, consumers=[consumer(name, kind)]))
    stage.until_states(name, {1: "Active"})
    stage.until_ready(name)
    before = {pod["metadata"]["uid"] for pod in stage.all("pods")}
    stage.trigger(name)
    stage.until_states(name, {1: "Revoked", 2: "Active"})

    found = stage.get(f"{kind.lower()}s", name)
    assert found is not None
    assert found["metadata"]["generation"] == 2
    assert stage.named(f"{kind.lower()}s", name, name) == "2"
    own = {pod["metadata"]["uid"] for pod in stage.all("pods") if pod["metadata"]["labels"]["app"] == name}
    assert own
    assert not own & before
    stage.until_events(name, SUCCESS)


def test_consumers_by_selector_follow_their_canary(stage: Stage) -> None:
    """All that have the label are consumers; the first goes alone, then two at a time, each once."""
    names = ["web-a", "web-b", "web-c", "web-d"]
    slow = {BEHAVIOUR: "slow", DELAY: "1s"}
    apps = [workload(name, "api", labels={"uses": "api"}, notes=slow, replicas=1) for name in names]
    other = workload("web-e", "api", labels={"uses": "nothing"}, replicas=1)
    chosen = {"kind": "Deployment", "selector": {"matchLabels": {"uses": "api"}}}
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(*apps, credential("api", consumers=[chosen], rollout={"maxConcurrent": 2}))
        stage.until_states("api", {1: "Active"})
        stage.until_ready(*names)
        stage.trigger("api")
        stage.until_states("api", {1: "Revoked", 2: "Active"})
        stage.apply(other)
        history = recorder.history()

    assert [history.named(name, "api") for name in names] == [[None, "2"]] * 4
    starts = {name: _restarted(history, name) for name in names}
    ends = {name: _moved(history, name) for name in names}
    assert all(ends["web-a"] < starts[name] for name in names[1:])
    assert _most_at_once(starts, ends) <= 2
    assert stage.named("deployments", "web-e", "api") is None


def _restarted(history: History, name: str) -> int:
    return next(one.version for one in history.of("deployments", name) if one.body["metadata"]["generation"] == 2)


def _moved(history: History, name: str) -> int:
    """Return when the last pod of the old template was gone and the new one was ready."""
    full = [
        change.version
        for change in history.of("deployments", name)
        if (status := change.body.get("status", {})).get("observedGeneration") == 2
        and status.get("updatedReplicas") == status.get("availableReplicas") == status.get("replicas") == 1
    ]
    return int(full[0])


def _most_at_once(starts: dict[str, int], ends: dict[str, int]) -> int:
    moments = sorted([(at, 1) for at in starts.values()] + [(at, -1) for at in ends.values()])
    running, most = 0, 0
    for _, change in moments:
        running += change
        most = max(most, running)
    assert all(before <= after for (before, _), (after, _) in pairwise(moments))
    return most
