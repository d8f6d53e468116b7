"""What the rotation of a key ring does next: one step, by what the ring says and what was seen in this turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from rekey.core.keyring import (
    AGAIN,
    SETTLE,
    Begin,
    Delete,
    Disable,
    Inspect,
    Inspection,
    Key,
    Progress,
    Rest,
    Rewrap,
    Ring,
    State,
    Step,
    Wish,
)


def decide(ring: Ring, wish: Wish | None, done: Progress, now: datetime, retention: timedelta) -> Step:
    """Return what is to be done next; what was begun is finished before anything is begun."""
    disabled = ring.in_state(State.DISABLED)
    over = tuple(key for key in disabled if key.since + retention <= now)
    if needless := _needless(ring, over, done):
        return Delete(needless)
    if ring.in_state(State.DECRYPT_ONLY):
        return _finish(ring, done, now)
    if over and done.found is None:
        return Inspect()
    if wish is not None and (wish.trigger is None or wish.trigger != ring.trigger):
        return Begin(wish)
    if over and done.found is not None:
        return _stuck(over, done, done.found, now, "a disabled key: make it DecryptOnly again (docs/keys.md)")
    until = min((key.since + retention for key in disabled), default=None)
    return Rest(until, "no rotation is asked for" if until is None else "a disabled key is kept for its retention")


def _finish(ring: Ring, done: Progress, now: datetime) -> Step:
    old = ring.in_state(State.DECRYPT_ONLY)
    settled = max(key.since for key in old) + SETTLE
    found = done.found
    if done.rewrapped is None:
        return Rewrap()
    if found is None:
        return Inspect() if now >= settled else Rest(settled, "writes under the old key may still be under way")
    if needless := _needless(ring, old, done):
        return Disable(needless, found.records)
    return _stuck(old, done, found, now, "the old key")


def _needless(ring: Ring, keys: tuple[Key, ...], done: Progress) -> tuple[str, ...]:
    """Return those of the keys that nobody needs any more."""
    if done.found is None:
        return ()
    clears = done.found.clears
    return tuple(key.id for key in (takewhile(clears, keys) if ring.in_order else filter(clears, keys)))


def _stuck(keys: tuple[Key, ...], done: Progress, found: Inspection, now: datetime, where: str) -> Rest:
    left = sum(found.under.get(key.id, 0) for key in keys)
    why = f"{left} of {found.records} records are under {where}, {len(found.trouble)} unreadable"
    return Rest(now + AGAIN, "; ".join((why, *(*found.trouble, *(done.rewrapped or ()))[:1])), stalled=True)
