"""When each credential is looked at next: one instant for each key, one timer for all.

1. A new instant for a key takes the place of the old one; what is stale in the heap is dropped as it comes up.
2. Instants are wall-clock time: the timer never sleeps longer than `LONGEST_SLEEP` and asks the clock again,
   so that a clock that is set, or a machine that slept, delays nothing by more than that.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Final

from rekey.core.facts import Key
from rekey.ports.cluster import Clock

LONGEST_SLEEP: Final = 30.0
_SLACK: Final = 64


class Deadlines:
    """A heap of instants, one for each key."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Key]] = []
        self._current: dict[Key, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: Key, at: datetime) -> None:
        """Have the key come up at that instant and at no other."""
        self._count += 1
        self._current[key] = self._count
        heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._current) + _SLACK:
            self._heap = [entry for entry in self._heap if self._current.get(entry[2]) == entry[1]]
            heapify(self._heap)

    def drop(self, key: Key) -> None:
        """Have the key not come up at all."""
        self._current.pop(key, None)

    def next(self) -> datetime | None:
        """Return the first instant of all."""
        while self._heap and self._current.get(self._heap[0][2]) != self._heap[0][1]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: datetime) -> list[Key]:
        """Take out the keys whose instant has come, the earliest first."""
        due: list[Key] = []
        while (first := self.next()) is not None and first <= now:
            key = heappop(self._heap)[2]
            del self._current[key]
            due.append(key)
        return due


class Timer:
    """Tells, on the event loop it was made on, when the instant of a key has come."""

    def __init__(self, clock: Clock, due: Callable[[Key], None]) -> None:
        self._clock = clock
        self._due = due
        self._deadlines = Deadlines()
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._armed: datetime | None = None

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, key: Key, at: datetime) -> None:
        """Tell about the key at that instant and at no other."""
        self._deadlines.set(key, at)
        if self._handle is None or self._armed is None or at < self._armed:
            self._arm()

    def drop(self, key: Key) -> None:
        """Do not tell about the key at all."""
        self._deadlines.drop(key)

    def stop(self) -> None:
        """Tell nothing more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        self.stop()
        self._armed = self._deadlines.next()
        if self._armed is not None:
            wait = (self._armed - self._clock.now()).total_seconds()
            self._handle = self._loop.call_later(max(0.0, min(wait, LONGEST_SLEEP)), self._fire)

    def _fire(self) -> None:
        self._handle = None
        for key in self._deadlines.pop(self._clock.now()):
            self._due(key)
        self._arm()
