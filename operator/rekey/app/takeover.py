"""What is done when a term begins: learn what others did before, then look at every credential and request."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from rekey.app.cache import Cache
from rekey.app.queue import Lane, Queue
from rekey.app.resync import Take, differences, taken
from rekey.app.seen import Seen, Standing
from rekey.core.facts import Key
from rekey.ports.cluster import Clock


class Askers(Protocol):
    """Who keeps requests."""

    def resume(self) -> None:
        """Have every request looked at, those that are open as they are now."""
        ...


class Takeover:
    """What the leader before us wrote is known by its version only; workers read it where it has not arrived yet."""

    def __init__(
        self, take: Take, cache: Cache, queue: Queue, askers: Askers, clock: Clock, synced: asyncio.Event
    ) -> None:
        self._askers = askers
        self._synced = synced
        self._take = take
        self._cache = cache
        self._queue = queue
        self._clock = clock

    async def learn(self, shard: int) -> tuple[Key, ...]:  # noqa: ARG002  there is one
        """Have the cache know how far behind it is; return the credentials it has never heard of, too.

        Raises:
            RekeyError: that could not be found out.
        """
        await self._synced.wait()
        found = await taken(self._take, self._cache)
        behind = [pair for census in found for pair in differences(census, self._cache)]
        for key, version in behind:
            self._cache.learn(key, version)
        return tuple(key for key, _ in behind)

    def leave(self, shard: int) -> None:
        """Do nothing: a standby knows as much as the leader."""

    async def rest(self, shard: int) -> None:
        """Do nothing: nobody asks for the only Lease."""

    def enqueue(self, shard: int, behind: Iterable[Key]) -> None:  # noqa: ARG002  there is one
        """Have every credential looked at, those with something to do first, and every request."""
        self._askers.resume()
        now = self._clock.now().timestamp()
        for key in behind:
            self._queue.add(key, Lane.DEADLINE)
        for seen in self._cache:
            self._queue.add(seen.key, lane(seen, now))


def lane(seen: Seen, now: float) -> Lane:
    """Return how soon a credential is looked at when a term begins."""
    rests = seen.settled and seen.standing is Standing.READY and seen.next > now
    return Lane.RESYNC if rests else Lane.DEADLINE
