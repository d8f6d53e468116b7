"""An old version stays while somebody is seen using it, or while nobody can tell; then it goes by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core import duration, retire
from rekey.core.usage import Reading
from tests.engine.scenarios import WEB, spec
from tests.engine.scenarios_of_usage import SEEN
from tests.engine.telling import DAY, HOUR, MINUTE, SECOND, condition, heard, outcome, settled, states, triggered
from tests.engine.telling import bare as started
from tests.engine.telling import verdict as said
from tests.sim.cluster import Workload
from tests.sim.world import World

BLOCKED = "RevocationBlocked"
QUIET = 30 * MINUTE


class Metrics:
    """What verifiers count and somebody collects: the uses of each version; `away`: it does not answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.uses: list[tuple[int, datetime]] = []
        self.away = False
        self.asked: list[datetime] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def use(self, version: int = 1) -> None:
        """Let somebody show that version now."""
        self.uses.append((version, self.world.time))

    def __call__(self, expression: str) -> Reading:
        """Answer how often that version was used in that time."""
        self.asked.append(self.world.time)
        self.meanwhile()
        if self.away:
            return Reading(trouble="Prometheus: no connection")
        found = re.search(r'credential="orders/api",version="(\d+)",reason="accepted"}\[(\w+)\]', expression)
        assert found
        since = self.world.time - duration.parse(found[2])
        count = sum(1 for version, when in self.uses if version == int(found[1]) and when > since)
        return Reading((float(count),) if count else ())


def counted(*workloads: Workload, **changes: Any) -> tuple[World, Metrics]:
    """Return a world at version 1, whose uses are counted from now on."""
    world = settled(*workloads, **{**SEEN, **changes})
    world.metrics = metrics = Metrics(world)
    return world, metrics


def asked_while(metrics: Metrics, lasts: timedelta) -> int:
    """Let time pass; return how many questions were put."""
    before = len(metrics.asked)
    metrics.world.run(lasts)
    return len(metrics.asked) - before


def test_a_version_that_nobody_uses_goes_when_its_overlap_is_over() -> None:
    """Nobody is asked before; then once, and the pods are looked at once more after the answer."""
    world, metrics = counted()
    triggered(world, lasts=10 * MINUTE, **SEEN)
    assert (states(world), metrics.asked) == ({1: "Retiring", 2: "Active"}, [])
    begin = len(world.plug.calls)
    world.run(MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    calls = world.plug.calls[begin:]
    assert calls[:5] == ["workloads.find", "pods.list", "meter.read", "workloads.find", "pods.list"]
    assert calls.count("meter.read") == 1


def test_without_the_field_nobody_is_asked() -> None:
    """Not one call is another: those with the field are the same, but for the question and the look after it."""
    plain, (gated, _) = settled(), counted()
    for world, wish in ((plain, {}), (gated, SEEN)):
        world.plug.calls.clear()
        triggered(world, lasts=HOUR, **wish)
        assert states(world) == {1: "Revoked", 2: "Active"}
    at = gated.plug.calls.index("meter.read")
    assert gated.plug.calls[:at] + gated.plug.calls[at + 3 :] == plain.plug.calls


def test_a_version_in_use_stays_until_it_is_quiet() -> None:
    """The condition says so, and an Event, once; it goes half an hour after the last use, by five minutes at most."""
    world, metrics = counted()
    triggered(world, lasts=9 * MINUTE, **SEEN)
    metrics.use()
    world.run(20 * MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert said(world, BLOCKED) == ("True", "InUse")
    assert condition(world, BLOCKED).message == "version 1 is still in use: somebody used it in the last 30m"
    assert said(world, "Ready") == ("True", "InUse")
    metrics.use()
    world.run(QUIET)
    assert states(world) == {1: "Retiring", 2: "Active"}
    world.run(5 * MINUTE + SECOND)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert said(world, BLOCKED) == ("False", "None")
    assert heard(world, "RevocationBlocked", "RevocationForced") == {"RevocationBlocked": 1, "RevocationForced": 0}


def test_the_uses_of_the_new_version_are_no_reason() -> None:
    """What counts is the version that is to go."""
    world, metrics = counted()
    triggered(world, **SEEN)
    for _ in range(20):
        metrics.use(2)
        world.run(MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_nobody_can_tell() -> None:
    """It stays for as long as nobody answers, says why, is asked more and more rarely, and goes when it is known."""
    world, metrics = counted()
    metrics.away = True
    triggered(world, lasts=11 * MINUTE, **SEEN)
    assert said(world, BLOCKED) == ("True", "UsageUnknown")
    assert condition(world, BLOCKED).message == "version 1 may still be in use: Prometheus: no connection"
    assert asked_while(metrics, HOUR) <= 17
    saved = world.plug.calls.count("credentials.save")
    assert asked_while(metrics, DAY) in range(280, 290)
    assert world.plug.calls.count("credentials.save") == saved
    assert states(world) == {1: "Retiring", 2: "Active"}
    metrics.away = False
    world.run(5 * MINUTE + SECOND)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_it_is_asked_of_what_is_not_allowed() -> None:
    """The condition says whom to ask for it."""
    elsewhere: dict[str, Any] = {"usage": {"prometheus": {"url": "https://prometheus.monitoring.svc:9090"}}}
    world, metrics = counted(**elsewhere)
    triggered(world, lasts=HOUR, **elsewhere)
    assert metrics.asked == []
    assert said(world, BLOCKED) == ("True", "UsageUnknown")
    assert "monitoring.svc:9090 is not allowed: ask an administrator" in condition(world, BLOCKED).message


@pytest.mark.parametrize(("field", "key"), [("caSecretName", "ca.crt"), ("tokenSecretName", "token")])
def test_a_secret_that_is_not_there(field: str, key: str) -> None:
    """Nobody is asked without it, and it is said which; with it things go on."""
    wish: dict[str, Any] = {"usage": {"prometheus": {"url": "https://prometheus.orders.svc", field: "mine"}}}
    world, metrics = counted(**wish)
    triggered(world, lasts=11 * MINUTE, **wish)
    assert metrics.asked == []
    assert condition(world, BLOCKED).message == f"version 1 may still be in use: Secret mine has no {key}"
    world.put("mine", {key: b"canary-9d1f"})
    world.run(5 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_the_next_rotation_waits_and_says_so() -> None:
    """It is due, and the old version is still used: that is said loudly, and no third version is made."""
    daily = {**SEEN, "rotation": {"interval": "24h", "jitterPercent": 0}}
    world, metrics = counted(**daily)
    world.run(DAY, until=lambda: len(states(world)) > 1)
    for _ in range(75):
        metrics.use()
        world.run(20 * MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert said(world, "Stalled") == ("True", "InUse")
    assert "the next rotation is due and waits for that" in condition(world, "Stalled").message
    world.run(16 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Retiring", 3: "Active"}


def test_past_the_deadline_a_version_in_use_stays_too() -> None:
    """With `atDeadline: Hold`; the condition says that the time is over."""
    late = {**SEEN, "overlap": {"duration": "10m", "deadline": "2h"}}
    world, metrics = counted(**late)
    metrics.away = True
    triggered(world, lasts=3 * HOUR, **late)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert said(world, BLOCKED) == ("True", "DeadlinePassed")
    assert "no connection" in condition(world, BLOCKED).message


def test_past_the_deadline_a_version_in_use_goes_where_that_is_wished() -> None:
    """With `atDeadline: Revoke`, as for pods; the Event says so."""
    late = {**SEEN, "overlap": {"duration": "10m", "deadline": "2h", "atDeadline": "Revoke"}}
    world, metrics = counted(**late)
    metrics.away = True
    triggered(world, lasts=2 * HOUR - MINUTE, **late)
    assert states(world) == {1: "Retiring", 2: "Active"}
    world.run(6 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert heard(world, "RevocationForced") == {"RevocationForced": 1}


@pytest.mark.parametrize("revoke", ["Immediately", "AfterRollout"])
def test_what_others_know_is_not_kept_for_who_uses_it(revoke: str) -> None:
    """Whoever uses it may be the one who must not: nobody is asked."""
    world, metrics = counted(Workload("web", "api"), consumers=[WEB])
    metrics.use()
    world.ask("leak", "Compromise", revoke=revoke)
    world.run(10 * MINUTE)
    assert (states(world), metrics.asked) == ({1: "Revoked", 2: "Active"}, [])


def test_a_person_wants_a_version_in_use_to_go() -> None:
    """Its overlap is cut short, and who uses it still counts, as pods do: the request waits."""
    world, metrics = counted()
    triggered(world, **SEEN)
    metrics.use()
    world.ask("revoke", "Revoke", version=1)
    world.run(5 * MINUTE)
    assert said(world, BLOCKED) == ("True", "InUse")
    assert outcome(world, "revoke")[0] == "Running"
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert outcome(world, "revoke")[0] == "Succeeded"


def test_a_version_that_is_kept_is_not_asked_about() -> None:
    """`revocationPolicy: Manual`: nothing is asked until a person wants it to go."""
    kept = {**SEEN, "revocationPolicy": "Manual"}
    world, metrics = counted(**kept)
    triggered(world, lasts=HOUR, **kept)
    assert metrics.asked == []
    world.ask("revoke", "Revoke", version=1)
    world.run(MINUTE)
    assert (states(world), len(metrics.asked)) == ({1: "Revoked", 2: "Active"}, 1)


def test_a_version_that_failed_is_asked_about_too() -> None:
    """After a rollback somebody may still use it."""
    workload = Workload("web", "api", fails_on=frozenset({"2"}))
    world, metrics = counted(workload, consumers=[WEB], rollout={"progressDeadline": "20s"})
    world.apply("api", spec("a", consumers=[WEB], rollout={"progressDeadline": "20s"}, **SEEN))
    world.run(5 * MINUTE, until=lambda: states(world).get(2) == "Retiring")
    metrics.use(2)
    world.run(20 * MINUTE)
    assert states(world) == {1: "Active", 2: "Retiring"}
    assert said(world, BLOCKED) == ("True", "InUse")
    world.run(HOUR)
    assert states(world) == {1: "Active", 2: "Discarded"}


def test_a_pod_that_comes_while_the_answer_is_under_way() -> None:
    """It was not there when pods were looked at; they are looked at again, and it keeps the version."""
    world, metrics = counted()

    def comes() -> None:
        started(world)
        world.bare[-1].started = world.time - HOUR

    metrics.meanwhile = comes
    triggered(world, lasts=11 * MINUTE, **SEEN)
    assert len(metrics.asked) == 1
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert said(world, BLOCKED) == ("True", "HeldByPods")


def test_the_gate_is_taken_away_while_a_version_waits() -> None:
    """Who takes `usage` out of the spec goes on without it, at once; who adds it is heard at once as well."""
    world, metrics = counted(usage=None)
    triggered(world, lasts=9 * MINUTE, usage=None)
    metrics.away = True
    triggered(world, lasts=HOUR, **SEEN)
    assert said(world, BLOCKED) == ("True", "UsageUnknown")
    triggered(world, usage=None)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_a_new_operator_asks_anew() -> None:
    """Nothing of an answer is kept: while nobody can tell, a restart revokes nothing."""
    world, metrics = counted()
    triggered(world, **SEEN)
    metrics.away = True
    world.restart(3 * HOUR)
    world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert said(world, BLOCKED) == ("True", "UsageUnknown")


def test_what_is_asked_is_not_said() -> None:
    """Neither the question nor a token stands in a status or an Event, whatever comes of it."""
    query = 'canary_metric{v="${version}"}[${quiet}]'
    server = {"url": "https://prometheus.orders.svc", "query": query, "tokenSecretName": "prom"}
    wish: dict[str, Any] = {"usage": {"prometheus": server}}
    world, _ = counted(**wish)
    world.put("prom", {"token": b"canary-token", "url": server["url"].encode()})
    answers = [Reading(trouble="no connection"), Reading((1.0,)), Reading((float("nan"),)), Reading((), partial=True)]
    world.metrics = lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    triggered(world, lasts=2 * HOUR, **wish)
    texts = [str(item.status.to_json()) for item in world.credentials.values()] + [note for *_, note in world.news]
    assert "has warnings" in texts[0]
    assert not [text for text in texts if "canary" in text]


def test_a_question_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that asks nobody breaks U1."""
    world, metrics = counted()
    metrics.away = True
    monkeypatch.setattr(retire, "is_gated", lambda *_: False)
    with pytest.raises(AssertionError, match="U1"):
        triggered(world, lasts=HOUR, **SEEN)
