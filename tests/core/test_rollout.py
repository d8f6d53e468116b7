"""How consumers are moved: the canary, the limits, whoever a person keeps still, and who has failed."""

from __future__ import annotations

from typing import Any

import pytest

from rekey.core import rollout
from rekey.core.decide import decide
from rekey.core.effects import Condemn, Hold, Restart, StartOverlap
from rekey.core.facts import Facts, WorkloadView
from rekey.core.reasons import Reason
from rekey.core.status import MAX_CONSUMERS, ConsumerStatus, Step
from tests.core.situations import (
    HOT,
    HOUR,
    JOBS,
    MOVING,
    NOON,
    SNAPSHOT,
    VOLUME,
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

MORE = {"kind": "Deployment", "name": "more"}
THREE = {"rollout": {"maxConcurrent": 3}}
FIVE = {"rollout": {"maxConcurrent": 5}}
NIGHTLY = {"rotation": {"windows": [{"schedule": "0 2 * * *", "duration": "2h"}]}}
NOON_WINDOW = {"rotation": {"windows": [{"schedule": "0 12 * * *", "duration": "2h"}]}}
HOLD_ON = {"rollout": {"onFailure": "Hold"}}
FORCED = {"overlap": {"duration": "10m", "deadline": "1h", "atDeadline": "Revoke"}}
ON_HOLD = {"hold": {"until": "2027-01-01T00:00:00Z", "reason": "audit"}}
LIMIT = 600
"""Seconds that a rollout may take."""


def old(name: str) -> WorkloadView:
    """Return a Deployment that was not restarted yet."""
    return workload(name)


def rolling(name: str) -> WorkloadView:
    """Return a Deployment that says 2 and whose pods are not all ready."""
    return workload(name, "2", complete=False, progress="1 of 2 pods updated")


def done(name: str) -> WorkloadView:
    """Return a Deployment that says 2 and is complete."""
    return workload(name, "2")


def moving(
    now: float, *views: WorkloadView, pods: Any = (), entries: Any = None, slots: int = 1000, **changes: Any
) -> Facts:
    """Return the facts so many seconds after noon; whoever says 2 was restarted by us at 10 seconds past."""
    known = [entry(view.name, 2 if view.annotation == "2" else None, 10) for view in views]
    before = MOVING.model_copy(update={"consumers": tuple(known if entries is None else entries)})
    consumers = changes.pop("consumers", [{"kind": view.kind, "name": view.name} for view in views])
    return facts(before, after(now), spec(consumers=consumers, **changes), workloads=views, pods=pods, slots=slots)


def restart(name: str, *, reapplied: bool = False) -> Restart:
    """Return the restart of a Deployment for version 2."""
    return Restart("Deployment", name, "2", reapplied)


def wait(now: float, poll: float = 6, reason: Reason = Reason.AWAITING_ROLLOUT, **flags: bool) -> Gist:
    """Return the gist of a wait that is looked at again after so many seconds."""
    return waits(after(now + poll), reason, **flags)


ORDER: dict[str, tuple[Facts, Gist]] = {
    "the first alone: the canary": (moving(20, old("web"), old("jobs"), **THREE), restart("web")),
    "the canary rolls: nobody else": (moving(60, rolling("web"), old("jobs"), **THREE), wait(60)),
    "the canary is complete, and one old pod of it hangs in terminating: the next": (
        *(moving(60, done("web"), old("jobs"), pods=(pod("web-1", terminating=True),), **THREE),),
        restart("jobs"),
    ),
    "the canary has moved: the next": (moving(60, done("web"), old("jobs")), restart("jobs")),
    "one at a time": (moving(60, done("web"), rolling("jobs"), old("more")), wait(60)),
    "three at a time": (moving(60, done("web"), rolling("jobs"), old("more"), **THREE), restart("more")),
    "three roll already": (
        *(moving(60, done("web"), rolling("jobs"), rolling("more"), rolling("x"), old("y"), **THREE),),
        wait(60),
    ),
    "one that is complete but has a pod behind rolls no more": (
        *(moving(60, done("web"), done("jobs"), old("more"), pods=(pod("jobs-1"),)),),
        restart("more"),
    ),
    "no slot is free": (moving(60, old("web"), slots=0), wait(60)),
    "one slot is free": (moving(60, old("web"), slots=1), restart("web")),
    "a slot is free beside one that rolls": (
        *(moving(60, done("web"), rolling("jobs"), old("more"), slots=1, **FIVE),),
        restart("more"),
    ),
    "no slot is free beside one that rolls": (
        *(moving(60, done("web"), rolling("jobs"), old("more"), slots=0, **FIVE),),
        wait(60),
    ),
    "outside the window": (
        *(moving(7200, old("web"), **NIGHTLY),),
        waits(NOON.replace(day=3, hour=2), Reason.AWAITING_WINDOW),
    ),
    "outside the window what rolls is still watched": (moving(60, rolling("web"), **NIGHTLY), wait(60)),
    "in the window": (moving(60, old("web"), **NOON_WINDOW), restart("web")),
    "outside the window, where windows are preferred": (
        *(moving(60, old("web"), rotation={**NIGHTLY["rotation"], "windowPolicy": "Prefer"}),),
        restart("web"),
    ),
    "all have moved": (moving(60, done("web"), done("jobs")), StartOverlap(1, after(60))),
    "all are complete, a pod is behind": (moving(60, done("web"), pods=(pod("web-1"),)), wait(60)),
    "an undeclared pod is no consumer to move: it gates later": (
        *(moving(60, done("web"), pods=(pod("tool"),)),),
        StartOverlap(1, after(60)),
    ),
    "the template says 2, but not by us as far as is known: it is written and recorded": (
        *(moving(60, done("web"), entries=()),),
        restart("web"),
    ),
    "one that had moved is no reason to wait, whatever its pods do now": (
        *(moving(60, rolling("web"), entries=[entry("web", 2, 10, moved=True)]),),
        StartOverlap(1, after(60)),
    ),
    "one that had moved has a pod behind again": (
        *(moving(60, done("web"), entries=[entry("web", 2, 10, moved=True)], pods=(pod("web-1"),)),),
        wait(60),
    ),
    "a missing consumer waits for nobody": (
        moving(60, workload(exists=False), done("jobs")),
        StartOverlap(1, after(60)),
    ),
    "a missing consumer is no canary": (
        *(moving(60, workload("web", exists=False, restartable=False), old("jobs")),),
        restart("jobs"),
    ),
    "a selector that matches nothing waits for nobody": (
        *(moving(60, consumers=[{"kind": "Deployment", "selector": {"matchLabels": {"a": "b"}}}]),),
        StartOverlap(1, after(60)),
    ),
    "as many workloads as there may be": (
        *(moving(60, *(done(f"w{n}") for n in range(MAX_CONSUMERS)), consumers=[WEB]),),
        StartOverlap(1, after(60)),
    ),
    "too many workloads": (
        *(moving(60, *(done(f"w{n}") for n in range(MAX_CONSUMERS + 1)), consumers=[WEB]),),
        waits(after(60) + HOUR, Reason.INVALID_SPEC, stalled=True),
    ),
}
STILL: dict[str, tuple[Facts, Gist]] = {
    "paused, and its pods hold the old version": (
        *(moving(60, workload("web", manual="paused"), pods=(pod("web-1"),)),),
        wait(60),
    ),
    "paused: it never fails": (
        *(moving(LIMIT + 11, workload("web", "2", manual="paused", complete=False), pods=(pod("web-1"),)),),
        wait(LIMIT + 11, 15),
    ),
    "paused: it is no canary for the others": (
        *(moving(60, workload("web", manual="paused"), old("jobs"), pods=(pod("web-1"),)),),
        restart("jobs"),
    ),
    "OnDelete: moved when a person has deleted every pod": (
        *(moving(60, workload("web", manual="OnDelete"), pods=(pod("web-9", start=30),)),),
        StartOverlap(1, after(60)),
    ),
    "partition: still rolling by hand": (
        *(moving(60, workload("web", manual="partition 3", complete=False)),),
        wait(60),
    ),
    "refresh None is not restarted and moves when its volume has": (
        *(moving(119, workload("hot"), consumers=[HOT], pods=(pod("hot-1", uses=VOLUME),)),),
        wait(119, 11.9),
    ),
    "refresh None has moved": (
        *(moving(120, workload("hot"), consumers=[HOT], pods=(pod("hot-1", uses=VOLUME),)),),
        StartOverlap(1, after(120)),
    ),
    "refresh None need not be complete": (
        *(moving(120, workload("hot", complete=False), consumers=[HOT]),),
        StartOverlap(1, after(120)),
    ),
    "refresh None with an environment is waited for": (
        *(moving(120, workload("hot"), consumers=[HOT], pods=(pod("hot-1", uses=SNAPSHOT),)),),
        wait(120, 12),
    ),
    "a running Job is waited for, not restarted": (
        moving(
            60,
            workload("import", kind="Job", restartable=False),
            pods=(pod("import-x", owner=("Job", "import")),),
            consumers=[{"kind": "Job", "name": "import", "refresh": "None"}],
        ),
        wait(60),
    ),
    "a Job of which nothing runs has moved": (
        moving(
            60,
            workload("import", kind="Job", restartable=False),
            consumers=[{"kind": "Job", "name": "import", "refresh": "None"}],
        ),
        StartOverlap(1, after(60)),
    ),
}
REVERTED: dict[str, tuple[Facts, Gist]] = {
    "somebody put the template back: written once more": (
        *(moving(60, workload("web", "1"), entries=[entry(wanted=2, restarted=10)]),),
        restart("web", reapplied=True),
    ),
    "somebody took the annotation away: written once more": (
        *(moving(60, workload("web"), entries=[entry(wanted=2, restarted=10)]),),
        restart("web", reapplied=True),
    ),
    "put back again: left to them, and it is waited for": (
        *(
            moving(
                60, workload("web", "1"), entries=[entry(wanted=2, restarted=10, reapplied=True)], pods=(pod("web-1"),)
            ),
        ),
        wait(60),
    ),
    "put back again, and no pod is behind: that will do": (
        *(moving(60, workload("web", "1"), entries=[entry(wanted=2, restarted=10, reapplied=True)]),),
        StartOverlap(1, after(60)),
    ),
    "one that was given up keeps nobody from moving": (
        moving(
            60,
            workload("web", "1"),
            old("jobs"),
            entries=[entry("web", 2, 10, reapplied=True)],
        ),
        restart("jobs"),
    ),
}
FAILS: dict[str, tuple[Facts, Gist]] = {
    "exactly at its deadline": (moving(10 + LIMIT, rolling("web")), wait(10 + LIMIT, 15)),
    "past its deadline": (moving(11 + LIMIT, rolling("web")), Condemn(2, after(11 + LIMIT) + HOUR)),
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
        wait(11 + LIMIT, 15),
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
        wait(11 + LIMIT, 15),
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
        "Commit(number=1, forced=True)",
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
    f"{title}: {name}": case
    for title, table in (
        ("order", ORDER),
        ("kept still", STILL),
        ("reverted", REVERTED),
        ("fails", FAILS),
        ("deadline", DEADLINE),
    )  # fmt: skip
    for name, case in table.items()
}


@pytest.mark.parametrize("situation", ALL)
def test_consumers_are_moved(situation: str) -> None:
    """In this situation of a rollout this is next."""
    seen, expected = ALL[situation]
    found = gist(decide(seen))
    assert (repr(found) if isinstance(expected, str) else found) == expected


LATE_JOINERS: dict[str, tuple[tuple[WorkloadView, ...] | None, bool, Any]] = {
    "everybody moved": ((done("web"),), True, None),
    "one was declared since, and a pod of it is behind: it is restarted too": (
        (done("web"), old("jobs")),
        True,
        restart("jobs"),
    ),
    "nobody looks in between": (None, False, None),
    "with every check somebody looks": (None, True, "Look"),
}


@pytest.mark.parametrize("situation", LATE_JOINERS)
def test_whoever_joins_during_the_overlap_is_moved_too(situation: str) -> None:
    """While the overlap runs, a consumer that was declared later is restarted."""
    views, check, expected = LATE_JOINERS[situation]
    before = status(
        retiring(overlap_start_time=after(60)),
        active(),
        rotation=rotation(Step.OVERLAP),
        consumers=(entry("web", 2, 10),),
    )
    seen = facts(before, after(90), spec(consumers=[WEB, JOBS]), workloads=views, pods=views and (pod("jobs-1"),))
    if check and views is None:
        rule = rollout_rule(seen, check=True)
        assert type(rule).__name__ == expected
        return
    found = decide(seen)
    assert gist(found) == expected if expected else isinstance(found, Hold)


def rollout_rule(seen: Facts, *, check: bool) -> object:
    """Return what is decided with a check that found everything intact."""
    from dataclasses import replace  # noqa: PLC0415  # used here alone

    from rekey.core.facts import BundleState  # noqa: PLC0415  # used here alone

    return decide(replace(seen, check=check, bundle=BundleState.INTACT))


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


def test_a_name_is_stronger_than_a_selector() -> None:
    """A workload that is named and matched is treated as its name says."""
    matched = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "x"}}}
    wish = spec(consumers=[matched, HOT, {"kind": "StatefulSet", "name": "hot"}])
    seen = facts(MOVING, after(60), wish)
    named, other = rollout.declared(seen, workload("hot")), rollout.declared(seen, workload("any"))
    assert (named, other) == (wish.consumers[1], wish.consumers[0])
    assert rollout.declared(seen, workload("any", kind="DaemonSet")) is None


def test_version_one_is_never_written() -> None:
    """After a rollback to version 1 a template without annotation is right, and one that says 2 is not."""
    back = status(active(1, NOON), retiring(2, rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
    for view, expected in ((old("web"), True), (workload("web", "1"), True), (done("web"), False)):
        (item,) = rollout.assess(facts(back, after(60), spec(consumers=[WEB]), workloads=(view,), pods=()))
        assert item.at_version is expected, view
