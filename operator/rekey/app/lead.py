"""Whether this process acts: what workers and the client ask, and what is done when a term begins.

1. A term is acted in only after what others did before it was learned: one list of names and versions, read from
   storage. What was elected before it began to listen hears all of that anyway.
2. Work that began in one term does nothing in another: it may have decided on what is long past.
3. A term that ends is not noticed here, it is compared with the clock at every question.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import datetime
from typing import Final, Protocol

from rekey.app.campaign import Campaign
from rekey.app.elector import Elector
from rekey.core.facts import Key
from rekey.errors import NotLeading, RekeyError
from rekey.ports.cluster import Clock

_AGAIN: Final = 1.0
_begun_in: ContextVar[int] = ContextVar("term")
log = logging.getLogger(__name__)


class Entry(Protocol):
    """What is done when a term begins."""

    async def learn(self) -> tuple[Key, ...]:
        """Find out what others did before; return the credentials that they changed."""
        ...

    def enqueue(self, behind: Iterable[Key]) -> None:
        """Have everything looked at."""
        ...


class Leading(Protocol):
    """What the parts of the process know of the election."""

    async def start(self, entry: Entry) -> None:
        """Begin; a Lease that is free is taken when this returns."""
        ...

    async def stop(self) -> None:
        """End, and let others act at once."""
        ...

    def begin(self, namespace: str) -> None:
        """Begin work on a credential there: nothing else is done in this task until the next call.

        Raises:
            NotLeading: it is not ours to act there.
        """
        ...

    def remaining(self, namespace: str) -> float:
        """Return for how many seconds effects in this namespace may still be sent."""
        ...

    def acting_since(self) -> datetime | None:
        """Return since when this process acts, None while it does not."""
        ...

    def is_well(self) -> bool:
        """Return whether nothing has died."""
        ...


class Alone:
    """No election: this process is the only one."""

    def __init__(self, started: datetime) -> None:
        self._started = started

    async def start(self, entry: Entry) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    def begin(self, namespace: str) -> None:
        """Do nothing."""

    def remaining(self, namespace: str) -> float:  # noqa: ARG002  the port's
        """Return that there is no end."""
        return math.inf

    def acting_since(self) -> datetime | None:
        """Return when it was made."""
        return self._started

    def is_well(self) -> bool:
        """Return that nothing can die."""
        return True


class Leadership:
    """What is ours to act on, by election. It belongs to the main loop; the elector's thread calls `changed`."""

    def __init__(self, campaign: Campaign, elector: Elector, ticks: Callable[[], float], clock: Clock) -> None:
        self.campaign = campaign
        self._elector = elector
        self._entry: Entry | None = None
        self._ticks = ticks
        self._clock = clock
        self._since = clock.now()
        self._loop = asyncio.get_running_loop()
        self._known = self._acting = 0
        self._listens = False
        self._entering: asyncio.Task[None] | None = None
        campaign.tell(self._changed)

    async def start(self, entry: Entry) -> None:
        """Begin; a Lease that is free is taken when this returns."""
        self._entry = entry
        await self._elector.start()
        self._listens = True

    async def stop(self) -> None:
        """End, and let others act at once."""
        if self._entering is not None:
            self._entering.cancel()
        await self._elector.stop()

    def begin(self, namespace: str) -> None:
        """Begin work on a credential there: nothing else is done in this task until the next call.

        Raises:
            NotLeading: it is not ours to act there.
        """
        _begun_in.set(self._acting)
        if self.remaining(namespace) <= 0:
            raise NotLeading("another process acts")

    def remaining(self, namespace: str) -> float:  # noqa: ARG002  one Lease for all
        """Return for how many seconds effects may still be sent, by whoever began in this term."""
        term, acting = self.campaign.term, self._acting
        if acting == 0 or term.number != acting or _begun_in.get(acting) != acting:
            return 0.0
        return term.until - self._ticks()

    def acting_since(self) -> datetime | None:
        """Return since when this process acts, None while it does not."""
        return self._since if self._acting and self.campaign.term.number == self._acting else None

    def is_well(self) -> bool:
        """Return whether the thread of the election lives."""
        return self._elector.is_well()

    def _changed(self) -> None:
        """Take note that the term is another one; called from the elector's thread."""
        self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        number = self.campaign.term.number
        if number == self._known:
            return
        self._known = number
        if self._entering is not None:
            self._entering.cancel()
        self._acting = 0
        if number and not self._listens:
            self._act(number)
        elif number and self._entry is not None:
            self._entering = asyncio.create_task(self._enter(number, self._entry), name="entering a term")

    async def _enter(self, number: int, entry: Entry) -> None:
        """Act in this term as soon as it is known what others did before it."""
        behind = None
        while behind is None:
            try:
                behind = await entry.learn()
            except RekeyError as error:
                log.warning("it is not known yet what others did", extra={"term": number, "error": str(error)})
                await asyncio.sleep(_AGAIN)
        self._act(number)
        entry.enqueue(behind)
        log.info("acting", extra={"lease": self.campaign.name, "term": number})

    def _act(self, number: int) -> None:
        self._acting, self._since = number, self._clock.now()
