"""What somebody should hear of: revoked tokens in use, unknown ids, more calls than expected; told seldom."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rekey_client.memory import Windows
from rekey_client.outcome import Identity

_log = logging.getLogger("rekey_client")
_EVERY: Final = 60.0
_MOST: Final = 100


class Kind(StrEnum):
    """What was noticed."""

    REVOKED_IN_USE = "revoked_in_use"
    """Somebody shows the true secret or signature of a version that is gone: a client left behind, or a thief."""
    UNKNOWN_ID = "unknown_id"
    """A token id or kid that was never known here: made up, or a version that its verifiers do not have yet."""
    EXCESSIVE_CALLS = "excessive_calls"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that was noticed; nothing in it is secret."""

    kind: Kind
    hashed_id: str
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How many calls with one token are expected in a window; more are told, and refused if `enforce` says so."""

    calls: int
    seconds: float = 60
    enforce: bool = False


class Anomalies:
    """Calls back at most once a minute for each id, and a hundred times for each kind."""

    def __init__(self, tell: Callable[[Anomaly], None]) -> None:
        self._tell = tell
        self._ids, self._kinds = Windows(_EVERY), Windows(_EVERY)

    def notice(self, anomaly: Anomaly, now: float) -> None:
        """Tell of it, unless that was done a moment ago; an error of who listens is logged and goes no further."""
        if self._ids.count((anomaly.kind, anomaly.hashed_id), now)[0] > 1:
            return
        if self._kinds.count(anomaly.kind, now)[0] > _MOST:
            return
        try:
            self._tell(anomaly)
        except Exception as error:  # noqa: BLE001  # a listener's bug must not refuse requests
            _log.error("on_anomaly raised %s", type(error).__name__)
