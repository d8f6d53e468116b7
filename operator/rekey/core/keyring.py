"""A ring of key-encryption keys: what may be done with each key, and what a rotation of the ring does next.

    Enabled ──(another is made)──▶ DecryptOnly ──(nothing is left under it)──▶ Disabled ──(retention)──▶ gone

1. One key is Enabled: it wraps. A DecryptOnly key only unwraps. A Disabled one does nothing; it can still be put back.
2. A key is disabled, and later deleted, only on evidence: a look at all that is stored, begun when no write under it
   could be under way any more, that found nothing under it, and a sample of what it found opened. Somebody else may
   have disabled it without, or brought back what is under it.
3. `ring_steps.decide` chooses, `advance` is the only change of a ring. Neither knows a key's bytes.
4. A rotation is asked for by a text that is new (as `spec.rotation.trigger`): asked twice, it happens once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

SETTLE: Final = timedelta(minutes=10)
"""For longer than a write may be under way: ring read, data key wrapped, backend asked, three tries to store it."""

AGAIN: Final = timedelta(minutes=5)
"""After how long one looks again at what could not be re-wrapped."""

REMEMBERED: Final = 50


class State(StrEnum):
    """What may be done with a key."""

    ENABLED = "Enabled"
    DECRYPT_ONLY = "DecryptOnly"
    DISABLED = "Disabled"


class Did(StrEnum):
    """What was done to a ring."""

    CREATED = "Created"
    ROTATED = "Rotated"
    DISABLED = "Disabled"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without its bytes. `since`: when it came into its state."""

    id: str
    state: State
    created: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done to a key, at whose word; `records`: how many sealed values there were, where counted."""

    at: datetime
    by: str
    did: Did
    key: str
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """That the ring be rotated, and by whom; the same trigger again asks for nothing. None: its time has come."""

    trigger: str | None
    by: str


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of one scope, a person's last trigger, and what was done; `asked`: what a person asks for.

    `in_order`: a key can be disabled, and deleted, only with all that are older.
    """

    keys: tuple[Key, ...]
    trigger: str = ""
    history: tuple[Entry, ...] = ()
    revision: tuple[str, str] = field(default=("", ""), compare=False)
    asked: Wish | None = field(default=None, compare=False)
    in_order: bool = field(default=False, compare=False)

    @property
    def primary(self) -> Key:
        """The one key that wraps."""
        return self.in_state(State.ENABLED)[0]

    def in_state(self, state: State) -> tuple[Key, ...]:
        """Return the keys of which that may be done."""
        return tuple(key for key in self.keys if key.state is state)

    def find(self, key_id: str) -> Key | None:
        """Return the key of that id."""
        return next((key for key in self.keys if key.id == key_id), None)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A look at all that is stored: how many records each key wraps, and what became of the sample."""

    started: datetime
    under: Mapping[str, int] = field(default_factory=dict)
    opened: int = 0
    trouble: tuple[str, ...] = ()
    """What could not be read, or of the sample not be opened, and why."""

    @property
    def records(self) -> int:
        """How many there were."""
        return sum(self.under.values())

    def clears(self, key: Key) -> bool:
        """Tell whether it is evidence that nobody needs the key any more."""
        looked = self.opened > 0 or self.records == 0
        return self.started >= key.since + SETTLE and not self.under.get(key.id) and looked and not self.trouble


@dataclass(frozen=True, slots=True)
class Begin:
    """Make a new key for all new writes; the one before only decrypts from then on."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class Rewrap:
    """Have every data key that an old key wraps wrapped by the new one."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look at all that is stored."""


@dataclass(frozen=True, slots=True)
class Disable:
    """Take keys out of use; so many records were there, none of them theirs."""

    keys: tuple[str, ...]
    records: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Have keys gone for good."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is to be done before then (None: before somebody asks), and why; `stalled`: a person should look."""

    until: datetime | None
    why: str
    stalled: bool = field(default=False, compare=False)
    seen: tuple[str, str] = field(default=("", ""), compare=False)
    """The revision of the ring for which that holds: what somebody else writes may give new work."""


Change = Begin | Disable | Delete
Step = Change | Rewrap | Inspect | Rest


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done in this turn: it is not written down, so after a crash it is done again.

    `rewrapped`: what could not be re-wrapped, and why; None: that was not tried yet.
    """

    rewrapped: tuple[str, ...] | None = None
    found: Inspection | None = None


def created(key_id: str, by: str, now: datetime) -> Ring:
    """Return a ring with its first key."""
    return Ring((Key(key_id, State.ENABLED, now, now),), history=(Entry(now, by, Did.CREATED, key_id),))


def wished(ring: Ring, now: datetime, interval: timedelta, by: str) -> Wish | None:
    """Return that it be rotated: at the word of a person, or because its key is so old (an interval of 0: never)."""
    if ring.asked is not None and ring.asked.trigger != ring.trigger:
        return ring.asked
    return Wish(None, by) if interval and ring.primary.created + interval <= now else None


def advance(ring: Ring, change: Change, now: datetime, new: str) -> Ring:
    """Return the ring after a change; `new`: the id of the key that the change makes, if it makes one.

    What follows of a rotation is at the word of whoever asked for it.

    Raises:
        ValueError: a key is not in the state from which that way leads; nothing else is ever done to it.
    """
    by = next((entry.by for entry in reversed(ring.history) if entry.did is Did.ROTATED), "")
    match change:
        case Begin(wish):
            fresh = Key(new, State.ENABLED, now, now)
            keys = (*_moved(ring, [ring.primary.id], State.ENABLED, State.DECRYPT_ONLY, now), fresh)
            told = [Entry(now, wish.by, Did.ROTATED, new)]
            ring = replace(ring, trigger=ring.trigger if wish.trigger is None else wish.trigger)
        case Disable(ids, records):
            keys = _moved(ring, ids, State.DECRYPT_ONLY, State.DISABLED, now)
            told = [Entry(now, by, Did.DISABLED, key, records) for key in ids]
        case Delete(ids):
            moved = _moved(ring, ids, State.DISABLED, State.DISABLED, now)
            keys = tuple(key for key in moved if key.id not in ids)
            told = [Entry(now, by, Did.DELETED, key) for key in ids]
        case _:
            assert_never(change)
    return replace(ring, keys=keys, history=(*ring.history, *told)[-REMEMBERED:])


def _moved(ring: Ring, ids: tuple[str, ...] | list[str], old: State, new: State, now: datetime) -> tuple[Key, ...]:
    for key_id in ids:
        key = ring.find(key_id)
        if key is None or key.state is not old:
            raise ValueError(f"key {key_id} is {key.state if key else 'not there'}, not {old}")
    return tuple(replace(key, state=new, since=now) if key.id in ids else key for key in ring.keys)
