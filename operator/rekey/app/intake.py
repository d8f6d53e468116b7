"""What becomes of what was heard: the cache is told, and a worker if it is news."""

import asyncio
from collections.abc import Callable

from rekey.app.cache import Cache
from rekey.app.deadlines import Timer
from rekey.app.heard import Deaf, Gone, Heard, Synced
from rekey.app.queue import Lane, Queue
from rekey.app.seen import Seen


class Intake:
    """Takes what the inbox delivers, on the main loop."""

    def __init__(self, cache: Cache, queue: Queue, timer: Timer, deafened: Callable[[], None]) -> None:
        self._cache = cache
        self._queue = queue
        self._timer = timer
        self._deafened = deafened
        self.synced = asyncio.Event()

    def take(self, heard: Heard) -> None:
        """Take one."""
        match heard:
            case Seen():
                self._seen(heard)
            case Gone():
                self._gone(heard)
            case Synced():
                self.synced.set()
            case Deaf():
                self._deafened()

    def _seen(self, seen: Seen) -> None:
        is_first = seen.key not in self._cache
        if self._cache.put(seen):
            # What is settled when it is first seen was so before we started: it waits for those who wait.
            self._queue.add(seen.key, Lane.RESYNC if is_first and seen.settled else Lane.CHANGE)

    def _gone(self, gone: Gone) -> None:
        rivals = self._cache.remove(gone.key, gone.version)
        if rivals is None:
            return
        self._timer.drop(gone.key)
        for rival in rivals:
            self._queue.add(rival, Lane.RESYNC)
