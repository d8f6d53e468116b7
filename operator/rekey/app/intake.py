"""What becomes of what was heard: the cache is told, and a worker if it is news.

What is settled when it is first seen was so before we started: it waits for those who wait and, as readiness does, for
the end of the first list.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rekey.app.cache import Cache
from rekey.app.deadlines import Timer
from rekey.app.heard import Asked, Deaf, Gone, Heard, Synced, Withdrawn
from rekey.app.queue import Lane, Queue
from rekey.app.seen import Seen
from rekey.core.facts import Key


class Askers(Protocol):
    """Who keeps requests, as far as what is heard concerns them."""

    def heard(self, found: Mapping[str, Any]) -> None:
        """Take note of a request."""
        ...

    def withdrawn(self, key: Key, version: int) -> None:
        """Take note that a request was deleted."""
        ...

    def touched(self, key: Key) -> None:
        """Take note that a credential is another one than before."""
        ...

    def synced(self) -> None:
        """Take note that everything that was there at the start has been heard."""
        ...


class Intake:
    """Takes what the inbox delivers, on the main loop."""

    def __init__(
        self,
        cache: Cache,
        queue: Queue,
        timer: Timer,
        askers: Askers,
        deafened: Callable[[], None],
        *,
        sharded: bool = False,
    ) -> None:
        self._askers = askers
        self._sharded = sharded
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
            case Asked():
                self._askers.heard(heard.found)
            case Withdrawn():
                self._askers.withdrawn(heard.key, heard.version)
            case Synced():
                self._synced()
            case Deaf():
                self._deafened()

    def _seen(self, seen: Seen) -> None:
        is_first = seen.key not in self._cache
        is_news = self._cache.put(seen)
        self._askers.touched(seen.key)
        if not is_news:
            return
        if not (is_first and seen.settled):
            self._queue.add(seen.key, Lane.CHANGE)
        elif self.synced.is_set():
            self._queue.add(seen.key, Lane.RESYNC)
        else:
            self._settled.append(seen.key)

    def _synced(self) -> None:
        self.synced.set()
        self._askers.synced()
        for key in self._settled:
            self._queue.add(key, Lane.RESYNC)
        self._settled.clear()

    def _gone(self, gone: Gone) -> None:
        rivals = self._cache.remove(gone.key, gone.version)
        if rivals is None:
            return
        self._timer.drop(gone.key)
        self._askers.touched(gone.key)
        for rival in rivals:
            self._queue.add(rival, Lane.RESYNC)
        if self._sharded:  # it may have gone to another shard of ours, whose watch told of it before this one did
            self._queue.add(gone.key, Lane.RESYNC)
