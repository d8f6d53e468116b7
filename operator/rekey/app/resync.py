"""Nothing is missed for long: now and then the list of credentials is compared with what was heard.

1. kopf does not tell of what was deleted while it was not watching, and a watch may lose events unnoticed.
2. etcd may be restored from a backup: where the list, which is read from storage, is older than what was known before
   it was asked for, everything is read anew. Without that every event would be taken for one that came late, and what
   was undone would be acted on.
3. What differs gets a few seconds to arrive by itself; what still differs then is read anew by a worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Final
from zlib import crc32

from rekey.app.cache import Cache
from rekey.app.queue import Lane, Queue
from rekey.core.facts import Key
from rekey.errors import RekeyError
from rekey.kube.census import Census

ARRIVAL: Final = 5.0
_JITTER: Final = 0.2
log = logging.getLogger(__name__)

Take = Callable[[], Awaitable[tuple[Census, ...]]]


def differences(census: Census, cache: Cache) -> Iterator[tuple[Key, int]]:
    """Give what the cache has not, has older, or has though it is gone, with the version from which on that is so."""
    known = cache.versions()
    for key, version in census.found.items():
        if known.get(key, 0) < version:
            yield key, version
    for key, version in known.items():
        in_scope = census.namespace in (None, key.namespace)
        if in_scope and key not in census.found and version <= census.version:
            yield key, census.version


async def taken(take: Take, cache: Cache) -> tuple[Census, ...]:
    """Take the census; have everything read anew if storage is older than what had been heard before.

    A busy cluster is soon past the newest version that was heard, so each credential is compared, too.

    Raises:
        RekeyError: it could not be taken.
    """
    before = cache.versions()
    newest = max(before.values(), default=0)
    found = await take()
    older = any(version < before.get(key, 0) for census in found for key, version in census.found.items())
    if older or any(census.version < newest for census in found):
        cache.rewind()
    return found


class Resync:
    """Compares, at intervals."""

    def __init__(self, take: Take, cache: Cache, queue: Queue, interval: timedelta, seed: str) -> None:
        self._take = take
        self._cache = cache
        self._queue = queue
        self._interval = interval.total_seconds()
        self._seed = seed
        self.missed = 0

    async def run(self) -> None:
        """Compare for ever."""
        turn = 0
        while True:
            jitter = crc32(f"{self._seed}:{turn}".encode()) / 2**32
            await asyncio.sleep(self._interval * (1 - _JITTER * jitter))
            turn += 1
            try:
                await self.compare()
            except RekeyError as error:
                log.info("the list of credentials could not be compared", extra={"error": str(error)})

    async def compare(self, arrival: float = ARRIVAL) -> None:
        """Compare once; have what was missed read anew."""
        found = await taken(self._take, self._cache)
        suspects = {key: at for census in found for key, at in differences(census, self._cache)}
        if not suspects:
            return
        await asyncio.sleep(arrival)
        known = self._cache.versions()
        missed = [(key, at) for key, at in suspects.items() if known.get(key, 0) < at]
        for key, version in missed:
            self._cache.learn(key, version)
            self._queue.add(key, Lane.RESYNC)
        self.missed += len(missed)
        if missed:
            log.warning("changes had been missed; they are read anew", extra={"count": len(missed)})
