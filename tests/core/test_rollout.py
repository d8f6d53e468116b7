"""In which order consumers are moved, whom a person keeps still, and what happens to whoever undoes a restart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rekey.core import gate, rollout
from rekey.core.decide import decide
from rekey.core.effects import StartOverlap
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.status import MAX_CONSUMERS, Step
from tests.core.rolling import LIMIT, THREE, Wish, done, moving, old, restart, rolling, wait
from tests.core.situations import (
    HOT,
    HOUR,
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

FIVE: Wish = {"rollout": {"maxConcurrent": 5}}
NIGHTLY: Wish = {"rotation": {"windows": [{"schedule": "0 2 * * *", "duration": "2h"}]}}
NOON_WINDOW: Wish = {"rotation": {"windows": [{"schedule": "0 12 * * *", "duration": "2h"}]}}


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
    "no slot is free": (moving(60, old("web"), slots=0), wait(60, reason=Reason.AWAITING_SLOT)),
    "one slot is free": (moving(60, old("web"), slots=1), restart("web")),
    "a slot is free beside one that rolls": (
        *(moving(60, done("web"), rolling("jobs"), old("more"), slots=1, **FIVE),),
        restart("more"),
    ),
    "no slot is free beside one that rolls": (
        *(moving(60, done("web"), rolling("jobs"), old("more"), slots=0, **FIVE),),
        wait(60, reason=Reason.AWAITING_SLOT),
    ),
    "outside the window": (
        *(moving(7200, old("web"), **NIGHTLY),),
        waits(NOON.replace(day=3, hour=2), Reason.AWAITING_WINDOW),
    ),
    "outside the window what rolls is still watched": (moving(60, rolling("web"), **NIGHTLY), wait(60)),
    "outside the window, but the version that is left expires within `urgentBefore`": (
        *(moving(7200, old("web"), ends=NOON + timedelta(hours=26), **NIGHTLY),),
        restart("web"),
    ),
    "outside the window, and the version that is left expires a second later": (
        *(moving(7200, old("web"), ends=NOON + timedelta(hours=26, seconds=1), **NIGHTLY),),
        waits(NOON.replace(day=3, hour=2), Reason.AWAITING_WINDOW),
    ),
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
    "a Job that was deleted while a pod of it ends: the gate waits for that, not the rollout": (
        moving(
            60,
            workload("import", kind="Job", restartable=False, exists=False),
            pods=(pod("import-x", owner=("Job", "import"), terminating=True),),
            consumers=[{"kind": "Job", "name": "import", "refresh": "None"}],
        ),
        StartOverlap(1, after(60)),
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
ALL = {
    **{f"order: {name}": case for name, case in ORDER.items()},
    **{f"kept still: {name}": case for name, case in STILL.items()},
    **{f"reverted: {name}": case for name, case in REVERTED.items()},
}


@pytest.mark.parametrize("situation", ALL)
def test_consumers_are_moved(situation: str) -> None:
    """In this situation of a rollout this is next."""
    seen, expected = ALL[situation]
    assert gist(decide(seen)) == expected


def test_a_name_is_stronger_than_a_selector() -> None:
    """A workload that is named and matched is treated as its name says."""
    matched = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "x"}}}
    wish = spec(consumers=[matched, HOT, {"kind": "StatefulSet", "name": "hot"}])
    seen = facts(MOVING, after(60), wish)
    named, other = gate.declared(seen, workload("hot")), gate.declared(seen, workload("any"))
    assert (named, other) == (wish.consumers[1], wish.consumers[0])
    assert gate.declared(seen, workload("any", kind="DaemonSet")) is None


def test_version_one_is_never_written() -> None:
    """After a rollback to version 1 a template without annotation is right, and one that says 2 is not."""
    back = status(active(1, NOON), retiring(2, rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
    for view, expected in ((old("web"), True), (workload("web", "1"), True), (done("web"), False)):
        (item,) = rollout.assess(facts(back, after(60), spec(consumers=[WEB]), workloads=(view,), pods=()))
        assert item.at_version is expected, view


SAID: dict[str, tuple[Facts, str | None]] = {
    "its rollout is awaited": (moving(60, rolling("web")), "1 of 2 pods updated"),
    "it has moved: what its pods do in passing would stay in the status for ever": (
        *(moving(60, rolling("web"), entries=[entry("web", 2, 10, moved=True)]),),
        None,
    ),
    "it has moved, and its health is watched": (
        *(moving(60, rolling("web"), entries=[entry("web", 2, 10, moved=True)], validation={"settle": "5m"}),),
        "1 of 2 pods updated",
    ),
}


@pytest.mark.parametrize("situation", SAID)
def test_the_status_says_of_a_consumer_what_is_waited_for(situation: str) -> None:
    """And nothing of one that nobody will look at again."""
    seen, expected = SAID[situation]
    (item,) = rollout.assess(seen)
    assert item.entry.message == expected
