"""What becomes of what was heard: the cache is told, and a worker if it is news.

What is settled when it is first seen was so before we started: it waits for those who wait and, as readiness does, for
the end of the first list.
"""

import asyncio
from collections.abc import Callable

from rekey.app.cache import Cache
from rekey.app.deadlines import Timer
from rekey.app.heard import Deaf, Gone, Heard, Synced
from rekey.app.queue import Lane, Queue
from rekey.app.seen import Seen
from rekey.core.facts import Key


class Intake:
    """Takes what the inbox delivers, on the main loop."""

    def __init__(self, cache: Cache, queue: Queue, timer: Timer, deafened: Callable[[], None]) -> None:
        self._cache = cache
        self._queue = queue
        self._timer = timer
        self._deafened = deafened
        self._settled: list[Key] = []
        self.synced = asyncio.Event()

    def take(self, heard: Heard) -> None:
        """Take one."""
        match heard:
            case Seen():
                self._seen(heard)
            case Gone():
                self._gone(heard)
            case Synced():
                self._synced()
            case Deaf():
                self._deafened()

    def _seen(self, seen: Seen) -> None:
        is_first = seen.key not in self._cache
        if not self._cache.put(seen):
            return
        if not (is_first and seen.settled):
            self._queue.add(seen.key, Lane.CHANGE)
        elif self.synced.is_set():
            self._queue.add(seen.key, Lane.RESYNC)
        else:
            self._settled.append(seen.key)

    def _synced(self) -> None:
        self.synced.set()
        for key in self._settled:
            self._queue.add(key, Lane.RESYNC)
        self._settled.clear()

    def _gone(self, gone: Gone) -> None:
        rivals = self._cache.remove(gone.key, gone.version)
        if rivals is None:
            return
        self._timer.drop(gone.key)
        for rival in rivals:
            self._queue.add(rival, Lane.RESYNC)
