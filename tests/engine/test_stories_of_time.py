"""Stories of time: schedules, windows, holds, deadlines, policies, downtime, and clocks that jump."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekey.core import schedule
from rekey.core.facts import How
from rekey.core.spec import Rotation
from tests.engine.scenarios import HOT, JOBS, WEB, spec
from tests.engine.telling import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    bare,
    condition,
    heard,
    settled,
    states,
    triggered,
    values,
    verdict,
)
from tests.sim.cluster import Workload
from tests.sim.world import START, World

MOVED = {1: "Retiring", 2: "Active"}
DONE = {1: "Revoked", 2: "Active"}
NIGHTLY = [{"schedule": "0 2 * * *", "duration": "1h"}]


def rotating(**rotation: Any) -> dict[str, Any]:
    """Return a spec with this rotation and nothing else."""
    return spec(rotation={"interval": "240h", "jitterPercent": 0, **rotation})


def test_a_hold_keeps_what_would_go() -> None:
    """Until the hold ends version 1 stays and a condition says why; then it goes."""
    until = START + 5 * HOUR
    hold: dict[str, Any] = {"hold": {"until": until.isoformat(), "reason": "audit 7"}}
    world = settled(**hold)
    triggered(world, lasts=3 * HOUR + 59 * MINUTE, **hold)
    assert states(world) == MOVED
    assert verdict(world, "RevocationBlocked") == ("True", "OnHold")
    assert "audit 7" in condition(world, "RevocationBlocked").message
    world.run(MINUTE + SECOND)
    assert states(world) == DONE
    assert verdict(world, "RevocationBlocked") == ("False", "None")


def test_a_hold_that_is_set_in_time_counts_and_one_that_is_lifted_does_not() -> None:
    """Holds are live: set during the overlap it keeps, taken away it keeps no more."""
    world = settled()
    triggered(world)
    world.apply("api", spec("a", hold={"until": (START + 9 * DAY).isoformat(), "reason": "x"}))
    world.run(DAY)
    assert states(world) == MOVED
    world.apply("api", spec("a"))
    world.run(MINUTE)
    assert states(world) == DONE


def test_manual_waits_for_a_person() -> None:
    """The old version stays accepted and a condition asks for a hand; the next rotation goes on all the same."""
    manual: dict[str, Any] = {"revocationPolicy": "Manual"}
    world = settled(**manual)
    triggered(world, lasts=5 * DAY, **manual)
    assert states(world) == MOVED
    assert verdict(world, "RevocationBlocked") == ("True", "ManualRevocation")
    assert verdict(world, "Rotating") == ("False", "None")
    triggered(world, "b", DAY, **manual)
    assert states(world) == {1: "Retiring", 2: "Retiring", 3: "Active"}
    world.apply("api", spec("b"))
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}


def test_never_through_three_rotations() -> None:
    """Every version stays, the bundle shows the last two, and nothing is said to be blocked."""
    never: dict[str, Any] = {"revocationPolicy": "Never"}
    world = settled(**never)
    for trigger in "abc":
        triggered(world, trigger, DAY, **never)
    assert states(world) == {1: "Retiring", 2: "Retiring", 3: "Retiring", 4: "Active"}
    assert set(world.secrets) == {"api", "api-v1", "api-v2", "api-v3", "api-v4"}
    assert values(world)["previous.token"] == values(world, "api-v3")["token"]
    assert verdict(world, "RevocationBlocked") == ("False", "NeverRevoked")


def test_never_is_stronger_than_a_deadline() -> None:
    """A pod holds version 1 past the deadline: `Never` keeps it although `atDeadline` is `Revoke`."""
    wish: dict[str, Any] = {
        "revocationPolicy": "Never",
        "overlap": {"duration": "10m", "deadline": "1h", "atDeadline": "Revoke"},
        "consumers": [WEB],
    }
    world = settled(Workload("web", "api", manual="paused"), **wish)
    triggered(world, lasts=5 * HOUR, **wish)
    assert states(world) == MOVED
    assert heard(world, "RevocationForced") == {"RevocationForced": 0}


@pytest.mark.parametrize("stuck", ["an undeclared pod", "a paused consumer"])
def test_at_the_deadline_a_version_may_be_revoked_by_force(stuck: str) -> None:
    """With `atDeadline: Revoke` it goes at the deadline, not a second before, and that is said in three places."""
    wish: dict[str, Any] = {"overlap": {"duration": "10m", "deadline": "2h", "atDeadline": "Revoke"}}
    wish["consumers"] = [WEB] if stuck == "a paused consumer" else []
    world = settled(
        Workload("web", "api", manual="paused" if wish["consumers"] else None, replicas=len(wish["consumers"]))
    )
    if not wish["consumers"]:
        bare(world)
    world.run(SECOND)
    triggered(world, lasts=2 * HOUR - MINUTE, **wish)
    assert states(world) == MOVED
    world.promises.excused = True
    world.run(2 * MINUTE)
    assert states(world) == DONE
    assert heard(world, "RevocationForced", "OverlapExpired") == {"RevocationForced": 1, "OverlapExpired": 0}
    assert verdict(world, "RevocationBlocked") == ("False", "DeadlinePassed")


def test_after_a_forced_revocation_the_others_are_moved_all_the_same() -> None:
    """The canary never got ready; whoever waited behind it is restarted later, when it can be."""
    wish: dict[str, Any] = {
        "overlap": {"duration": "10m", "deadline": "2h", "atDeadline": "Revoke"},
        "rollout": {"progressDeadline": "24h"},
        "consumers": [WEB, JOBS],
    }
    web, jobs = Workload("web", "api", fails_on=frozenset({"2"})), Workload("jobs", "api")
    world = settled(web, jobs, **wish)
    triggered(world, lasts=HOUR, **wish)
    assert (web.restarts, jobs.restarts) == (["2"], [])
    world.promises.excused = True
    world.run(2 * HOUR)
    assert states(world) == DONE
    web.fails_on = frozenset()
    for pod in web.pods:
        pod.ready_at = pod.ready_at or world.time
    world.run(HOUR)
    assert (web.restarts, jobs.restarts) == (["2"], ["2"])


def test_suspend_finishes_what_is_under_way() -> None:
    """No rotation begins while suspended; the one under way ends, and what was due begins afterwards, once."""
    world = settled()
    triggered(world)
    world.apply("api", spec("a", suspend=True))
    world.run(HOUR)
    assert states(world) == DONE
    world.apply("api", spec("b", suspend=True))
    world.run(30 * DAY)
    assert states(world) == DONE
    assert verdict(world, "Ready") == ("True", "Suspended")
    triggered(world, "b", DAY)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}


def test_a_trigger_waits_for_its_window() -> None:
    """Asked for at noon it begins at two in the night."""
    world = settled()
    world.apply("api", rotating(windows=NIGHTLY, trigger="a"))
    world.run(12 * HOUR + 59 * MINUTE)
    assert states(world) == {1: "Active"}
    assert verdict(world, "Ready") == ("True", "AwaitingWindow")
    world.run(2 * MINUTE)
    assert states(world) == MOVED


def test_restarts_wait_for_a_window_and_revocation_does_not() -> None:
    """The canary takes longer than the window: the second is restarted a night later; version 1 goes by day."""
    wish: dict[str, Any] = {"consumers": [WEB, JOBS], "overlap": {"duration": "6h"}}
    wish["rollout"] = {"progressDeadline": "3h"}
    web, jobs = Workload("web", "api", ready_after=40 * MINUTE), Workload("jobs", "api")
    world = settled(web, jobs, **wish)
    world.apply("api", rotating(windows=NIGHTLY, trigger="a") | wish)
    world.run(20 * HOUR)
    assert (web.restarts, jobs.restarts) == (["2"], [])
    world.run(21 * HOUR)
    assert states(world) == MOVED, "it is six: the overlap that began at two has two hours to go"
    world.run(3 * HOUR)
    assert (web.restarts, jobs.restarts) == (["2"], ["2"])
    assert states(world) == DONE


def test_a_trigger_during_a_rotation_makes_one_more_afterwards() -> None:
    """Three words in a row during one rotation: exactly one rotation follows, for the last of them."""
    world = settled()
    triggered(world)
    for word in "bcd":
        triggered(world, word, 10 * SECOND)
    assert states(world) == MOVED
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}
    assert world.credentials["api"].status.observed_trigger == "d"


def test_a_trigger_that_was_there_from_the_beginning_does_nothing() -> None:
    """The first text that is seen is remembered, not obeyed; taken away and put back it is no news either."""
    world = World()
    for word in ("a", None, "a"):
        world.apply("api", spec(word))
        world.run(HOUR)
    assert states(world) == {1: "Active"}


def test_downtime_is_caught_up_with_once() -> None:
    """Thirty days away with a daily rotation: one rotation, within minutes of coming back, and then daily again."""
    world = World()
    wish = spec(rotation={"interval": "24h", "jitterPercent": 10})
    world.apply("api", wish)
    world.run(HOUR)
    world.restart(30 * DAY)
    world.run(16 * MINUTE)
    assert world.credentials["api"].status.current_version == 2
    world.run(20 * HOUR)
    assert world.credentials["api"].status.current_version == 2
    world.run(5 * HOUR)
    assert world.credentials["api"].status.current_version == 3


def test_what_was_missed_is_not_put_off_by_every_restart() -> None:
    """An operator that dies every half minute catches up all the same, within minutes: it keeps what it said first."""
    world = World()
    world.apply("api", spec(rotation={"interval": "24h", "jitterPercent": 10}))
    world.run(HOUR)
    world.restart(30 * DAY)
    for _ in range(32):
        world.run(30 * SECOND)
        world.restart(SECOND)
    assert world.credentials["api"].status.current_version == 2


def test_downtime_in_the_middle_of_an_overlap() -> None:
    """The overlap goes on while nobody watches; version 1 goes at the first look afterwards, not before."""
    world = settled()
    triggered(world)
    world.restart(5 * DAY)
    assert states(world) == MOVED
    world.run(MINUTE)
    assert states(world) == DONE


def test_months_with_windows_and_jitter() -> None:
    """A hundred days of a ten-day interval with weekend windows: every rotation begins in a window and in time."""
    windows = [{"schedule": "0 2 * * SAT,SUN", "duration": "3h", "timeZone": "Europe/Berlin"}]
    rotation = {"interval": "240h", "jitterPercent": 20, "windows": windows}
    wish = spec(rotation=rotation, consumers=[WEB])
    web = Workload("web", "api")
    world = World()
    world.add(web)
    world.apply("api", wish)
    world.run(100 * DAY)
    begun = [shown.since for shown in world.history["api"]][1:]
    ages = [after - before for before, after in zip([START, *begun], begun, strict=False)]
    parsed = Rotation.model_validate(rotation)
    assert len(begun) >= 10
    assert [moment for moment in begun if not schedule.window_open(parsed, moment)] == []
    assert max(ages) <= timedelta(days=10)
    assert web.restarts == [str(number) for number in range(2, len(begun) + 2)]


JUMPS = {
    "an hour forward before the rotation": (HOUR, "before"),
    "an hour back before the rotation": (-HOUR, "before"),
    "an hour forward in the overlap": (HOUR, "in the overlap"),
    "an hour back in the overlap": (-HOUR, "in the overlap"),
}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_locks_nobody_out(jump: str) -> None:
    """Whatever the operator's clock does, nobody who took the value at the start holds a dead version."""
    by, when = JUMPS[jump]
    web = Workload("web", "api", grace=30 * SECOND)
    wish: dict[str, Any] = {"consumers": [WEB], "overlap": {"duration": "90m"}}
    world = settled(web, **wish)
    tool = bare(world)
    world.run(SECOND)
    world.skew = by if when == "before" else timedelta(0)
    triggered(world, lasts=5 * MINUTE, **wish)
    world.skew = by
    world.run(5 * HOUR)
    assert states(world) == MOVED, "the bare pod holds version 1"
    tool.ends = world.time
    if jump == "an hour forward before the rotation":
        # By that clock the new pods started before version 1 had gone: they are doubted until they start again.
        world.run(HOUR)
        assert verdict(world, "ConsumersUpToDate")[0] == "False"
        web.pods.clear()
    world.run(5 * HOUR)
    assert states(world) == DONE
    assert web.restarts == ["2"]


def test_a_plain_volume_and_a_short_overlap_in_a_row() -> None:
    """Ten rotations, each as soon as the one before is over: the volume's lag is waited for each time."""
    wish: dict[str, Any] = {"consumers": [HOT], "overlap": {"duration": "1s"}}
    world = settled(Workload("hot", "api", how=How.VOLUME), **wish)
    for number in range(10):
        triggered(world, f"t{number}", 3 * MINUTE, **wish)
    assert world.credentials["api"].status.current_version == 11
