"""How providers are, kept until it is written into their status: now and then, and only what changed.

What is lost here is lost: the next call to the backend says it again.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from rekey.core.provider_health import Health, Provider
from rekey.errors import NotFound, RekeyError

EVERY: Final = 10.0
"""Seconds between two writes of one provider, at least."""


class Statuses(Protocol):
    """Where the status of a provider is written."""

    async def write(self, provider: Provider, health: Health) -> None:
        """Have its status say so.

        Raises:
            RekeyError: it was not written.
        """
        ...


class Standings:
    """What the last calls said of each provider, and what was written of it."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self.known: dict[str, tuple[Provider, Health]] = {}
        """What was last heard of each, by its uid."""
        self._waiting: dict[str, tuple[Provider, Health]] = {}
        self._written: dict[str, tuple[Provider, Health]] = {}
        self._news = asyncio.Event()

    def tell(self, provider: Provider, health: Health) -> None:
        """Take note of how a provider is."""
        self.known[provider.uid] = provider, health
        if _same(self._written.get(provider.uid), (provider, health)):
            self._waiting.pop(provider.uid, None)
            return
        self._waiting[provider.uid] = provider, health
        self._news.set()

    async def run(self, statuses: Statuses) -> None:
        """Write what changed, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            waiting, self._waiting = self._waiting, {}
            for uid, (provider, health) in waiting.items():
                try:
                    await statuses.write(provider, health)
                except NotFound:
                    self.known.pop(uid, None)
                except RekeyError:  # it is not ours to write, or not there, or not now: the next call tells it again
                    self._written.pop(uid, None)
                else:
                    self._written[uid] = provider, health
            await asyncio.sleep(self._every)


def _same(known: tuple[Provider, Health] | None, new: tuple[Provider, Health]) -> bool:
    return known is not None and (known[0], known[1].why, known[1].rate) == (new[0], new[1].why, new[1].rate)
