"""Who has failed, what happens at the deadline, how exactly it goes back, and what the status says of consumers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rekey.core import rollout
from rekey.core.decide import decide
from rekey.core.effects import Commit, Condemn, Reinstate, What
from rekey.core.facts import BundleState, Facts, WorkloadView
from rekey.core.machine import advance
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.status import BundleRef, ConsumerStatus, Step
from tests.core.rolling import LIMIT, THREE, Wish, done, moving, old, restart, rolling, wait
from tests.core.situations import (
    HOUR,
    JOBS,
    OVERLAPPING,
    WEB,
    Gist,
    active,
    after,
    entry,
    facts,
    gist,
    pod,
    retiring,
    rotation,
    spec,
    status,
    waits,
    workload,
)

HOLD_ON: Wish = {"rollout": {"onFailure": "Hold"}}
FORCED: Wish = {"overlap": {"duration": "10m", "deadline": "1h", "atDeadline": "Revoke"}}
ON_HOLD: Wish = {"hold": {"until": "2027-01-01T00:00:00Z", "reason": "audit"}}


FAILS: dict[str, tuple[Facts, Gist]] = {
    "exactly at its deadline": (moving(10 + LIMIT, rolling("web")), wait(10 + LIMIT, 15)),
    "past its deadline": (moving(11 + LIMIT, rolling("web")), Condemn(2, after(11 + LIMIT) + HOUR)),
    "past its deadline, half of it without an API server: nothing could roll": (
        replace(moving(11 + LIMIT, rolling("web")), answering=after(LIMIT / 2)),
        wait(11 + LIMIT, 15),
    ),
    "past its deadline since the API server is back": (
        replace(moving(11 + 2 * LIMIT, rolling("web")), answering=after(LIMIT)),
        Condemn(2, after(11 + 2 * LIMIT) + HOUR),
    ),
    "past its deadline, with a longer one": (
        *(moving(11 + LIMIT, rolling("web"), rollout={"progressDeadline": "20m"}),),
        wait(11 + LIMIT, 15),
    ),
    "past its deadline, onFailure Hold": (
        *(moving(11 + LIMIT, rolling("web"), **HOLD_ON),),
        wait(11 + LIMIT, 15, Reason.ROLLOUT_FAILED, stalled=True),
    ),
    "complete past its deadline, with a pod that does not end: no failure, but a person must look": (
        *(moving(11 + LIMIT, done("web"), pods=(pod("web-1", terminating=True),)),),
        wait(11 + LIMIT, 15, Reason.HELD_BY_PODS, stalled=True),
    ),
    "not restarted yet, however long ago the rotation began": (
        *(moving(11 + LIMIT, old("web"), slots=0, entries=()),),
        wait(11 + LIMIT, 15, Reason.AWAITING_SLOT),
    ),
    "one that had moved in time and has a pod that is not ready now": (
        moving(
            11 + LIMIT,
            rolling("web"),
            rolling("jobs"),
            entries=[entry("web", 2, 10, moved=True), entry("jobs", 2, 500)],
            **THREE,
        ),
        wait(11 + LIMIT, 15),
    ),
    "one that had moved to an earlier version in time": (
        *(
            moving(
                11 + LIMIT, workload("web", "1", complete=False), slots=0, entries=[entry("web", 1, 10, moved=True)]
            ),
        ),
        wait(11 + LIMIT, 15, Reason.AWAITING_SLOT),
    ),
    "another one fails while the first has moved": (
        *(moving(11 + LIMIT, done("web"), rolling("jobs")),),
        Condemn(2, after(11 + LIMIT) + HOUR),
    ),
    "the failure comes before the next restart": (
        *(moving(11 + LIMIT, done("web"), rolling("jobs"), old("more"), **THREE),),
        Condemn(2, after(11 + LIMIT) + HOUR),
    ),
}
DEADLINE: dict[str, tuple[Facts, Gist]] = {
    "a second before the overlap's deadline": (
        *(moving(3599, workload("web", manual="paused"), pods=(pod("web-1"),), **FORCED),),
        wait(3599, 15),
    ),
    "at the deadline, atDeadline Revoke": (
        *(moving(3600, workload("web", manual="paused"), pods=(pod("web-1"),), **FORCED),),
        Commit(1, forced=True),
    ),
    "at the deadline, atDeadline Revoke, on hold": (
        *(moving(3600, workload("web", manual="paused"), pods=(pod("web-1"),), **FORCED, **ON_HOLD),),
        wait(3600, 15, Reason.DEADLINE_PASSED, blocked=True),
    ),
    "at the deadline, atDeadline Revoke, policy Never": (
        *(
            moving(
                3600,
                workload("web", manual="paused"),
                pods=(pod("web-1"),),
                revocationPolicy="Never",
                **FORCED,
            ),
        ),
        wait(3600, 15, Reason.DEADLINE_PASSED, blocked=True),
    ),
    "at the deadline, atDeadline Hold": (
        moving(
            3600,
            workload("web", manual="paused"),
            pods=(pod("web-1"),),
            overlap={"duration": "10m", "deadline": "1h"},
        ),
        wait(3600, 15, Reason.DEADLINE_PASSED, blocked=True),
    ),
}
ALL = {
    **{f"fails: {name}": case for name, case in FAILS.items()},
    **{f"deadline: {name}": case for name, case in DEADLINE.items()},
}


@pytest.mark.parametrize("situation", ALL)
def test_a_rollout_fails_or_waits(situation: str) -> None:
    """In this situation of a rollout that does not get on this is next."""
    seen, expected = ALL[situation]
    assert gist(decide(seen)) == expected


USERS = frozenset({What.PODS, What.WORKLOADS})
RUNNING = waits(after(660), Reason.OVERLAP_OPEN)
LATE_JOINERS: dict[str, tuple[tuple[WorkloadView, ...] | None, bool, Gist]] = {
    "everybody moved": ((done("web"),), True, RUNNING),
    "one was declared since, and a pod of it is behind: it is restarted too": (
        (done("web"), old("jobs")),
        True,
        restart("jobs"),
    ),
    "nobody looks in between": (None, False, RUNNING),
    "with every check somebody looks": (None, True, USERS),
}


@pytest.mark.parametrize("situation", LATE_JOINERS)
def test_whoever_joins_during_the_overlap_is_moved_too(situation: str) -> None:
    """While the overlap runs, a consumer that was declared later is restarted."""
    views, check, expected = LATE_JOINERS[situation]
    before = OVERLAPPING.model_copy(update={"consumers": (entry("web", 2, 10),)})
    pods = (pod("jobs-1"),) if views else None
    wish = spec(consumers=[WEB, JOBS])
    seen = facts(before, after(90), wish, workloads=views, pods=pods, check=check, bundle=BundleState.INTACT)
    assert gist(decide(seen)) == expected


BEFORE: dict[str, tuple[ConsumerStatus, str | None]] = {
    "it is recorded that nothing was there": (entry(wanted=2), None),
    "it is recorded what was there": (entry(wanted=2, replaced="1"), "1"),
    "a person had written something else": (entry(wanted=2, replaced="blue"), "blue"),
    "the write was not recorded: what was written before": (entry(wanted=1, replaced="x"), "1"),
    "the write was not recorded, nor any before": (entry(), None),
}


@pytest.mark.parametrize("situation", BEFORE)
def test_the_way_back_is_exact(situation: str) -> None:
    """What a template said before version 2 is what a rollback writes."""
    known, expected = BEFORE[situation]
    seen = moving(60, done("web"), entries=[known])
    (item,) = rollout.assess(seen)
    assert rollout.before(item, 2) == expected


MESSAGES: dict[str, tuple[WorkloadView, Any, str | None]] = {
    "moved": (done("web"), (), None),
    "not found": (workload(exists=False), (), "not found"),
    "its turn has not come": (old("web"), (), "not restarted yet"),
    "paused": (workload(manual="paused"), (pod(),), "not restarted: paused; may hold an older version: web-1"),
    "rolling": (rolling("web"), (), "1 of 2 pods updated"),
    "one of four pods is told by number": (
        *(done("web"), tuple(pod(f"web-{n}") for n in range(1, 5))),
        "may hold an older version: web-1, web-2, web-3 and 1 more",
    ),
}


@pytest.mark.parametrize("situation", MESSAGES)
def test_the_status_says_what_a_consumer_waits_for(situation: str) -> None:
    """The message of the entry is this, and it counts the pods that are behind."""
    view, pods, expected = MESSAGES[situation]
    (item,) = rollout.assess(moving(60, view, pods=pods))
    assert item.entry.message == expected
    assert item.entry.pods_behind == len(pods)
    assert item.entry.moved is (expected in {None, "not found"})


def test_a_version_whose_record_was_lost_is_current_again() -> None:
    """Since when it was current nobody knows any more: the next rotation counts from when it was made, not from now."""
    lost = retiring(activated_time=None)
    moving = status(lost, active(rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
    back = advance(
        moving, Reinstate(1, 2), Outcome(after(1), after(2), bundle=BundleRef(uid="b", resource_version="8"))
    )
    assert back.last_rotation_time == lost.issued_time
