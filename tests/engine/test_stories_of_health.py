"""Stories of rotations that wait for others: healthy consumers, a staging credential, and consumers that settle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.engine.scenarios import JOBS, WEB, spec
from tests.engine.telling import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    condition,
    consumer,
    heal,
    heard,
    settled,
    sicken,
    states,
    triggered,
    values,
    verdict,
)
from tests.sim.cluster import Workload
from tests.sim.world import World

ONE = {1: "Active"}
MOVED = {1: "Retiring", 2: "Active"}
DONE = {1: "Revoked", 2: "Active"}
REQUIRED: dict[str, Any] = {"consumers": [WEB], "validation": {"consumers": "Required"}}
DAILY: dict[str, Any] = {"rotation": {"interval": "24h", "jitterPercent": 0}}
SETTLE: dict[str, Any] = {"consumers": [WEB], "validation": {"settle": "5m"}}
BAD = frozenset({"2"})


def test_a_sick_consumer_postpones_a_rotation() -> None:
    """Nothing is made and nobody restarted until it is healthy; it is said once, and Ready stays True."""
    web = Workload("web", "api")
    world = settled(web, **REQUIRED)
    sicken(web)
    triggered(world, lasts=2 * HOUR, **REQUIRED)
    assert states(world) == ONE
    assert web.restarts == []
    assert list(world.secrets) == ["api-v1", "api"]
    assert verdict(world, "Ready") == ("True", "ConsumersUnhealthy")
    assert verdict(world, "Postponed") == ("True", "ConsumersUnhealthy")
    assert "Deployment/web (not all pods are ready)" in condition(world, "Postponed").message
    assert verdict(world, "Stalled")[0] == "False", "it is not overdue: a person asked for it"
    heal(web)
    world.run(HOUR)
    assert states(world) == DONE
    assert verdict(world, "Postponed") == ("False", "None")
    assert heard(world, "RotationPostponed", "RotationNotPostponed", "Stalled") == {
        "RotationPostponed": 1, "RotationNotPostponed": 0, "Stalled": 0,
    }  # fmt: skip


def test_while_it_waits_nothing_is_written_and_looks_become_rare() -> None:
    """One save says it; then one read of the consumers, every five minutes at last."""
    web = Workload("web", "api")
    world = settled(web, **REQUIRED)
    sicken(web)
    triggered(world, lasts=6 * HOUR, **REQUIRED)
    calls = len(world.plug.calls)
    world.run(HOUR)
    assert set(world.plug.calls[calls:]) == {"workloads.find"}
    assert len(world.plug.calls) - calls <= 13


def test_who_has_nothing_to_wait_for_pays_nothing() -> None:
    """A rotation with healthy consumers and staging done makes the very calls of one that asks for nothing."""
    counted = []
    for asked in ({}, {"consumers": "Required", "after": "staging"}):
        world = World()
        world.add(Workload("web", "api"))
        wish: dict[str, Any] = {"consumers": [WEB], "validation": asked}
        for name, own in (("api", wish), ("staging", {})):
            world.apply(name, spec(**own))
        world.run(HOUR)
        world.apply("staging", spec("a"))
        world.run(HOUR)
        calls = len(world.plug.calls)
        triggered(world, lasts=2 * HOUR, **wish)
        assert states(world) == DONE
        counted.append(world.plug.calls[calls:])
    assert counted[0] == counted[1]


def test_one_that_never_expires_waits_and_is_stalled() -> None:
    """From when it is older than it should be a person must look; a compromise begins at once, and says so."""
    web = Workload("web", "api")
    world = settled(web, **REQUIRED, **DAILY)
    sicken(web)
    world.run(25 * HOUR)
    assert states(world) == ONE
    assert verdict(world, "Stalled") == ("True", "ConsumersUnhealthy")
    assert heard(world, "RotationPostponed", "Stalled") == {"RotationPostponed": 1, "Stalled": 1}
    world.ask("leak", "Compromise")
    world.run(MINUTE)
    assert states(world)[2] == "Active"
    assert heard(world, "RotationNotPostponed") == {"RotationNotPostponed": 1}


def test_one_that_expires_goes_on_in_time_and_says_so() -> None:
    """When it is said that it expires, the rotation begins whatever state the consumers are in."""
    web = Workload("web", "api")
    wish = {**REQUIRED, "rotation": {**DAILY["rotation"], "lifetime": "36h", "urgentBefore": "4h"}}
    world = settled(web, **wish)
    sicken(web)
    world.run(30 * HOUR)
    assert states(world) == ONE
    world.run(2 * HOUR)
    assert states(world)[2] == "Active"
    assert heard(world, "RotationPostponed", "RotationNotPostponed") == {
        "RotationPostponed": 1, "RotationNotPostponed": 1,
    }  # fmt: skip


def test_the_staging_credential_goes_first() -> None:
    """Ours begins only when that one's rotation is over, to the last: its old version is revoked."""
    after: dict[str, Any] = {"validation": {"after": "staging"}}
    world = World()
    world.apply("staging", spec())
    world.apply("api", spec(**after))
    world.run(HOUR)
    assert states(world) == ONE, "a first version waits for nobody"
    triggered(world, lasts=DAY, **after)
    assert states(world) == ONE
    assert verdict(world, "Postponed") == ("True", "AwaitingStaging")
    world.apply("staging", spec("a"))
    world.run(5 * MINUTE)
    assert states(world, "staging") == MOVED
    assert states(world) == ONE
    world.run(HOUR)
    assert (states(world, "staging"), states(world)) == (DONE, DONE)
    assert heard(world, "RotationPostponed") == {"RotationPostponed": 1}
    triggered(world, "b", lasts=HOUR, **after)
    assert states(world) == DONE, "each rotation waits for one of its own"


def test_a_staging_rotation_that_fails_keeps_ours_back() -> None:
    """What was taken back there does not come here."""
    after: dict[str, Any] = {"validation": {"after": "staging"}}
    web = Workload("web", "staging", fails_on=BAD)
    world = World()
    world.add(web)
    world.apply("staging", spec(consumers=[WEB]))
    world.apply("api", spec(**after))
    world.run(HOUR)
    world.apply("staging", spec("a", consumers=[WEB]))
    triggered(world, lasts=30 * MINUTE, **after)
    assert states(world, "staging") == {1: "Active", 2: "Discarded"}
    assert states(world) == ONE
    world.apply("staging", spec("b", consumers=[WEB]))
    world.run(HOUR)
    assert states(world, "staging")[3] == "Active", "its next attempt works"
    assert states(world) == DONE


def test_a_staging_credential_that_is_missing_is_said_at_once() -> None:
    """Long before anything is due; when it is made that is found out within minutes."""
    world = settled(validation={"after": "staging"})
    assert verdict(world, "Postponed") == ("True", "InvalidSpec")
    assert verdict(world, "Stalled")[0] == "False"
    triggered(world, validation={"after": "staging"})
    assert verdict(world, "Stalled") == ("True", "InvalidSpec")
    assert states(world) == ONE
    world.apply("staging", spec())
    world.run(6 * MINUTE)
    assert states(world) == DONE | {1: "Retiring"}, "it rotated after ours did: its first version is younger"


def test_one_that_is_made_later_is_found() -> None:
    """Nothing is due and nothing happens: within minutes the condition says that all is well."""
    world = settled(validation={"after": "staging"})
    calls = len(world.plug.calls)
    world.run(HOUR)
    assert len(world.plug.calls) == calls, "to look for it costs no request"
    world.apply("staging", spec())
    world.run(6 * MINUTE)
    assert verdict(world, "Postponed") == ("False", "None")


def test_two_that_wait_for_each_other_say_so() -> None:
    """Neither rotates, and both conditions name the other."""
    world = World()
    world.apply("api", spec(validation={"after": "db"}))
    world.apply("db", spec(validation={"after": "api"}))
    world.run(HOUR)
    for name, other in (("api", "db"), ("db", "api")):
        assert verdict(world, "Postponed", name) == ("True", "InvalidSpec")
        assert f"RotatedCredential {other} waits for this one in turn" in condition(world, "Postponed", name).message


def test_consumers_that_stay_healthy_begin_the_overlap() -> None:
    """It begins when the time is over and not before; a request is answered only then."""
    web = Workload("web", "api")
    world = settled(web, **SETTLE)
    world.ask("now", "Manual")
    world.run(5 * MINUTE)
    assert states(world) == MOVED
    assert consumer(world, "web").healthy is True
    assert verdict(world, "ConsumersUpToDate") == ("False", "Settling")
    assert heard(world, "OverlapStarted") == {"OverlapStarted": 0}
    assert world.requests["now"].status.results[0].state == "Running"
    world.run(MINUTE)
    assert heard(world, "OverlapStarted") == {"OverlapStarted": 1}
    assert verdict(world, "ConsumersUpToDate") == ("True", "Moved")
    assert consumer(world, "web").healthy is None
    assert world.requests["now"].status.results[0].state == "Succeeded"


def test_a_consumer_that_falls_ill_is_taken_back() -> None:
    """It was ready with version 2, and failed a minute later: version 1 is current again, byte for byte."""
    web = Workload("web", "api", fails_on=BAD, fails_after=MINUTE)
    world = settled(web, **SETTLE)
    before = values(world)
    triggered(world, lasts=3 * MINUTE, **SETTLE)
    assert states(world) == MOVED
    assert consumer(world, "web").healthy is False
    assert "not healthy any more: Deployment/web" in condition(world, "ConsumersUpToDate").message
    world.run(30 * MINUTE)
    assert states(world) == {1: "Active", 2: "Discarded"}
    assert values(world) == before
    assert web.restarts == ["2", None]
    assert heard(world, "RolloutFailed", "RolledBack", "OverlapStarted") == {
        "RolloutFailed": 1, "RolledBack": 1, "OverlapStarted": 0,
    }  # fmt: skip
    said = next(note for _, notice, note in world.news if notice.value == "RolloutFailed")
    assert "Deployment/web" in said
    triggered(world, "b", lasts=HOUR, **SETTLE)
    assert states(world)[3] == "Active", "it may be tried again"


def test_on_failure_hold_waits_for_a_person() -> None:
    """Both versions stay accepted; when it is well again the time counts anew, and the overlap begins."""
    web = Workload("web", "api", fails_on=BAD, fails_after=MINUTE)
    wish = {**SETTLE, "rollout": {"onFailure": "Hold"}}
    world = settled(web, **wish)
    triggered(world, lasts=30 * MINUTE, **wish)
    assert states(world) == MOVED
    assert verdict(world, "Stalled") == ("True", "RolloutFailed")
    web.fails_on = frozenset()
    heal(web)
    world.run(10 * MINUTE)
    assert heard(world, "OverlapStarted") == {"OverlapStarted": 1}
    assert states(world) == MOVED


def test_a_consumer_that_is_scaled_is_not_taken_back() -> None:
    """Another pod takes a moment to be ready: the time counts anew, nothing else."""
    web = Workload("web", "api", ready_after=timedelta(seconds=50))
    world = settled(web, **SETTLE)
    triggered(world, lasts=3 * MINUTE, **SETTLE)
    web.replicas = 4
    world.run(30 * SECOND)
    assert consumer(world, "web").healthy is False
    world.run(20 * MINUTE)
    assert states(world) in (MOVED, DONE)
    assert heard(world, "RolloutFailed", "OverlapStarted") == {"RolloutFailed": 0, "OverlapStarted": 1}


def test_what_others_know_is_not_kept_for_the_sake_of_settling() -> None:
    """A compromised version goes when the consumers have moved."""
    web, jobs = Workload("web", "api"), Workload("jobs", "api")
    wish: dict[str, Any] = {"consumers": [WEB, JOBS], "validation": {"settle": "1h"}}
    world = settled(web, jobs, **wish)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(5 * MINUTE)
    assert states(world) == DONE
