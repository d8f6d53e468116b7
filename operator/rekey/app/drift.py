"""When the Secrets of each credential are compared with the ledger: once in an interval, never many at once.

1. A credential's turn depends on its name alone, so turns are spread over the interval and stay where they are when the
   operator is restarted.
2. The reads have a limit of their own; what would exceed it waits.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

from rekey.app.deadlines import Timer
from rekey.core.facts import Key
from rekey.ports.cluster import Clock

READS: Final = 3
"""What one comparison reads, as a rule: the bundle and two versions."""


def turn(key: Key, now: datetime, interval: timedelta) -> datetime:
    """Return the first turn of this credential after now."""
    length = interval.total_seconds()
    phase = crc32(str(key).encode()) / 2**32 * length
    return now + timedelta(seconds=(phase - now.timestamp()) % length or length)


class Drift:
    """Tells for each credential when it is its turn. `check` must not wait."""

    def __init__(self, clock: Clock, interval: timedelta, reads_per_second: int, check: Callable[[Key], None]) -> None:
        self._clock = clock
        self._interval = interval
        self._pause = timedelta(seconds=READS / reads_per_second)
        self._check = check
        self._free = clock.now()
        self._admitted: set[Key] = set()
        self._timer = Timer(clock, self._due)

    def follow(self, key: Key) -> None:
        """Compare this credential from its next turn on."""
        self._timer.set(key, turn(key, self._clock.now(), self._interval))

    def drop(self, key: Key) -> None:
        """Compare it no more."""
        self._admitted.discard(key)
        self._timer.drop(key)

    def stop(self) -> None:
        """Compare nothing more."""
        self._timer.stop()

    def _due(self, key: Key) -> None:
        now = self._clock.now()
        if key not in self._admitted:
            slot = max(now, self._free)
            self._free = slot + self._pause
            if slot > now:
                self._admitted.add(key)
                self._timer.set(key, slot)
                return
        self._admitted.discard(key)
        self._check(key)
        self.follow(key)
