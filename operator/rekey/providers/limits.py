"""How hard a backend is used by a shard: within its limits, not while it is down, and once for one version.

1. Nobody waits here for longer than `PATIENCE`, and with news not at all, for what waits here keeps a worker from other
   work: whose turn it is not is told when to come again, each another time.
2. A `Retryable` that says when to come again is the backend's word: no credential of it calls before.
3. After `FAILURES` calls in a row without an answer it is left alone for `REST` seconds, then tried by one call.
   A `NotYet` is an answer.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.spec_limits import Limits
from rekey.errors import NotAccepted, NotYet, Rejected, Retryable
from rekey.ports.backend import Backend, Claim, Granted, Held, Intent, TellsUse, Traits

FAILURES: Final = 5
REST: Final = 30.0
PATIENCE: Final = 1.0
_MINUTE: Final = 60.0
T = TypeVar("T")


class Flights:
    """Versions that are being made: each by one call, however many ask."""

    def __init__(self) -> None:
        self._under_way: dict[Claim, asyncio.Future[Granted]] = {}

    async def join(self, claim: Claim, call: Callable[[], Awaitable[Granted]]) -> Granted:
        """Return what comes of the call for that version that is under way, or of this one."""
        under_way = self._under_way.get(claim)
        if under_way is not None:
            return await asyncio.shield(under_way)
        mine = self._under_way[claim] = asyncio.get_running_loop().create_future()
        try:
            found = await call()
        except BaseException as error:
            given_up = Retryable("the request that was under way was given up")
            mine.set_exception(error if isinstance(error, Exception) else given_up)
            mine.exception()  # heard: often nobody else asks
            raise
        else:
            mine.set_result(found)
            return found
        finally:
            del self._under_way[claim]


class Turnstile:
    """What all credentials of one provider share; `ticks` tells seconds of a clock that nobody sets."""

    def __init__(self, limits: Limits, ticks: Callable[[], float], patience: float = PATIENCE) -> None:
        self.rate: Rate | None = None
        """What the backend last said of its own limits."""
        self.flights = Flights()
        self._ticks = ticks
        self._patience = patience
        self._free = asyncio.Semaphore(limits.concurrency)
        self._begun: deque[float] = deque(maxlen=limits.per_minute)
        self._apart = _MINUTE / limits.per_minute
        self._last_told = -_MINUTE
        self._failures = 0
        self._trying = False
        self._shut_until = -_MINUTE

    def hear(self, told: Rate) -> None:
        """Take note of what the backend says of its limits."""
        self.rate = told

    @asynccontextmanager
    async def turn(self, *, waits: bool = True) -> AsyncIterator[None]:
        """Make a call within; `waits`: for a while where as many as may be are under way.

        Raises:
            Retryable: it is not its turn; nothing was sent.
        """
        self._refuse_while_shut()
        try:
            async with asyncio.timeout(self._patience if waits else 0):
                await self._free.acquire()
        except TimeoutError:
            raise self._later("as many requests as its limits allow are under way", self._patience) from None
        try:
            self._refuse_while_shut()
            self._begin()
            async with self._judged():
                yield
        finally:
            self._free.release()

    def _refuse_while_shut(self) -> None:
        left = self._shut_until - self._ticks()
        if left > 0:
            down = self._failures >= FAILURES
            raise self._later("it did not answer, and is left alone" if down else "it asked for a pause", left)
        if self._trying:
            raise self._later("it did not answer, and is tried by one request", self._patience)

    def _begin(self) -> None:
        now = self._ticks()
        if len(self._begun) == self._begun.maxlen and (left := self._begun[0] + _MINUTE - now) > 0:
            raise self._later("as many requests as its limits allow were made in this minute", left)
        self._begun.append(now)

    def _later(self, why: str, seconds: float) -> Retryable:
        """Tell one caller to come again then; the next one is told to come a little later."""
        now = self._ticks()
        self._last_told = max(now + seconds, self._last_told + self._apart)
        return Retryable(why, retry_after=self._last_told - now)

    @asynccontextmanager
    async def _judged(self) -> AsyncIterator[None]:
        """See what comes of the call; one that was given up says nothing."""
        trial = self._trying = self._failures >= FAILURES
        try:
            yield
        except (Rejected, NotAccepted, NotYet):  # it answered
            self._failures = 0
            raise
        except Retryable as error:
            self._failed(error.retry_after)
            raise
        else:
            self._failures = 0
        finally:
            self._trying = self._trying and not trial

    def _failed(self, asked: float | None) -> None:
        self._failures += not asked
        rest = asked or (REST if self._failures >= FAILURES else 0.0)
        self._shut_until = max(self._shut_until, self._ticks() + rest)


class Turnstiles:
    """One for each provider, by its uid, in each shard that may use it; another one when its limits are changed."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._known: dict[tuple[str, int], tuple[Limits, Turnstile]] = {}

    def of(self, uid: str, limits: Limits, shard: int = 0) -> Turnstile:
        """Return that of a provider in a shard, whose limits these are."""
        known = self._known.get((uid, shard))
        if known is None or known[0] != limits:
            known = self._known[uid, shard] = limits, Turnstile(limits, self._ticks)
        return known[1]


class Passing(ABC):
    """A backend whose every call goes through `through`; whoever is made of it says what is done around a call."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @abstractmethod
    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call."""

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return self._backend.traits

    def make(self, intent: Intent) -> Material:
        """Return a new value, made here."""
        return self._backend.make(intent)

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make the version; see the port."""
        return await self.through(lambda: self._backend.issue(intent, material))

    async def prove(self, held: Held) -> None:
        """Use the version once; see the port."""
        await self.through(lambda: self._backend.prove(held))

    async def revoke(self, held: Held) -> None:
        """See that the version is not accepted any more; see the port."""
        await self.through(lambda: self._backend.revoke(held))

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is there of one credential; see the port."""
        return await self.through(lambda: self._backend.find(owner))

    async def last_used(self, held: Held) -> datetime | None:
        """Return when the version was last used; asked only of a backend whose traits say that it tells."""
        backend = self._backend
        if not isinstance(backend, TellsUse):
            raise TypeError("this backend does not tell of use")
        return await self.through(lambda: backend.last_used(held))


class Guarded(Passing):
    """A backend behind a turnstile, which is its provider's and outlives it."""

    def __init__(self, backend: Backend, turnstile: Turnstile) -> None:
        super().__init__(backend)
        self._turnstile = turnstile

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call when it is its turn."""
        async with self._turnstile.turn():
            return await call()

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make the version; who asks for one that is being made gets what comes of that."""
        issued = super().issue
        return await self._turnstile.flights.join(intent.claim, lambda: issued(intent, material))

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is there of one credential; nobody is asked where it cannot be listed."""
        return await super().find(owner) if self.traits.listable else ()
