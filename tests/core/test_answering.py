"""What a request is answered from the ledger alone, and what is begun for it before anything else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core import retire, settling, start
from rekey.core.answer import MAX_ANSWERS, Answer, AnswerState
from rekey.core.decide import decide
from rekey.core.demand import Demand, credit
from rekey.core.effects import Act, Commit, Condemn, Decision, Hold, Issue, Reply, What
from rekey.core.facts import Facts, Problem
from rekey.core.reasons import Reason
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import Cause, State, Status, Step
from tests.core.situations import (
    DAY,
    HOUR,
    INTERVAL,
    MINUTE,
    MOVING,
    NOON,
    ONE,
    OVERLAPPING,
    SECOND,
    WEB,
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
    version,
    waits,
    workload,
)  # fmt: skip

HOLD = {"until": "2026-03-02T18:00:00Z", "reason": "audit"}
NIGHTLY = {"windows": [{"schedule": "0 2 * * *", "duration": "2h"}]}
KEPT = status(retiring(overlap_start_time=NOON), active())
TAKEN_BACK = status(active(1), retiring(2, rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
FAULTY = (Problem("spec.rotation.schedule", "never"),)


def asks(reason: str, name: str = "r", at: datetime = NOON + MINUTE, **fields: Any) -> Demand:
    """Return a request that was made a minute past noon."""
    if reason == "Compromise":
        fields = {"revoke": RevokeWhen.AFTER_ROLLOUT} | fields
    return Demand(f"uid-{name}", name, RequestReason(reason), at, **fields)


def with_answers(before: Status, *answers: Answer) -> Status:
    """Return the status with these answers on record."""
    return before.model_copy(update={"requests": answers})


def decided(before: Status, *demands: Demand, now: datetime = NOON + 2 * MINUTE, **more: Any) -> Decision:
    """Return what is decided two minutes past noon."""
    return decide(facts(before, now, more.pop("wish", None), demands=demands, **more))


def answer(decision: Decision) -> tuple[str, int | None, int | None]:
    """Return the only answer of a reply: its state and its versions."""
    assert isinstance(decision, Act)
    assert isinstance(decision.effect, Reply)
    (found,) = decision.effect.answers
    return found.state.value, found.from_version, found.to_version


MADE = asks("Manual", "first", NOON).answer(AnswerState.SUCCEEDED, "", NOON, before=1, after=2)
LATE = active(2, issued_time=NOON + 90 * SECOND)

ANSWERED: dict[str, tuple[Status, Demand, dict[str, Any], tuple[str, int | None, int | None]]] = {
    "Manual, suspended": (ONE, asks("Manual"), {"wish": spec(suspend=True)}, ("Refused", None, None)),
    "Manual, answered by a version that is newer": (status(LATE), asks("Manual"), {}, ("Running", None, 2)),
    "Manual, ten seconds after a version for another": (
        with_answers(KEPT, MADE), asks("Manual", at=after(10)), {}, ("Running", 1, 2),
    ),
    "Rollback, and nothing was before": (ONE, asks("Rollback"), {}, ("Refused", None, None)),
    "Rollback, and the one before is gone": (
        status(ended(1), active()), asks("Rollback"), {}, ("Refused", None, None),
    ),
    "Rollback of a version that others know": (
        status(retiring(compromised=RevokeWhen.AFTER_ROLLOUT), active()), asks("Rollback"), {}, ("Refused", None, None),
    ),
    "Rollback to another version": (KEPT, asks("Rollback", version=2), {}, ("Refused", None, None)),
    "Rollback a second time": (TAKEN_BACK, asks("Rollback"), {}, ("Refused", None, None)),
    "Rollback, made before the version was current": (
        KEPT, asks("Rollback", at=NOON - SECOND), {}, ("Refused", None, None),
    ),
    "Revoke of the current version": (KEPT, asks("Revoke", version=2), {}, ("Refused", None, None)),
    "Revoke of a version that never was": (KEPT, asks("Revoke", version=3), {}, ("Refused", None, None)),
    "Revoke of a version that is gone": (
        status(ended(1), active()), asks("Revoke", version=1), {}, ("Succeeded", 1, None),
    ),
    "Revoke of a version that is forgotten": (status(active(5)), asks("Revoke", version=1), {}, ("Succeeded", 1, None)),
    "Revoke of an old version": (KEPT, asks("Revoke", version=1), {}, ("Running", 1, None)),
    "Revoke of a version that goes already": (
        status(version(1, State.REVOKING), active(), rotation=rotation(Step.REVOKING)),
        asks("Revoke", version=1), {}, ("Running", 1, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", ANSWERED)
def test_answered_at_once(situation: str) -> None:
    """What the ledger can say is said, and nothing else is begun."""
    before, demand, more, expected = ANSWERED[situation]
    assert answer(decided(before, demand, **more)) == expected


def test_what_was_answered_is_not_asked_again() -> None:
    """A request on record, or one that says itself how it ended, begins nothing."""
    done = asks("Compromise").answer(AnswerState.SUCCEEDED, "", NOON, before=1, after=2)
    resting = waits(NOON + INTERVAL, Reason.ACTIVE)
    assert gist(decided(with_answers(ONE, done), asks("Compromise"))) == resting
    assert gist(decided(ONE, asks("Compromise", settled=True))) == resting
    assert gist(decide(facts(ONE, demands=None))) == resting


BEGUN: dict[str, tuple[Status, Demand, dict[str, Any], Any]] = {
    "Manual at rest": (ONE, asks("Manual"), {}, Issue(2, Cause.MANUAL, (asks("Manual"),))),
    "Manual in a closed window": (
        ONE, asks("Manual"), {"wish": spec(rotation=NIGHTLY)},
        waits(NOON + timedelta(hours=14), Reason.AWAITING_WINDOW),
    ),
    "Manual in a window that is only preferred": (
        ONE, asks("Manual"), {"wish": spec(rotation={**NIGHTLY, "windowPolicy": "Prefer"})},
        Issue(2, Cause.MANUAL, (asks("Manual"),)),
    ),
    "Manual with a spec that is broken": (
        ONE, asks("Manual"), {"problems": FAULTY}, waits(None, Reason.INVALID_SPEC, stalled=True),
    ),
    "Manual during an overlap": (
        OVERLAPPING, asks("Manual"), {}, waits(NOON + 11 * MINUTE, Reason.OVERLAP_OPEN),
    ),
    "Manual after a rollout that failed": (
        status(active(1), ended(2), rotation=rotation(Step.ROLLED_BACK, next_attempt_time=NOON + HOUR)),
        asks("Manual"), {}, Issue(3, Cause.MANUAL, (asks("Manual"),)),
    ),
    "Compromise during an overlap": (OVERLAPPING, asks("Compromise"), {}, Issue(3, Cause.COMPROMISE)),
    "Compromise during a rollout": (MOVING, asks("Compromise"), {}, Issue(3, Cause.COMPROMISE)),
    "Compromise while a version is revoked": (
        status(version(1, State.REVOKING), active(), rotation=rotation(Step.REVOKING)),
        asks("Compromise"), {}, Issue(3, Cause.COMPROMISE),
    ),
    "Compromise while a version is taken back": (TAKEN_BACK, asks("Compromise"), {}, Issue(3, Cause.COMPROMISE)),
    "Compromise, suspended": (ONE, asks("Compromise"), {"wish": spec(suspend=True)}, Issue(2, Cause.COMPROMISE)),
    "Compromise in a closed window": (
        ONE, asks("Compromise"), {"wish": spec(rotation=NIGHTLY)}, Issue(2, Cause.COMPROMISE),
    ),
    "Compromise, on hold": (ONE, asks("Compromise"), {"wish": spec(hold=HOLD)}, Issue(2, Cause.COMPROMISE)),
    "Compromise with a broken spec": (ONE, asks("Compromise"), {"problems": FAULTY}, Issue(2, Cause.COMPROMISE)),
    "Compromise of one with consumers": (
        ONE, asks("Compromise"), {"wish": spec(consumers=[WEB])}, frozenset({What.WORKLOADS}),
    ),
    "Rollback during a rollout": (
        MOVING, asks("Rollback"), {}, Condemn(2, NOON + 2 * MINUTE + INTERVAL, (asks("Rollback"),)),
    ),
    "Rollback to the version it names": (
        KEPT, asks("Rollback", version=1), {}, Condemn(2, NOON + 2 * MINUTE + INTERVAL, (asks("Rollback", version=1),)),
    ),
    "Rollback with a spec that is broken": (
        KEPT, asks("Rollback"), {"problems": FAULTY}, Condemn(2, NOON + 2 * MINUTE + HOUR, (asks("Rollback"),)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", BEGUN)
def test_begun(situation: str) -> None:
    """What is begun, or waited for, in each situation."""
    before, demand, more, expected = BEGUN[situation]
    if isinstance(expected, Issue) and expected.cause is Cause.COMPROMISE:
        expected = replace(expected, asked=(demand,))
    assert gist(decided(before, demand, **more)) == expected


def test_one_version_answers_all_who_are_known() -> None:
    """Manual and Compromise requests share the version; a revocation has no part in it."""
    demands = asks("Manual", "a"), asks("Compromise", "b"), asks("Manual", "c")
    decision = decided(ONE, *demands)
    assert isinstance(decision, Act)
    assert isinstance(decision.effect, Issue)
    assert {demand.name for demand in decision.effect.asked} == {"a", "b", "c"}


def test_a_full_ledger_says_so() -> None:
    """So many versions are accepted that there is no room for another: a person must revoke some."""
    old = [retiring(number, overlap_start_time=NOON) for number in range(1, 61)]
    assert gist(decided(status(*old, active(61)), asks("Compromise"))) == waits(
        None, Reason.TOO_MANY_VERSIONS, stalled=True
    )


def going(mode: RevokeWhen, **fields: Any) -> Status:
    """Return a ledger whose older version is compromised."""
    return status(retiring(compromised=mode, **fields), active(), rotation=rotation(Step.ROLLING_OUT))


def looked(before: Status, wish: Any = None, *holders: Any) -> Decision:
    """Return what is decided an hour past noon when the pods were looked at."""
    return decide(facts(before, NOON + HOUR, wish, pods=holders, workloads=()))


def test_immediately_waits_for_nobody() -> None:
    """A version that is to go at once is committed before anybody is moved; a hold is stronger."""
    before = going(RevokeWhen.IMMEDIATELY)
    assert gist(looked(before, None, pod())) == Commit(1, forced=True)
    moved = going(RevokeWhen.IMMEDIATELY, overlap_start_time=NOON)
    held = looked(moved, spec(hold={**HOLD, "until": "2026-03-02T18:00:00Z"}), pod())
    assert gist(held) == waits(NOON + 6 * HOUR, Reason.ON_HOLD, blocked=True)


@pytest.mark.parametrize("policy", ["AfterOverlap", "Manual", "Never"])
def test_after_the_rollout_there_is_no_overlap(policy: str) -> None:
    """Nobody holds the compromised version: it goes, whatever the policy; while somebody does it stays."""
    before = going(RevokeWhen.AFTER_ROLLOUT, overlap_start_time=NOON)
    wish = spec(revocationPolicy=policy, overlap={"duration": "48h"})
    assert gist(looked(before, wish)) == Commit(1)
    decision = looked(before, wish, pod())
    assert isinstance(decision, Hold)
    assert (decision.reason, decision.blocked) == (Reason.HELD_BY_PODS, True)


def revoking(**fields: Any) -> Facts:
    """Return facts in which version 1 is asked to go."""
    demand = asks("Revoke", version=1, **fields)
    before = with_answers(KEPT, demand.answer(AnswerState.RUNNING, "", NOON, before=1))
    return facts(before, NOON + MINUTE, spec(revocationPolicy="Never"), demands=(demand,), pods=(), workloads=())


def test_revoke_cuts_the_overlap_short() -> None:
    """While the request is there; when it is deleted, or has ended, the overlap counts again."""
    assert gist(decide(revoking())) == Commit(1)
    old = KEPT.versions[0]
    assert retire.cut_short(old, revoking())
    assert not retire.cut_short(old, replace(revoking(), demands=()))
    assert not retire.cut_short(old, replace(revoking(), demands=None))
    assert not retire.cut_short(old, revoking(settled=True))


def test_from_what_others_know_there_is_no_way_back() -> None:
    """A rollout that fails after a compromise is held, whatever `onFailure` says."""
    before = going(RevokeWhen.AFTER_ROLLOUT)
    seen = before.model_copy(update={"consumers": (entry(wanted=2, restarted=60.0),)})
    views = (workload(annotation="2", complete=False),)
    decision = decide(facts(seen, NOON + HOUR, spec(consumers=[WEB]), pods=(), workloads=views))
    assert isinstance(decision, Hold)
    assert (decision.reason, decision.stalled) == (Reason.ROLLOUT_FAILED, True)


def test_after_a_rollback_on_request_nothing_is_wrong() -> None:
    """The next rotation waits for its time without being stalled."""
    last = rotation(Step.ROLLED_BACK, cause=Cause.ROLLBACK, next_attempt_time=NOON + INTERVAL)
    before = status(active(1, NOON - 20 * DAY), ended(2, State.DISCARDED), rotation=last)
    assert gist(decide(facts(before, NOON + HOUR))) == waits(NOON + INTERVAL, Reason.ACTIVE)


ENDS: dict[str, tuple[Status, str, dict[str, int], str | None]] = {
    "Manual, issued": (
        status(active(1), version(2, State.ISSUED), rotation=rotation(Step.ISSUING)), "Manual", {"after": 2}, None,
    ),
    "Manual, moving": (MOVING, "Manual", {"after": 2}, None),
    "Manual, moved": (OVERLAPPING, "Manual", {"after": 2}, "Succeeded"),
    "Manual, followed by another": (status(ended(2), active(3)), "Manual", {"after": 2}, "Succeeded"),
    "Manual, taken back": (TAKEN_BACK, "Manual", {"after": 2}, "Failed"),
    "Compromise, moved": (going(RevokeWhen.AFTER_ROLLOUT), "Compromise", {"after": 2}, None),
    "Compromise, in the gate": (
        status(
            retiring(compromised=RevokeWhen.AFTER_ROLLOUT, overlap_start_time=NOON),
            active(),
            rotation=rotation(Step.OVERLAP),
        ),
        "Compromise", {"after": 2}, None,
    ),
    "Compromise, revoked, still moving": (
        status(ended(1), active(), rotation=rotation(Step.ROLLING_OUT)), "Compromise", {"after": 2}, None,
    ),
    "Compromise, done": (status(ended(1), active()), "Compromise", {"after": 2}, "Succeeded"),
    "Compromise, overtaken by another": (
        status(ended(1), retiring(2, compromised=RevokeWhen.IMMEDIATELY), active(3)), "Compromise", {"after": 2},
        "Succeeded",
    ),
    "Rollback, not yet": (TAKEN_BACK, "Rollback", {"before": 2, "after": 1}, None),
    "Rollback, everybody is back": (
        status(active(1), retiring(2, rolled_back=True, overlap_start_time=NOON)), "Rollback",
        {"before": 2, "after": 1}, "Succeeded",
    ),
    "Rollback, discarded already": (
        status(active(1), ended(2, State.DISCARDED).model_copy(update={"rolled_back": True})), "Rollback",
        {"before": 2, "after": 1}, "Succeeded",
    ),
    "Rollback, overtaken by a compromise": (
        status(retiring(1), retiring(2), active(3)), "Rollback", {"before": 2, "after": 1}, "Failed",
    ),
    "Revoke, waiting": (KEPT, "Revoke", {"before": 1}, None),
    "Revoke, committed": (status(version(1, State.REVOKING), active()), "Revoke", {"before": 1}, None),
    "Revoke, done": (status(ended(1), active()), "Revoke", {"before": 1}, "Succeeded"),
    "Revoke, forgotten": (status(active()), "Revoke", {"before": 1}, "Succeeded"),
    "Revoke, current again": (status(active(1), ended(2)), "Revoke", {"before": 1}, "Failed"),
}  # fmt: skip


@pytest.mark.parametrize("situation", ENDS)
def test_when_it_is_over(situation: str) -> None:
    """What was begun ends by what the ledger says, and not before."""
    before, reason, numbers, expected = ENDS[situation]
    running = asks(reason).answer(AnswerState.RUNNING, "", NOON, **numbers)
    found = settling.settled(running, facts(before, NOON + HOUR))
    assert (found and found.state.value) == expected
    if found is not None:
        assert found.finished_time == NOON + HOUR
        assert settling.settled(found, facts(before, NOON + HOUR)) is None


def remembered(number: int, finished: datetime = NOON) -> tuple[Answer, ...]:
    """Return so many answers that are over."""
    return tuple(asks("Manual", f"old{n}").answer(AnswerState.REFUSED, "", finished) for n in range(number))


def test_room_is_made_by_forgetting_who_knows() -> None:
    """Answers that their requests took note of go first come, first served, when there is no room otherwise."""
    before = with_answers(ONE, *remembered(MAX_ANSWERS - start.RESERVED))
    told = tuple(asks("Manual", f"old{n}", settled=True) for n in range(3))
    wish = spec(suspend=True)
    decision = decide(facts(before, NOON + MINUTE, wish, demands=(*told, asks("Manual", "new"))))
    assert isinstance(decision, Act)
    assert decision.effect == Reply((), frozenset({"uid-old0"}))


def test_without_room_others_wait_and_a_compromise_does_not() -> None:
    """Some of the room is kept for what cannot wait."""
    before = with_answers(ONE, *remembered(MAX_ANSWERS - start.RESERVED))
    untold = tuple(asks("Manual", f"old{n}") for n in range(MAX_ANSWERS))
    assert start.unanswered(facts(before, demands=(*untold, asks("Manual", "new")))) == ()
    leak = asks("Compromise", "leak")
    assert start.unanswered(facts(before, demands=(*untold, leak))) == (leak,)


def test_answers_of_requests_long_gone_are_forgotten_with_the_next_write() -> None:
    """Not before ten minutes have passed: a list that is behind would have it carried out again."""
    before = with_answers(ONE, *remembered(2))
    demand = asks("Revoke", version=9)
    early, late = (decided(before, demand, now=NOON + wait) for wait in (9 * MINUTE, 11 * MINUTE))
    assert isinstance(early, Act)
    assert isinstance(late, Act)
    assert isinstance(early.effect, Reply)
    assert isinstance(late.effect, Reply)
    assert early.effect.forgotten == frozenset()
    assert late.effect.forgotten == {"uid-old0", "uid-old1"}


def test_credit() -> None:
    """The first is named, with who made it, and the others are counted."""
    assert credit(()) is None
    assert credit((asks("Manual", "a", requested_by="alice"),)) == "RotationRequest a (alice)"
    assert credit((asks("Manual", "a"), asks("Manual", "b"))) == "RotationRequest a and 1 more"
    assert len(credit((asks("Manual", "a" * 253), asks("Manual", "b"))) or "") <= 253
