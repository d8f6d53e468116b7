"""A key of a service outside the cluster as keys of a ring: each of its versions (`v1`, `v2`, …) is one.

1. What may be done with a version the service says, and whoever administers it there; the ring's record follows.
2. The newest version wraps; those from `oldest` on unwrap; those before are out of use, and may be put back there. So
   one goes out of use with all that are older, or not at all.
3. Keys whose bytes are in the cluster only unwrap beside them: so a ring moves to the service by a rotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from rekey.core.keyring import REMEMBERED, Did, Entry, Key, Ring, State, Wish

BY: Final = "who administers the key outside the cluster"
_NAME: Final = re.compile(r"v([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Versions:
    """What the service says of its key: when each version that unwraps was made; `first`: the oldest that there is."""

    created: Mapping[int, datetime]
    first: int

    @property
    def latest(self) -> int:
        """The one that wraps."""
        return max(self.created)

    @property
    def oldest(self) -> int:
        """The first one that unwraps."""
        return min(self.created)


def is_outside(key_id: str) -> bool:
    """Say whether a key of a ring is a version of a key outside the cluster."""
    return _NAME.fullmatch(key_id) is not None


def named(number: int) -> str:
    """Return the id of a version."""
    return f"v{number}"


def numbers(keys: Iterable[Key]) -> list[int]:
    """Return which versions are among keys, the oldest first."""
    return sorted(int(found[1]) for found in (_NAME.fullmatch(key.id) for key in keys) if found)


def merged(ring: Ring, known: Versions, now: datetime) -> Ring:
    """Return the ring as the service has its key; a ring without keys begins.

    A version that came while somebody asks for one is what he asked for: a crash may have kept us from writing it down.
    """
    keys = (*_inside(ring, now), *_versions(ring, known, now))
    changed = [key for key in keys if is_outside(key.id) and _state(ring, key.id) is not key.state]
    gone = [named(number) for number in numbers(ring.keys) if number < known.first]
    told = [Entry(now, BY, Did.DELETED, key_id) for key_id in gone]
    told += [Entry(now, BY, Did.DISABLED, key.id) for key in changed if key.state is State.DISABLED]
    if any(key.state is State.ENABLED for key in changed):
        wish = ring.asked if ring.asked is not None and ring.asked.trigger != ring.trigger else Wish(ring.trigger, BY)
        ring = replace(ring, trigger=wish.trigger or "")
        told.append(Entry(now, wish.by, Did.ROTATED if ring.keys else Did.CREATED, named(known.latest)))
    return replace(ring, keys=keys, history=(*ring.history, *told)[-REMEMBERED:], in_order=True)


def _inside(ring: Ring, now: datetime) -> Iterator[Key]:
    for key in ring.keys:
        if not is_outside(key.id):
            yield replace(key, state=State.DECRYPT_ONLY, since=now) if key.state is State.ENABLED else key


def _versions(ring: Ring, known: Versions, now: datetime) -> Iterator[Key]:
    # On record or not: what is not would be deleted with what follows it.
    for number in range(known.first, known.oldest):
        key = ring.find(named(number)) or Key(named(number), State.DISABLED, now, now)
        yield _in_state(key, State.DISABLED, now)
    for number, created in sorted(known.created.items()):
        state = State.ENABLED if number == known.latest else State.DECRYPT_ONLY
        yield _in_state(ring.find(named(number)) or Key(named(number), state, created, now), state, now)


def _in_state(key: Key, state: State, now: datetime) -> Key:
    return key if key.state is state else replace(key, state=state, since=now)


def _state(ring: Ring, key_id: str) -> State | None:
    known = ring.find(key_id)
    return known.state if known is not None else None
