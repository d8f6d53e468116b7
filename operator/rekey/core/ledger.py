"""Questions about a ledger, the versions of a status; it answers and changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from pydantic import BaseModel

from rekey.core.status import State, Status, Version

LIVE = frozenset({State.RESERVED, State.ISSUED, State.PUBLISHED, State.ACTIVE, State.RETIRING, State.REVOKING})
ENDED = frozenset({State.REVOKED, State.DISCARDED})


def find(status: Status, number: int) -> Version:
    """Return the version with that number.

    Raises:
        KeyError: the ledger has none.
    """
    for version in status.versions:
        if version.number == number:
            return version
    raise KeyError(number)


def first(status: Status, *states: State) -> Version | None:
    """Return the lowest-numbered version in one of the states."""
    return next((version for version in status.versions if version.state in states), None)


def pending(status: Status, above: int = 0) -> Version | None:
    """Return the version that was made and is not current yet, of those with a higher number.

    There is never more than one that is still good.
    """
    waiting = (State.ISSUED, State.PUBLISHED)
    return next((item for item in status.versions if item.state in waiting and item.number > above), None)


def reserved(status: Status) -> Version | None:
    """Return the version that is to be made at a backend, or may have been; nobody was given it yet."""
    return first(status, State.RESERVED)


def active(status: Status) -> Version | None:
    """Return the version that is current."""
    return first(status, State.ACTIVE)


def retiring(status: Status) -> tuple[Version, ...]:
    """Return the versions that are accepted but no longer current, oldest first."""
    return tuple(version for version in status.versions if version.state is State.RETIRING)


def previous(status: Status) -> Version | None:
    """Return the version that the bundle shows as `previous`: the accepted one that was current last."""
    return _latest(retiring(status))


def current_since(version: Version) -> datetime | None:
    """Return when a version became current; of one whose record was lost, when it was made."""
    return version.activated_time or version.issued_time


def rotated(status: Status, active: Version, now: datetime) -> datetime:
    """Return from when on the time until the next rotation counts; `now` only where nothing at all is known."""
    return status.last_rotation_time or current_since(active) or now


def to_leave(status: Status) -> Version | None:
    """Return the version whose overlap clock waits for consumers to leave it; of several, the one current last."""
    return _latest(version for version in retiring(status) if version.overlap_start_time is None)


def _latest(versions: Iterable[Version]) -> Version | None:
    candidates = [version for version in versions if version.retire_time is not None]
    return max(candidates, key=lambda version: (version.retire_time, version.number), default=None)


def next_number(status: Status) -> int:
    """Return a number above all that were ever used (pruning keeps the highest)."""
    return max((version.number for version in status.versions), default=0) + 1


def digest(part: BaseModel) -> str:
    """Return a short digest of a part of the spec; specs hold no secrets, so it needs no key.

    It is of what differs from the defaults, so that a field that a later release adds changes no digest: an upgrade
    makes no version and writes no bundle (promise S8).
    """
    return _digest(part.model_dump_json(by_alias=True, exclude_defaults=True))


@lru_cache(maxsize=4096)
def _digest(text: str) -> str:
    canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
