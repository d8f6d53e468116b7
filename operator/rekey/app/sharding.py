"""What is done when a shard becomes ours and when it ends; and that every credential in it carries its number.

1. A shard that becomes ours is listened to, and acted in when its first list is complete: that tells all that others
   did.
2. One that ends is forgotten, with all that was planned.
3. Labels follow the namespace: whoever is responsible for it puts them on what is new or came from another shard.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from rekey.app.cache import Cache
from rekey.app.clock import SystemClock
from rekey.app.deadlines import Timer
from rekey.app.ears import Ears
from rekey.app.queue import Lane, Queue
from rekey.app.shard_map import ShardMap
from rekey.app.takeover import Askers, lane
from rekey.core import shards
from rekey.core.facts import Key
from rekey.errors import Conflict, NotFound, NotLeading, RekeyError
from rekey.kube import census, shard_labels
from rekey.kube.census import Census
from rekey.kube.client import Client

_GLANCE: Final = 0.05
_AGAIN: Final = 0.5
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What a process keeps of credentials and requests, and what it plans."""

    cache: Cache
    queue: Queue
    timer: Timer
    askers: Askers


class Sharding:
    """The `Entry` of an election for several shards. It belongs to the main loop."""

    def __init__(self, client: Client, atlas: ShardMap, known: Known, *, rollouts: int) -> None:
        self._client = client
        self._atlas = atlas
        self._known = known
        self._cache = known.cache
        self._queue = known.queue
        self._rollouts = rollouts
        self._held: set[int] = set()
        self._strays: asyncio.Queue[tuple[Key, str] | str | int] = asyncio.Queue()
        self.ears: Ears | None = None
        known.cache.allow(0)
        known.cache.keeps = self._is_ours

    async def follow(self) -> None:
        """Keep the map and the labels right, for ever."""
        await asyncio.gather(self._atlas.follow(self._labels, self._settled), self._label())

    async def learn(self, shard: int) -> tuple[Key, ...]:
        """Listen to the shard until all that is there is known."""
        self._held.add(shard)
        self._share()
        if self.ears is not None:
            await self.ears.open(shard).wait()
        return ()

    def enqueue(self, shard: int, behind: Iterable[Key]) -> None:  # noqa: ARG002  all of it is new
        """Have everything in the shard looked at, and look for what does not carry its number."""
        now = SystemClock().now().timestamp()
        for seen in self._cache:
            if self._atlas.of(seen.key.namespace) == shard:
                self._queue.add(seen.key, lane(seen, now))
        self._known.askers.resume()
        self._strays.put_nowait(shard)

    def leave(self, shard: int) -> None:
        """Forget the shard."""
        self._held.discard(shard)
        self._share()
        if self.ears is not None:
            self.ears.close(shard)
        for key in [seen.key for seen in self._cache if not self._is_ours(seen.key)]:
            self._known.timer.drop(key)
            self._cache.forget(key)

    async def rest(self, shard: int) -> None:
        """Wait until nothing is being worked on there."""
        while any(self._atlas.of(key.namespace) == shard for key in self._queue.working()):  # noqa: ASYNC110  it is rare
            await asyncio.sleep(_GLANCE)

    def stray(self, key: Key, version: str) -> None:
        """Take note of a credential that does not carry the number of the shard it was heard of in."""
        if self._is_ours(key):
            self._strays.put_nowait((key, version))

    async def take(self) -> tuple[Census, ...]:
        """Return a census of our shards.

        Raises:
            RekeyError: it could not be taken.
        """
        (one,) = await census.take(self._client, (), shards.selector(self._held, self._atlas.number))
        return (replace(one, found={key: at for key, at in one.found.items() if self._is_ours(key)}),)

    def _is_ours(self, key: Key) -> bool:
        return self._atlas.of(key.namespace) in self._held

    def _share(self) -> None:
        number = self._atlas.number
        self._cache.allow(sum(shards.share(self._rollouts, shard, number) for shard in self._held))

    async def _labels(self) -> dict[str, str]:
        return await shard_labels.labelled(self._client)

    def _settled(self, arrived: Collection[str], *, lapsed: bool) -> None:
        """Look at what came here from another shard, or, after the map was no good, at everything."""
        if lapsed or arrived:
            for seen in self._cache:
                if lapsed or seen.key.namespace in arrived:
                    self._queue.add(seen.key, Lane.RESYNC)
            self._known.askers.resume()
        for namespace in arrived:
            self._strays.put_nowait(namespace)

    async def _label(self) -> None:
        """Put numbers on whatever has none or another: a credential, those of a namespace, those of a shard."""
        while True:
            what = await self._strays.get()
            try:
                for key, version in await self._found(what):
                    with suppress(NotFound, NotLeading):  # gone, or not ours any more
                        await shard_labels.give(self._client, key, version, self._atlas.of(key.namespace))
            except RekeyError as error:
                # A credential that was written meanwhile (Conflict) is heard of again only where it is listened to.
                level = logging.DEBUG if isinstance(error, Conflict) else logging.WARNING
                log.log(level, "labels could not be put on; they will be", extra={"error": str(error)})
                again = what if not isinstance(what, tuple) else what[0].namespace
                asyncio.get_running_loop().call_later(_AGAIN, self._strays.put_nowait, again)

    async def _found(self, what: tuple[Key, str] | str | int) -> list[tuple[Key, str]]:
        if isinstance(what, tuple):
            return [what] if self._is_ours(what[0]) else []
        shard, namespace = (what, None) if isinstance(what, int) else (self._atlas.of(what), what)
        every = shard_labels.credentials(self._client, shards.strays(shard), namespace)
        # Most of what does not carry a shard's number is in other shards: nothing of it is kept.
        return [one async for one in every if self._atlas.of(one[0].namespace) == shard and shard in self._held]
