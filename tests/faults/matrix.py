"""Which faults there are, and what they may meet: docs/faults.md says the same in words."""

from enum import StrEnum


class Kind(StrEnum):
    """What a call is, as far as faults are concerned."""

    READ = "read"
    LIST = "list of credentials"
    WATCH = "watch"
    WRITE = "write"
    EVENT = "Event"
    NEWS = "watch event"


class Fault(StrEnum):
    """What may go wrong at one call."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    BUSY = "429 with Retry-After"
    STORM = "500/503 storm"
    SLOW = "slow body"
    HANG = "hang until timeout"
    CONFLICT = "409"
    INVALID = "422"
    LATE = "carried out after timeout"
    TWICE = "carried out twice"
    STALE = "stale list"
    DROPPED = "watch dropped"
    HELD = "watch held back"
    GONE = "watch 410"
    ERROR = "watch ERROR"
    SILENT = "watch blackholed"


CRASHES = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_AFTER})
_LINE = (Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.BUSY, Fault.STORM, Fault.HANG)
_CALL = (*sorted(CRASHES), *_LINE, Fault.SLOW)
_WRITE = (Fault.CONFLICT, Fault.INVALID, Fault.LATE, Fault.TWICE)
_NEWS = (Fault.DROPPED, Fault.HELD, Fault.GONE, Fault.ERROR, Fault.SILENT)

MATRIX: dict[Kind, tuple[Fault, ...]] = {
    Kind.READ: _CALL,
    Kind.LIST: (*_CALL, Fault.STALE),
    Kind.WATCH: (*sorted(CRASHES), *_LINE),
    Kind.WRITE: (*_CALL, *_WRITE),
    Kind.EVENT: (*_CALL, *_WRITE),
    Kind.NEWS: (*_NEWS, Fault.STALE),
}
"""A read is refused by nobody, a watch has no body that ends, and only what is listed can be old: the operator relies
on reads of single objects, and on lists of pods, being answered from storage, as the API server promises."""
