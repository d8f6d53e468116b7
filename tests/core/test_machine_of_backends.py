"""Each effect that brings a version to a backend moves the ledger on in one way."""

from __future__ import annotations

import pytest

from rekey.core import effects, ledger
from rekey.core.machine import advance
from rekey.core.status import Cause, State, Status, Step
from rekey.core.status_probe import Refusal
from tests.core.situations import NOON, ONE, OVERLAPPING, after
from tests.core.test_machine import out, states

RESERVED = advance(ONE, effects.Reserve(2, Cause.TRIGGER), out(secret_name="api-v2", digest="d", rotation_id="r-2"))
REFUSAL = Refusal(reason="NeedsReauth", message="no", by="a")


def test_reserved() -> None:
    """A number is written down before its backend hears of it: nobody has it, and nothing of it is known."""
    made = ledger.find(RESERVED, 2)
    assert (made.state, made.intent_time, made.handle, made.issued_time) == (State.RESERVED, NOON, None, None)
    assert RESERVED.rotation is not None
    assert (RESERVED.rotation.step, RESERVED.rotation.cause) == (Step.ISSUING, Cause.TRIGGER)
    assert ledger.active(RESERVED) == ledger.active(ONE)
    assert ledger.pending(RESERVED) is None


def test_obtained() -> None:
    """What its backend made is a version like any other; why it will not is written down, until it does."""
    refused = advance(RESERVED, effects.Obtain(2), out(refusal=REFUSAL))
    assert (ledger.find(refused, 2).state, ledger.find(refused, 2).refusal) == (State.RESERVED, REFUSAL)
    made = ledger.find(advance(refused, effects.Obtain(2), out(handle="uid-2", backend_id="b")), 2)
    assert (made.state, made.handle, made.backend_id, made.refusal) == (State.ISSUED, "uid-2", "b", None)


def test_announced_anew() -> None:
    """An intent is as old as the last time it was written; a commitment is one as well, of what has a backend."""
    assert ledger.find(advance(RESERVED, effects.Announce(2), out(9.5)), 2).intent_time == after(9)
    committed = advance(OVERLAPPING, effects.Commit(1), out(3.5))
    assert ledger.find(committed, 1).intent_time is None
    told = advance(advance(OVERLAPPING, effects.Announce(1), out()), effects.Commit(1), out(3.5))
    assert ledger.find(told, 1).intent_time == after(3)


def test_a_reserved_version_is_discarded() -> None:
    """One that is not wanted any more ends, and the trigger that it was for counts again."""
    assert states(advance(RESERVED, effects.Discard(2), out()))[2] is State.DISCARDED


SHUT_OUT = {
    "to be made": (RESERVED, effects.Obtain(2)),
    "to be proved": (advance(RESERVED, effects.Obtain(2), out(handle="uid-2")), effects.Prove(2)),
    "to be given up": (RESERVED, effects.Discard(2)),
    "to be revoked": (advance(OVERLAPPING, effects.Commit(1), out(3.5)), effects.Revoke(1)),
}


@pytest.mark.parametrize(("before", "effect"), SHUT_OUT.values(), ids=SHUT_OUT)
def test_whoever_is_not_let_in_writes_that_down(before: Status, effect: effects.Obtain | effects.Prove) -> None:
    """The version is where it was; nothing else is of it."""
    refused = advance(before, effect, out(refusal=REFUSAL))
    assert states(refused) == states(before)
    assert ledger.find(refused, effect.number).refusal == REFUSAL
