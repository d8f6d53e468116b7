"""The election in a thread of its own, with its own event loop and its own connection.

1. However busy the main loop is, the Lease is renewed; but not when the main loop has been silent for a whole deadline.
2. Many Leases may be stood for at once; each has a `Campaign`. Of several one is asked for now and then, so that every
   replica has about as many.
"""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from rekey.app.campaign import Campaign
from rekey.core import shards
from rekey.core.election import Pace
from rekey.kube.client import Client, Observe
from rekey.kube.config import Access
from rekey.kube.leases import Lease
from rekey.ports.cluster import Clock

_CONNECTIONS: Final = 2
_SLACK: Final = 1.0


class Elector:
    """The thread. `start` and `stop` are called from the main loop."""

    def __init__(
        self,
        access: Access,
        namespace: str,
        campaigns: Sequence[Campaign],
        pace: Pace,
        clock: Clock,
        observe: Observe,
    ) -> None:
        self._access = access
        self._namespace = namespace
        self._campaigns = campaigns
        self._pace = pace
        self._clock = clock
        self._observe = observe
        self._home = asyncio.get_running_loop()
        self._tried, self._ended = asyncio.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="elector", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin; return when the first try is over, so that a Lease that is free is ours."""
        self._thread.start()
        await self._within(self._tried)

    async def stop(self) -> None:
        """End the election; Leases that are ours are given back."""
        if self._thread.ident is None:
            return
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        await self._within(self._ended)

    def is_well(self) -> bool:
        """Return whether the thread runs, or was never meant to yet."""
        return self._thread.ident is None or self._thread.is_alive()

    async def _within(self, event: asyncio.Event) -> None:
        """Wait for the thread, but not for ever: it may hang as everything may."""
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), self._pace.patience + _SLACK)

    def _run(self) -> None:
        try:
            asyncio.run(self._elect())
        finally:
            self._say(self._tried)
            self._say(self._ended)

    async def _elect(self) -> None:
        self._loop = asyncio.get_running_loop()
        limit = max(_CONNECTIONS, len(self._campaigns))
        async with Client(self._access, observe=self._observe, limit=limit, timeout=self._pace.patience) as client:
            leases = [Lease(client, self._namespace, campaign.name, self._clock) for campaign in self._campaigns]
            both = list(zip(self._campaigns, leases, strict=True))
            await asyncio.gather(*(campaign.attempt(lease) for campaign, lease in both))
            self._say(self._tried)
            tasks = [asyncio.create_task(campaign.run(lease)) for campaign, lease in both]
            if len(both) > 1:
                tasks.append(asyncio.create_task(self._balance(both)))
            await self._stopping.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(campaign.release(lease) for campaign, lease in both))

    async def _balance(self, both: Sequence[tuple[Campaign, Lease]]) -> None:
        """Ask for a Lease of whoever has two more than we, for ever."""
        while True:
            await asyncio.sleep(self._pace.retry)
            name = shards.wanted(both[0][0].me, {campaign.name: campaign.holder for campaign, _ in both})
            for campaign, lease in both:
                if campaign.name == name:
                    await campaign.ask(lease)

    def _say(self, event: asyncio.Event) -> None:
        try:
            self._home.call_soon_threadsafe(event.set)
        except RuntimeError:  # the main loop is closed: nobody waits any more
            return
