"""Each effect moves the ledger on in one way; numbers are never used twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import effects, ledger
from rekey.core.answer import AnswerState
from rekey.core.demand import Demand
from rekey.core.edges import IllegalTransition
from rekey.core.effects import Effect
from rekey.core.machine import advance
from rekey.core.outcome import Outcome
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import BundleRef, Cause, State, Status, Step, VerifierRef
from tests.core.situations import (
    BUNDLE,
    MINUTE,
    MOVING,
    NOON,
    ONE,
    OVERLAPPING,
    active,
    after,
    ended,
    entry,
    retiring,
    rotation,
    status,
    version,
)

FRESH = BundleRef(uid="bundle", resource_version="8", previous=1)
ISSUED = status(active(1), version(2, State.ISSUED), rotation=rotation(Step.ISSUING))
CONDEMNED = status(retiring(), active(rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
BACK = status(active(1, NOON - timedelta(days=1)), retiring(2, rolled_back=True), rotation=rotation(Step.ROLLING_BACK))
REVOKING = status(version(1, State.REVOKING), active(), rotation=rotation(Step.REVOKING))
FAILED = status(version(2, State.REVOKING, rolled_back=True), active(1), rotation=rotation(Step.ROLLING_BACK))


def out(begin: float = 0.3, end: float = 1.2, **fields: Any) -> Outcome:
    """Return an outcome of something done between these seconds after noon."""
    return Outcome(after(begin), after(end), **fields)


def states(status: Status) -> dict[int, State]:
    """Return the states of all versions."""
    return {item.number: item.state for item in status.versions}


def asks(name: str, reason: str = "Manual", **fields: Any) -> Demand:
    """Return a request that was made at noon."""
    return Demand(f"uid-{name}", name, RequestReason(reason), NOON, **fields)


LEAK = asks("leak", "Compromise", revoke=RevokeWhen.AFTER_ROLLOUT)


def test_issued_on_request() -> None:
    """The requests that the version was made for, by its Secret, are answered; the rotation says who asked."""
    found = out(number=2, secret_name="api-v2", rotation_id="r-2", asked=frozenset({"uid-a"}))
    fresh = advance(ONE, effects.Issue(2, Cause.MANUAL, (asks("a", requested_by="alice"), asks("b"))), found)
    assert [(item.uid, item.state, item.from_version, item.to_version) for item in fresh.requests] == [
        ("uid-a", AnswerState.RUNNING, 1, 2)
    ]
    assert fresh.rotation is not None
    assert fresh.rotation.requested_by == "RotationRequest a (alice)"


def test_activated_after_a_compromise() -> None:
    """All older versions are marked, one that was being taken back too: it goes with the rest now."""
    found = out(number=3, secret_name="api-v3", asked=frozenset({"uid-leak"}))
    issued = advance(CONDEMNED, effects.Issue(3, Cause.COMPROMISE, (LEAK,)), found)
    fresh = advance(issued, effects.Activate(3), out(bundle=FRESH))
    assert states(fresh) == {1: State.RETIRING, 2: State.RETIRING, 3: State.ACTIVE}
    marks = [(item.compromised, item.rolled_back) for item in fresh.versions]
    assert marks == [(RevokeWhen.AFTER_ROLLOUT, None), (RevokeWhen.AFTER_ROLLOUT, None), (None, None)]


def test_the_sooner_of_two_wishes_wins() -> None:
    """Two compromises that are answered by one version: older ones go at once if either says so."""
    sooner = asks("b", "Compromise", revoke=RevokeWhen.IMMEDIATELY)
    found = out(number=2, secret_name="api-v2", asked=frozenset({"uid-leak", "uid-b"}))
    issued = advance(ONE, effects.Issue(2, Cause.COMPROMISE, (LEAK, sooner)), found)
    fresh = advance(issued, effects.Activate(2), out(bundle=FRESH))
    assert fresh.versions[0].compromised is RevokeWhen.IMMEDIATELY


def test_condemned_on_request() -> None:
    """A rotation of its own says who asked, also when none was under way; the answer says from where to where."""
    kept = status(retiring(overlap_start_time=NOON), active())
    fresh = advance(kept, effects.Condemn(2, after(60), (asks("back", "Rollback"),)), out())
    assert fresh.rotation is not None
    assert (fresh.rotation.cause, fresh.rotation.step) == (Cause.ROLLBACK, Step.ROLLING_BACK)
    assert [(item.name, item.from_version, item.to_version) for item in fresh.requests] == [("back", 2, 1)]
    assert fresh.versions[1].rolled_back


def test_replied() -> None:
    """Answers take the place of older ones of the same request; what is to be forgotten goes."""
    before = ONE.model_copy(
        update={"requests": tuple(asks(name).answer(AnswerState.RUNNING, "", NOON) for name in "ab")}
    )
    over = asks("b").answer(AnswerState.SUCCEEDED, "done", NOON)
    new = asks("c").answer(AnswerState.REFUSED, "no", NOON)
    fresh = advance(before, effects.Reply((over, new), frozenset({"uid-a"})), out())
    assert [(item.name, item.state) for item in fresh.requests] == [
        ("b", AnswerState.SUCCEEDED),
        ("c", AnswerState.REFUSED),
    ]


def test_what_a_discarded_version_was_made_for_counts_again() -> None:
    """The answers that rest on it are gone, others stay."""
    running = [asks(name).answer(AnswerState.RUNNING, "", NOON, after=number) for name, number in (("a", 2), ("b", 1))]
    before = ISSUED.model_copy(update={"requests": tuple(running)})
    fresh = advance(before, effects.Discard(2), out())
    assert [item.name for item in fresh.requests] == ["b"]


def test_issued() -> None:
    """The version stands beside the current one with all that is known of it; nothing is shown yet."""
    found = out(
        number=4, handle="u4", issued=after(-9), digest="d", secret_name="api-v4", pinned={"a": 1},
        rotation_id="r-4", trigger="t",
    )  # fmt: skip
    fresh = advance(ONE, effects.Issue(2, Cause.TRIGGER), found)
    assert states(fresh) == {1: State.ACTIVE, 4: State.ISSUED}
    made = ledger.find(fresh, 4)
    assert (made.handle, made.issued_time, made.digest, made.secret_name) == ("u4", after(-9), "d", "api-v4")
    assert made.activated_time is None
    assert (fresh.current_version, fresh.bundle, fresh.observed_trigger) == (1, BUNDLE, "t")
    assert fresh.rotation is not None
    assert (fresh.rotation.number, fresh.rotation.cause, fresh.rotation.step) == (4, Cause.TRIGGER, Step.ISSUING)
    assert (fresh.rotation.id, fresh.rotation.spec, fresh.rotation.attempts) == (
        "r-4",
        {"a": 1, "observedTrigger": ""},
        1,
    )


def test_issued_without_an_answer() -> None:
    """Where the outcome names no number and no time, they are those of the effect."""
    made = ledger.find(advance(ONE, effects.Issue(2, Cause.SCHEDULE), out()), 2)
    assert made.issued_time == after(0)


ATTEMPTS: dict[str, tuple[Cause, Step, Cause, int]] = {
    "the same again after a failure": (Cause.SCHEDULE, Step.ROLLED_BACK, Cause.SCHEDULE, 4),
    "a person asked again: that is a new beginning": (Cause.TRIGGER, Step.ROLLED_BACK, Cause.TRIGGER, 1),
    "another cause": (Cause.SCHEDULE, Step.ROLLED_BACK, Cause.GENERATION_CHANGED, 1),
    "the one before did not fail": (Cause.SCHEDULE, Step.OVERLAP, Cause.SCHEDULE, 1),
}


@pytest.mark.parametrize("situation", ATTEMPTS)
def test_attempts_are_counted(situation: str) -> None:
    """Attempts count how often the same was tried in a row."""
    last, step, cause, expected = ATTEMPTS[situation]
    before = ONE.model_copy(update={"rotation": rotation(step, cause=last, attempts=3)})
    fresh = advance(before, effects.Issue(2, cause), out())
    assert fresh.rotation is not None
    assert fresh.rotation.attempts == expected


def test_adopted() -> None:
    """What was found is the ledger; without a version before there is no rotation."""
    found = out(bundle=FRESH, versions=(active(7),), trigger="t", rotation_id="r")
    fresh = advance(Status(), effects.Adopt(), found)
    assert (states(fresh), fresh.current_version, fresh.bundle) == ({7: State.ACTIVE}, 7, FRESH)
    assert (fresh.rotation, fresh.observed_trigger, fresh.last_rotation_time) == (None, "t", NOON)


def test_adopted_in_the_middle_of_an_overlap() -> None:
    """With a version before the rotation goes on: consumers are looked at again."""
    fresh = advance(Status(), effects.Adopt(), out(bundle=FRESH, versions=(retiring(), active())))
    assert states(fresh) == {1: State.RETIRING, 2: State.ACTIVE}
    assert fresh.rotation is not None
    assert (fresh.rotation.step, fresh.rotation.number) == (Step.ROLLING_OUT, 2)


def test_adopted_wrongly() -> None:
    """Two current versions are no ledger."""
    with pytest.raises(IllegalTransition):
        advance(Status(), effects.Adopt(), out(versions=(active(1), active(2))))


def test_published() -> None:
    """Verifiers can read it since the second after; nobody uses it yet, and what is told of it stands beside it."""
    told = VerifierRef(uid="verifier", resource_version="3", digest="d")
    proved = ledger.find(ISSUED, 2).model_copy(update={"proof": "{}"})
    fresh = advance(ISSUED, effects.Publish(2), out(0.3, 1.2, versions=(proved,), verifier=told))
    assert states(fresh) == {1: State.ACTIVE, 2: State.PUBLISHED}
    assert (ledger.find(fresh, 2).published_time, ledger.find(fresh, 2).proof) == (after(2), "{}")
    assert (fresh.verifier, fresh.current_version) == (told, 1)
    assert fresh.rotation is not None
    assert fresh.rotation.step is Step.PUBLISHING
    used = advance(fresh, effects.Activate(2), out(bundle=FRESH))
    assert states(used) == {1: State.RETIRING, 2: State.ACTIVE}


def test_told() -> None:
    """What verifiers read, and what was proved for it, is on record; no state changes."""
    told = VerifierRef(uid="verifier", resource_version="4", digest="e")
    fresh = advance(MOVING, effects.Tell(), out(verifier=told))
    assert (fresh.verifier, states(fresh)) == (told, states(MOVING))
    gone = advance(REVOKING.model_copy(update={"verifier": told}), effects.Revoke(1), out())
    assert gone.verifier == told


def test_activated() -> None:
    """Times are rounded to the safe side: active from the second before, retired at the second after."""
    fresh = advance(ISSUED, effects.Activate(2), out(0.3, 1.2, bundle=FRESH))
    assert states(fresh) == {1: State.RETIRING, 2: State.ACTIVE}
    assert ledger.find(fresh, 2).activated_time == after(0)
    assert ledger.find(fresh, 1).retire_time == after(2)
    assert ledger.find(fresh, 1).overlap_start_time is None
    assert (fresh.current_version, fresh.last_rotation_time, fresh.bundle) == (2, after(0), FRESH)
    assert fresh.rotation is not None
    assert fresh.rotation.step is Step.ROLLING_OUT


def test_activated_as_the_first() -> None:
    """The first version needs no rollout: nobody uses another."""
    before = status(version(1, State.ISSUED), rotation=rotation(Step.ISSUING, 1))
    fresh = advance(before, effects.Activate(1), out(bundle=FRESH))
    assert (states(fresh), fresh.rotation) == ({1: State.ACTIVE}, None)


def test_overlapping() -> None:
    """The overlap begins at the second after, and the rotation says so."""
    fresh = advance(MOVING, effects.StartOverlap(1, after(60.1)), out())
    assert ledger.find(fresh, 1).overlap_start_time == after(61)
    assert fresh.rotation is not None
    assert fresh.rotation.step is Step.OVERLAP
    back = advance(BACK, effects.StartOverlap(2, after(60)), out())
    assert back.rotation is not None
    assert back.rotation.step is Step.ROLLING_BACK


def test_condemned_and_reinstated() -> None:
    """A rollback makes the version before current again with its own times; the failed one is retiring."""
    condemned = advance(MOVING, effects.Condemn(2, after(3600.5)), out())
    assert ledger.find(condemned, 2).rolled_back is True
    assert states(condemned) == states(MOVING)
    assert condemned.rotation is not None
    assert (condemned.rotation.step, condemned.rotation.next_attempt_time) == (Step.ROLLING_BACK, after(3601))
    fresh = advance(condemned, effects.Reinstate(1, 2), out(bundle=FRESH))
    assert states(fresh) == {1: State.ACTIVE, 2: State.RETIRING}
    first = ledger.find(fresh, 1)
    assert (first.activated_time, first.retire_time) == (retiring().activated_time, None)
    assert ledger.find(fresh, 2).retire_time == after(2)
    assert (fresh.current_version, fresh.last_rotation_time) == (1, retiring().activated_time)
    assert fresh.bundle == FRESH


def test_committed() -> None:
    """From a commitment there is no way back; a forced one is on record as such."""
    fresh = advance(OVERLAPPING, effects.Commit(1), out())
    assert states(fresh) == {1: State.REVOKING, 2: State.ACTIVE}
    assert ledger.find(fresh, 1).forced is None
    assert fresh.rotation is not None
    assert fresh.rotation.step is Step.REVOKING
    assert ledger.find(fresh, 1).revocation_time == after(0)
    assert ledger.find(advance(OVERLAPPING, effects.Commit(1, forced=True), out()), 1).forced is True
    failed = advance(BACK, effects.Commit(2), out())
    assert failed.rotation is not None
    assert failed.rotation.step is Step.ROLLING_BACK


def test_revoked_and_discarded() -> None:
    """A version that served ends as Revoked; one that failed, or never served, as Discarded."""
    revoked = advance(REVOKING, effects.Revoke(1), out(bundle=FRESH))
    assert (states(revoked), revoked.bundle) == ({1: State.REVOKED, 2: State.ACTIVE}, FRESH)
    assert states(advance(FAILED, effects.Revoke(2), out())) == {1: State.ACTIVE, 2: State.DISCARDED}
    discarded = advance(ISSUED, effects.Discard(2), out())
    assert states(discarded) == {1: State.ACTIVE, 2: State.DISCARDED}
    assert discarded.bundle == BUNDLE


def test_restarted() -> None:
    """A consumer's entry says what was written, when, and what had stood there; others keep theirs."""
    before = MOVING.model_copy(update={"consumers": (entry("jobs", 1), entry("web", 1))})
    fresh = advance(before, effects.Restart("Deployment", "web", "2"), out(replaced="1"))
    web = next(item for item in fresh.consumers if item.name == "web")
    assert (web.wanted, web.replaced, web.restarted_time, web.reapplied, web.moved) == (2, "1", after(1), None, False)
    assert entry("jobs", 1) in fresh.consumers
    assert len(fresh.consumers) == 2
    again = advance(before, effects.Restart("Deployment", "web", None, reapplied=True), out())
    web = next(item for item in again.consumers if item.name == "web")
    assert (web.wanted, web.replaced, web.reapplied) == (None, None, True)


def test_restored() -> None:
    """A repair records the bundle and the Secrets it made anew, and no state changes."""
    mended = active(1, handle="anew")
    fresh = advance(ONE, effects.Restore(), out(bundle=FRESH, versions=(mended,)))
    assert (fresh.versions, fresh.bundle) == ((mended,), FRESH)
    assert advance(ONE, effects.Prove(1), out(versions=(mended,))).versions == (mended,)


def test_concluded() -> None:
    """A rotation that succeeded is forgotten; one that failed waits for its next attempt, without what it pinned."""
    assert advance(OVERLAPPING, effects.Conclude(), out()).rotation is None
    pinned = rotation(Step.ROLLING_BACK, spec={"target": {}}, next_attempt_time=after(60))
    fresh = advance(BACK.model_copy(update={"rotation": pinned}), effects.Conclude(), out()).rotation
    assert fresh is not None
    assert (fresh.step, fresh.spec, fresh.next_attempt_time) == (Step.ROLLED_BACK, None, after(60))


@pytest.mark.parametrize(
    "effect", [effects.Finalize(), effects.Release(), effects.Destroy(), effects.LetGo()], ids=repr
)
def test_effects_that_leave_the_ledger_alone(effect: Effect) -> None:
    """Finalizers and deletions are no matter of the ledger."""
    assert advance(MOVING, effect, out()) == MOVING


ILLEGAL: dict[str, tuple[Status, Effect]] = {
    "activate what is active": (ONE, effects.Activate(1)),
    "commit the current version": (MOVING, effects.Commit(2)),
    "revoke without a commitment": (OVERLAPPING, effects.Revoke(1)),
    "discard what was shown": (OVERLAPPING, effects.Discard(1)),
    "go back to what is committed": (REVOKING, effects.Reinstate(1, 2)),
    "commit what was never shown": (ISSUED, effects.Commit(2)),
}


@pytest.mark.parametrize("situation", ILLEGAL)
def test_what_the_table_forbids_raises(situation: str) -> None:
    """The ledger is never bent to an effect that it does not allow."""
    before, effect = ILLEGAL[situation]
    copy = before.model_copy()
    with pytest.raises(IllegalTransition):
        advance(before, effect, out())
    assert before == copy


@pytest.mark.parametrize("effect", [effects.Activate(9), effects.Commit(9), effects.Revoke(9)], ids=repr)
def test_an_unknown_number_raises(effect: Effect) -> None:
    """A number that the ledger does not have is an error."""
    with pytest.raises(KeyError):
        advance(MOVING, effect, out())


HISTORY: dict[str, tuple[int, set[int]]] = {
    "none are remembered": (0, {6}),
    "one": (1, {5, 6}),
    "three": (3, {3, 4, 5, 6}),
    "more than there are": (20, {1, 2, 3, 4, 5, 6}),
}


@pytest.mark.parametrize("situation", HISTORY)
def test_history_is_pruned(situation: str) -> None:
    """The last ended versions are remembered, as many as the limit says; living ones always are."""
    limit, expected = HISTORY[situation]
    before = status(*(ended(number) for number in range(1, 5)), version(5, State.REVOKING), active(6))
    fresh = advance(before, effects.Revoke(5), out(history=limit))
    assert set(states(fresh)) == expected


def test_the_highest_number_outlives_its_version() -> None:
    """A failed version with the highest number is remembered even with a history of nothing: numbers only grow."""
    fresh = advance(FAILED, effects.Revoke(2), out(history=0))
    assert set(states(fresh)) == {1, 2}
    assert ledger.next_number(fresh) == 3


@given(verdicts=st.lists(st.booleans(), max_size=30), limit=st.integers(0, 4))
def test_no_number_is_used_twice(verdicts: list[bool], limit: int) -> None:
    """Through any sequence of successes and failures, and any history limit, every number is new."""
    ledger_now, used = ONE, [1]
    for good in verdicts:
        number = ledger.next_number(ledger_now)
        before = ledger_now.current_version or 0
        used.append(number)
        steps: list[Effect] = [effects.Issue(number, Cause.SCHEDULE), effects.Activate(number)]
        if not good:
            steps += [effects.Condemn(number, NOON), effects.Reinstate(before, number)]
        loser = before if good else number
        steps += [effects.StartOverlap(loser, NOON + MINUTE), effects.Commit(loser), effects.Revoke(loser)]
        for effect in [*steps, effects.Conclude()]:
            ledger_now = advance(ledger_now, effect, out(history=limit))
        assert len(ledger_now.versions) <= limit + 2
    assert len(used) == len(set(used))


def test_every_effect_is_tried_here() -> None:
    """The union of effects has no member that this module and its neighbour forgot."""
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_machine*.py"))
    assert [effect.__name__ for effect in get_args(Effect) if f"effects.{effect.__name__}(" not in text] == []
