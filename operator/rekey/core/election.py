"""Who leads: what to do about a Lease, given what was read of it, and when.

1. Time is a monotonic clock's, our own; what others write about time is compared for equality only.
2. A term of ours ends `deadline` after the moment before the request that renewed it was sent. Another may take the
   Lease `duration` after it last saw it change, which is later: no two terms overlap, whatever the clocks say.
3. What somebody deleted or edited by hand is treated as a holder that went silent at that moment. Only the mark that a
   holder leaves when it gives the Lease back (`RELEASED`) makes it free at once. (Who sees it missing at his very first
   look takes it: that is how the first Lease is made.)
4. `transitions` numbers the terms. A Lease in our name but of another term belongs to an earlier life of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

RELEASED: Final = 1.0
"""The duration that a Lease without a holder says when it was given back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an election goes, in seconds: retry < deadline < duration."""

    duration: float
    deadline: float
    retry: float

    @property
    def patience(self) -> float:
        """Return how long one try may take: two fit into the deadline, and a pause between them."""
        return (self.deadline - self.retry) / 2


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease as it was read; `body` is the whole object."""

    holder: str
    duration: float
    renewed: str
    transitions: int
    wanted: str = field(default="", compare=False)
    """Who asks for it; that is no sign of the holder's life."""
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Term:
    """A time of leading: its number, until when it is known to last, and since when it has lasted without a gap.

    A renewal whose answer comes late leaves a gap: we lead on, but what was left alone in the gap must be looked at.
    """

    number: int = 0
    until: float = 0.0
    since: float = 0.0


NO_TERM: Final = Term()


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a Lease: how it was last seen, since when it has been so, and our own term."""

    record: Record | None = None
    since: float = 0.0
    gone: bool = False
    term: Term = NO_TERM


class Move(StrEnum):
    """What to do about the Lease now."""

    WAIT = "wait"
    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"


def seen(sight: Sight, me: str, record: Record | None, now: float) -> Sight:
    """Return what is known after a look; a Lease that is not of our term any more ends the term."""
    if record is None:
        return replace(sight, gone=True, since=sight.since if sight.gone else now)
    changed = sight.gone or record != sight.record
    ours = record.holder == me and record.transitions == sight.term.number
    return Sight(record, now if changed else sight.since, term=sight.term if ours else NO_TERM)


def won(sight: Sight, record: Record, before: float, now: float, pace: Pace) -> Sight:
    """Return what is known after a write of ours; `before` is the moment before it was sent."""
    old = sight.term
    goes_on = record.transitions == old.number and now < old.until
    return Sight(record, now, term=Term(record.transitions, before + pace.deadline, old.since if goes_on else before))


def given_up(sight: Sight) -> Sight:
    """Return what is known when our term is over."""
    return replace(sight, term=NO_TERM)


def free_at(sight: Sight, pace: Pace) -> float:
    """Return when nobody can be acting by what was last seen of somebody else's Lease."""
    record = sight.record
    if record is None or (not sight.gone and not record.holder and record.duration <= RELEASED):
        return 0.0
    return sight.since + max(record.duration, pace.duration)


def choose(sight: Sight, me: str, pace: Pace, now: float) -> Move:
    """Return what to do now."""
    record = sight.record
    leading = now < sight.term.until
    if sight.gone or record is None:
        return Move.CREATE if leading or now >= free_at(sight, pace) else Move.WAIT
    if leading:
        return Move.RENEW
    return Move.TAKE if record.holder == me or now >= free_at(sight, pace) else Move.WAIT


def number(sight: Sight, move: Move, now: float) -> int:
    """Return the number of the term that the move begins or goes on with."""
    if move is Move.RENEW or (move is Move.CREATE and now < sight.term.until):
        return sight.term.number
    return (sight.record.transitions if sight.record is not None else 0) + 1
