"""What is under way is finished: overlap, gate, revocation and rollback, with every boundary told from both sides."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core.decide import decide
from rekey.core.effects import Act, Commit, Conclude, Condemn, Hold, Reinstate, Restart, StartOverlap, What
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.status import Status, Step
from tests.core.situations import (
    DEADLINE,
    HOT,
    HOUR,
    INTERVAL,
    MINUTE,
    MOVING,
    NOON,
    OVERLAP,
    OVERLAPPING,
    SECOND,
    WEB,
    Gist,
    active,
    after,
    ended,
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

USERS = frozenset({What.PODS, What.WORKLOADS})
END = NOON + MINUTE + OVERLAP
"""When the overlap that began at one minute past noon is over."""

LATE = NOON + DEADLINE
HOLD = {"until": "2026-03-02T14:00:00Z", "reason": "audit"}
UNTIL = NOON + 2 * HOUR
FORCED = {"duration": "10m", "atDeadline": "Revoke"}
NEVER_MOVED = status(retiring(), active(), rotation=rotation(Step.ROLLING_OUT))
RESTING = waits(NOON + INTERVAL, Reason.ACTIVE)


def open_until(moment: datetime) -> Gist:
    """Return the gist of an overlap that runs."""
    return waits(moment, Reason.OVERLAP_OPEN)


def over(now: datetime = END, *pods: Any, before: Status = OVERLAPPING, **changes: Any) -> Facts:
    """Return facts in which everything was looked at."""
    return facts(before, now, spec(**changes), workloads=(), pods=pods)


def pinned(text: str) -> Status:
    """Return the overlap under way as begun by a spec with that duration."""
    return OVERLAPPING.model_copy(update={"rotation": rotation(Step.OVERLAP, spec={"overlap": text})})


def holder(now: datetime = END, **changes: Any) -> Facts:
    """Return facts in which a bare pod holds version 1."""
    return over(now, pod("tool"), **changes)


RETIRES: dict[str, tuple[Facts, Gist]] = {
    "the overlap has a second to go": (over(END - SECOND), open_until(END)),
    "the overlap is over": (over(END), Commit(1)),
    "the overlap is over: look before anything": (facts(OVERLAPPING, END), USERS),
    "while the overlap runs nobody looks": (facts(OVERLAPPING, END - SECOND), open_until(END)),
    "pods alone are not enough": (facts(OVERLAPPING, END, pods=()), USERS),
    "workloads alone are not enough": (facts(OVERLAPPING, END, workloads=()), USERS),
    "a longer overlap counts at once": (
        *(over(END, before=pinned("10m"), overlap={"duration": "20m"}),),
        open_until(END + OVERLAP),
    ),
    "what the rotation pinned is not known: the overlap is what the spec says": (
        *(over(END, overlap={"duration": "20m"}),),
        open_until(END + OVERLAP),
    ),
    "a shorter overlap counts from the next rotation on": (
        *(over(END, before=pinned("20m"), overlap={"duration": "1m"}),),
        open_until(END + OVERLAP),
    ),
    "caches may lag even when there is no overlap": (
        over(NOON + 5 * SECOND, before=status(retiring(overlap_start_time=NOON), active()), overlap={"duration": "0s"}),
        open_until(NOON + 6 * SECOND),
    ),
    "a pod holds it": (holder(), waits(END + SECOND, Reason.HELD_BY_PODS, blocked=True)),
    "a pod has held it for a while: look more rarely": (
        *(holder(END + MINUTE),),
        waits(END + MINUTE + 6 * SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
    "a pod has held it for long: look four times a minute": (
        *(holder(END + 2 * HOUR),),
        waits(END + 2 * HOUR + 15 * SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
    "a terminating pod holds it": (
        *(over(END, pod("tool", terminating=True)),),
        waits(END + SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
    "a pod started since holds it no more": (over(END, pod("tool", start=60)), Commit(1)),
    "a second before the deadline it is held": (
        *(holder(LATE - SECOND),),
        waits(LATE + 14 * SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
    "at the deadline it is still held, and that is said": (
        *(holder(LATE),),
        waits(LATE + 15 * SECOND, Reason.DEADLINE_PASSED, blocked=True),
    ),
    "atDeadline Revoke, a second before": (
        *(holder(LATE - SECOND, overlap=FORCED),),
        waits(LATE + 14 * SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
    "atDeadline Revoke": (holder(LATE, overlap=FORCED), Commit(1, forced=True)),
    "atDeadline Revoke while the overlap runs, begun late": (
        over(LATE, pod("tool"), before=status(retiring(overlap_start_time=LATE - SECOND), active()), overlap=FORCED),
        Commit(1, forced=True),
    ),
    "the deadline ends the wait for an overlap that began late": (
        over(
            LATE - 2 * SECOND, before=status(retiring(overlap_start_time=LATE - 3 * SECOND), active()), overlap=FORCED
        ),
        open_until(LATE),
    ),
    "the deadline has passed while the overlap runs, and changes nothing": (
        over(LATE, before=status(retiring(overlap_start_time=LATE - SECOND), active())),
        open_until(LATE - SECOND + OVERLAP),
    ),
    "on hold": (over(END, hold=HOLD), waits(UNTIL, Reason.ON_HOLD, blocked=True)),
    "on hold while the overlap runs": (over(END - SECOND, hold=HOLD), waits(UNTIL, Reason.ON_HOLD, blocked=True)),
    "a second before the hold ends": (over(UNTIL - SECOND, hold=HOLD), waits(UNTIL, Reason.ON_HOLD, blocked=True)),
    "the hold has ended": (over(UNTIL, hold=HOLD), Commit(1)),
    "a hold is stronger than a deadline": (
        holder(LATE, overlap=FORCED, hold={**HOLD, "until": "2026-03-09T00:00:00Z"}),
        waits(NOON + timedelta(days=6, hours=12), Reason.ON_HOLD, blocked=True),
    ),
    "Manual: the rotation ends, the version stays": (over(END, revocationPolicy="Manual"), Conclude()),
    "Manual: until the overlap is over the rotation goes on": (
        *(over(END - SECOND, revocationPolicy="Manual"),),
        open_until(END),
    ),
    "Never: the rotation ends, the version stays": (over(END, revocationPolicy="Never"), Conclude()),
    "Never is stronger than atDeadline Revoke": (
        *(holder(LATE, revocationPolicy="Never", overlap=FORCED),),
        Conclude(),
    ),
    "Never is stronger than atDeadline Revoke, in an overlap that began late": (
        over(
            LATE,
            before=status(retiring(overlap_start_time=LATE - SECOND), active(), rotation=rotation(Step.OVERLAP)),
            revocationPolicy="Never",
            overlap=FORCED,
        ),
        open_until(LATE - SECOND + OVERLAP),
    ),
    "a window keeps no revocation": (
        over(END, rotation={"windows": [{"schedule": "0 2 * * *", "duration": "1h"}], "interval": "240h"}),
        Commit(1),
    ),
    "suspend keeps no revocation": (over(END, suspend=True), Commit(1)),
    "nothing is left": (facts(status(active(), rotation=rotation(Step.REVOKING)), END), Conclude()),
    "nothing is left and the rotation is over": (facts(status(ended(1), active()), END), RESTING),
    "several old versions: one that may go goes, whatever holds another": (
        over(
            END,
            pod("tool", start=-7200),
            before=status(
                retiring(1, NOON - HOUR, overlap_start_time=NOON - HOUR),
                retiring(2, NOON, activated_time=NOON - HOUR, overlap_start_time=NOON),
                active(3),
            ),
        ),
        Commit(2),
    ),
}


@pytest.mark.parametrize("situation", RETIRES)
def test_an_old_version_retires(situation: str) -> None:
    """In this situation this is next for version 1, which is accepted and no longer current."""
    seen, expected = RETIRES[situation]
    assert gist(decide(seen)) == expected


FAILED = status(retiring(), active(rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
BACK = status(
    active(1, NOON - timedelta(days=1)),
    retiring(2, NOON, activated_time=NOON - 20 * MINUTE, rolled_back=True),
    rotation=rotation(Step.ROLLING_BACK, next_attempt_time=NOON + HOUR),
)
GONE_BACK = BACK.model_copy(
    update={"versions": (BACK.versions[0], BACK.versions[1].model_copy(update={"overlap_start_time": NOON + MINUTE}))}
)


def back(now: datetime, *pods: Any, web: Any = None, remembered: Any = None, **changes: Any) -> Facts:
    """Return facts of a rollback at noon with the consumer `web`."""
    known = entry(wanted=2, restarted=-900) if web is None else entry(replaced="2", restarted=-900)
    before = BACK.model_copy(update={"consumers": (remembered or known,)})
    views = (web or workload(annotation="2"),)
    return facts(before, now, spec(consumers=[WEB], **changes), workloads=views, pods=pods)


CLEAR = NOON + 6 * SECOND

ROLLS_BACK: dict[str, tuple[Facts, Gist]] = {
    "condemned: the version before is shown again, before any look": (facts(FAILED), Reinstate(1, 2)),
    "condemned, on hold: going back is always allowed": (facts(FAILED, wish=spec(hold=HOLD)), Reinstate(1, 2)),
    "shown again: a pod that starts now may still read the failed version": (
        *(back(CLEAR - SECOND),),
        waits(CLEAR, Reason.ROLLING_BACK),
    ),
    "shown again, and nobody can read the failed version any more: look": (facts(BACK, CLEAR), USERS),
    "a consumer says 2 and said nothing before": (back(CLEAR), Restart("Deployment", "web", None)),
    "a consumer says 2 and said 1 before": (
        *(back(CLEAR, remembered=entry(wanted=2, replaced="1")),),
        Restart("Deployment", "web", "1"),
    ),
    "a consumer says 2, but a crash kept that from being recorded": (
        *(back(CLEAR, remembered=entry(wanted=1)),),
        Restart("Deployment", "web", "1"),
    ),
    "a consumer says 2, nothing was ever recorded of it": (
        *(back(CLEAR, remembered=entry()),),
        Restart("Deployment", "web", None),
    ),
    "a consumer is back, but a crash kept that from being recorded": (
        *(back(CLEAR, web=workload(), remembered=entry(wanted=2)),),
        Restart("Deployment", "web", None),
    ),
    "a consumer names what we never wrote: somebody else's business": (
        *(back(CLEAR, web=workload(annotation="7"), remembered=entry(wanted=2)),),
        StartOverlap(2, CLEAR),
    ),
    "a window does not delay the way back": (
        *(back(CLEAR, rotation={"windows": [{"schedule": "0 2 * * *", "duration": "1h"}]}),),
        Restart("Deployment", "web", None),
    ),
    "a consumer that never moved is not touched": (
        *(back(CLEAR, web=workload(), remembered=entry()),),
        StartOverlap(2, CLEAR),
    ),
    "a consumer that somebody deleted is not waited for": (
        *(back(CLEAR, web=workload(exists=False, annotation="2")),),
        StartOverlap(2, CLEAR),
    ),
    "a consumer is on its way back": (
        *(back(NOON + MINUTE, web=workload(complete=False)),),
        waits(NOON + MINUTE + 6 * SECOND, Reason.ROLLING_BACK),
    ),
    "a pod of the failed version is left": (
        *(back(NOON + MINUTE, pod(start=-900), web=workload()),),
        waits(NOON + MINUTE + 6 * SECOND, Reason.ROLLING_BACK),
    ),
    "the way back takes exactly its deadline": (
        *(back(NOON + 10 * MINUTE, web=workload(complete=False)),),
        waits(NOON + 10 * MINUTE + 15 * SECOND, Reason.ROLLING_BACK),
    ),
    "the way back takes too long": (
        *(back(NOON + 10 * MINUTE + SECOND, web=workload(complete=False)),),
        waits(NOON + 10 * MINUTE + 16 * SECOND, Reason.ROLLBACK_BLOCKED, stalled=True),
    ),
    "everybody is back: the failed version has its overlap too": (
        *(facts(GONE_BACK, END - SECOND, workloads=(), pods=()),),
        open_until(END),
    ),
    "its overlap is over, a pod still holds it": (
        *(facts(GONE_BACK, END, workloads=(), pods=(pod("tool", start=-900),)),),
        waits(END + SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
    "its overlap is over": (facts(GONE_BACK, END, workloads=(), pods=()), Commit(2)),
    "its overlap is over, and Never keeps no failure": (
        *(facts(GONE_BACK, END, spec(revocationPolicy="Never"), workloads=(), pods=()),),
        Commit(2),
    ),
    "it is gone: the failure stays on record": (
        *(facts(status(active(1), ended(2), rotation=rotation(Step.ROLLING_BACK)), END),),
        Conclude(),
    ),
}


@pytest.mark.parametrize("situation", ROLLS_BACK)
def test_a_failed_rollout_is_rolled_back(situation: str) -> None:
    """In this situation of a rollback this is next."""
    seen, expected = ROLLS_BACK[situation]
    assert gist(decide(seen)) == expected


BACKS_OFF = {1: HOUR, 2: 2 * HOUR, 3: 4 * HOUR, 5: 16 * HOUR, 6: 32 * HOUR, 7: 32 * HOUR, 400: 32 * HOUR}


@pytest.mark.parametrize("attempts", BACKS_OFF)
def test_the_next_attempt_comes_later_each_time(attempts: int) -> None:
    """The wait after a failure doubles with each attempt in a row, up to a bound."""
    before = NEVER_MOVED.model_copy(
        update={
            "consumers": (entry(wanted=2, restarted=10),),
            "rotation": rotation(Step.ROLLING_OUT, attempts=attempts),
        }
    )
    now = NOON + HOUR
    views = (workload(annotation="2", complete=False),)
    decision = decide(facts(before, now, spec(consumers=[WEB]), workloads=views, pods=()))
    assert gist(decision) == Condemn(2, now + BACKS_OFF[attempts])


def test_messages_name_who_is_waited_for() -> None:
    """A hold at the gate and a wait for a rollback name pod, consumer and what it waits for."""
    held = decide(holder())
    waiting = decide(back(NOON + MINUTE, pod(start=-900), web=workload(complete=False, progress="1 of 2 pods updated")))
    assert isinstance(held, Hold)
    assert isinstance(waiting, Hold)
    assert held.message == "version 1 may still be held by pod tool (undeclared)"
    assert waiting.message == "Deployment/web: 1 of 2 pods updated; may hold an older version: web-1"


def test_a_forced_revocation_says_why() -> None:
    """The act names the deadline."""
    decision = decide(holder(LATE, overlap=FORCED))
    assert isinstance(decision, Act)
    assert "overlap.deadline" in decision.message


MOVES: dict[str, tuple[Facts, Gist]] = {
    "without consumers the overlap begins at the activation": (facts(MOVING, NOON), StartOverlap(1, NOON)),
    "without consumers it begins when verifiers have heard": (
        *(facts(MOVING, NOON, spec(overlap={"duration": "10m", "propagation": "90s"})),),
        StartOverlap(1, NOON + 90 * SECOND),
    ),
    "caches may still lag": (
        *(facts(MOVING, after(5.9), spec(consumers=[WEB])),),
        waits(after(6), Reason.AWAITING_CACHES),
    ),
    "caches are clear: look": (facts(MOVING, after(6), spec(consumers=[WEB])), USERS),
    "a version that was superseded before its own overlap had begun is left too": (
        *(facts(status(retiring(1, NOON - HOUR), retiring(2, overlap_start_time=NOON), active(3)), after(60)),),
        StartOverlap(1, NOON - HOUR),
    ),
    "of two the one that was current last comes first": (
        *(facts(status(retiring(1, NOON - HOUR), retiring(2), active(3)), after(60)),),
        StartOverlap(2, NOON),
    ),
    "a consumer that restarts nothing and holds nothing has moved": (
        *(
            facts(
                MOVING, after(600), spec(consumers=[HOT]), workloads=(workload("hot"),), pods=(pod("hot-1", start=10),)
            ),
        ),
        StartOverlap(1, after(600)),
    ),
}


@pytest.mark.parametrize("situation", MOVES)
def test_consumers_are_moved_first(situation: str) -> None:
    """Before the overlap clock starts, this is next."""
    seen, expected = MOVES[situation]
    assert gist(decide(seen)) == expected
