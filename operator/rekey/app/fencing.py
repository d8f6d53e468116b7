"""At the start, and every ten minutes: are we fenced? Told by a metric, a log line, and a condition of the credentials.

1. Nothing waits for it: an operator that is not fenced works, as its own gate holds; it says so.
2. The condition is no reason to write a credential: it goes with the next status that is written anyway.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from rekey.app import electing
from rekey.app.settings import Settings
from rekey.core.facts import Fence
from rekey.errors import RekeyError
from rekey.kube import fence
from rekey.kube.client import Client
from rekey.kube.config import Access

EVERY: Final = timedelta(minutes=10)
SOON: Final = timedelta(seconds=5)
log = logging.getLogger(__name__)


def wanted(settings: Settings, access: Access) -> fence.Wanted | None:
    """Return the fence to look for; None where none is named, or nobody is to be held back by one."""
    if not settings.fence or not settings.leader_election:
        return None
    home = electing.lease_namespace(settings, access)
    return fence.Wanted(settings.fence, tuple(electing.leases(settings)), home, settings.identity)


class Fencing:
    """The one who looks."""

    def __init__(
        self, client: Client, wanted: fence.Wanted, told: Callable[[Fence], None], registry: CollectorRegistry
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._told = told
        self._said: Fence | None = None
        self._gauge = Gauge(
            "rekey_fenced", "1 if the API server refuses the writes of a former leader.", registry=registry
        )

    async def run(self) -> None:
        """Look again and again."""
        wait = await self.look()
        while True:
            await asyncio.sleep(wait.total_seconds())
            wait = await self.look()

    async def look(self) -> timedelta:
        """Look once, tell what was found, and return when to look again."""
        try:
            found = await fence.look(self._client, self._wanted)
        except RekeyError:
            return SOON  # what was known stays: that nobody answers says nothing about the fence
        self._gauge.set(int(found.holds))
        self._told(found)
        if found != self._said:
            self._say(found)
        self._said = found
        return EVERY

    def _say(self, found: Fence) -> None:
        if found.holds:
            log.info("fenced: the API server refuses the writes of a former leader")
        else:
            log.warning("not fenced", extra={"reason": str(found.reason), "message_text": found.message})
