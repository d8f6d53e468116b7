"""Which shard each namespace is in, as known to this process, and for how long that is good.

The rule is that of Leases. What was read is good for a deadline from before it was asked for; a namespace that came
into another shard is left alone there for a duration after that was first seen: then nobody goes by the old label.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from rekey.core import shards
from rekey.core.election import Pace
from rekey.errors import RekeyError

log = logging.getLogger(__name__)

Take = Callable[[], Awaitable[dict[str, str]]]


class Settled(Protocol):
    """Told after each reading."""

    def __call__(self, arrived: Collection[str], *, lapsed: bool) -> None:
        """Take note: the wait for these is over; or the map was no good for a while, and nothing was done."""
        ...


class ShardMap:
    """The map. It belongs to the main loop."""

    def __init__(self, number: int, pace: Pace, ticks: Callable[[], float]) -> None:
        self.number = number
        self._pace = pace
        self._ticks = ticks
        self._labels: dict[str, str] = {}
        self._good_until = 0.0
        self._first: float | None = None
        self._moved: dict[str, float] = {}

    def of(self, namespace: str) -> int:
        """Return the shard of a namespace."""
        return shards.shard(self._labels.get(namespace), self.number)

    def place(self, namespace: str) -> tuple[int, int]:
        """Return the shard of a namespace, and how many there are."""
        return self.of(namespace), self.number

    def remaining(self, namespace: str) -> float:
        """Return for how many seconds the map is good for this namespace; 0: not yet, or not any more."""
        return 0.0 if namespace in self._moved else self._good_until - self._ticks()

    def is_settled(self) -> bool:
        """Return whether it has been known for so long that nobody goes by an older one."""
        return self._first is not None and self._ticks() >= self._first + self._pace.duration

    async def follow(self, take: Take, settled: Settled) -> None:
        """Read it again and again, for ever, and tell."""
        while True:
            end = self._good_until
            try:
                async with asyncio.timeout(self._pace.patience):
                    await self.read(take)
            except (RekeyError, TimeoutError) as error:
                log.warning("the labels of namespaces could not be read", extra={"error": str(error)})
            else:
                settled(self._arrived(), lapsed=self._ticks() >= end)
            await asyncio.sleep(self._pace.retry)

    async def read(self, take: Take) -> None:
        """Read it once.

        Raises:
            RekeyError: it could not be read.
        """
        before = self._ticks()
        labels = await take()
        now = self._ticks()
        if self._first is None:
            self._first = now
        else:
            old = {name: shards.shard(label, self.number) for name, label in self._labels.items()}
            for name in labels.keys() | old.keys():
                if shards.shard(labels.get(name), self.number) != old.get(name, 0):
                    self._moved[name] = now
        self._labels, self._good_until = labels, before + self._pace.deadline

    def _arrived(self) -> list[str]:
        end = self._ticks() - self._pace.duration
        arrived = [name for name, since in self._moved.items() if since <= end]
        for name in arrived:
            del self._moved[name]
        return arrived
