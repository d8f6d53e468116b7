"""The workers: each takes a key, has the engine work on the credential, and notes when to look again.

1. A credential is acted on as the cache has it, or read anew where the cache is known to be behind.
2. Every failure waits longer than the one before, per credential; no credential delays another.
3. An error that nobody foresaw is logged without anything it may quote, counted, and treated the same.
4. Before a key is worked on it is asked whether we lead there. If not, or no longer, the turn ends quietly: whoever
   leads looks at every key, and so do we when we lead again.
5. What may wait is worked on after all that may not: in a flood of renewals tokens that have ended are left for later.
6. One that cannot be parsed says so in its status, and is tried like after any other failure.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from rekey.app.backoff import Backoff
from rekey.app.cache import Cache
from rekey.app.crew import Crew
from rekey.app.deadlines import Timer
from rekey.app.logs import describe
from rekey.app.queue import Lane, Queue, Work
from rekey.core.facts import Credential, Key
from rekey.engine.reconcile import Result
from rekey.errors import Forbidden, NoAnswer, NotLeading, Rejected, RekeyError, Retryable
from rekey.ports.cluster import Clock

STUCK: Final = 3
"""So many failures in a row are no accident any more."""

log = logging.getLogger(__name__)


class Reconciler(Protocol):
    """The engine, as far as workers know it."""

    async def reconcile(self, credential: Credential, *, check: bool = False) -> Result:
        """Do whatever is to be done for one credential now."""
        ...


class Store(Protocol):
    """The credentials at the API server, as far as workers need them."""

    async def read(self, key: Key) -> Credential | None:
        """Return the credential by an uncached read, None if there is none."""
        ...

    async def refuse(self, key: Key) -> None:
        """Have its status say that it cannot be parsed."""
        ...


class Gate(Protocol):
    """Who knows whether we lead."""

    def begin(self, namespace: str) -> None:
        """Begin work on a credential there; `NotLeading` if it is not ours."""
        ...


class Contact(Protocol):
    """Who knows whether the API server answers."""

    @property
    def is_lost(self) -> bool:
        """Return whether it does not, which was said."""
        ...


class Tally(Protocol):
    """Who wants to know how the work goes."""

    def worked(self, lane: Lane, waited: float, seconds: float) -> None:
        """Take note of one turn."""
        ...

    def failed(self, error: str) -> None:
        """Take note of a failure, by the name of the error's class."""
        ...


class Workers:
    """A number of workers on one queue."""

    def __init__(  # noqa: PLR0913, PLR0917  one each
        self,
        queue: Queue,
        cache: Cache,
        credentials: Store,
        engine: Reconciler,
        clock: Clock,
        tally: Tally,
        gate: Gate,
        contact: Contact,
    ) -> None:
        self._queue = queue
        self._cache = cache
        self._credentials = credentials
        self._engine = engine
        self._clock = clock
        self._tally = tally
        self._gate = gate
        self._contact = contact
        self._backoff = Backoff()
        self._seconds: Callable[[], float] = asyncio.get_running_loop().time
        self._crew = Crew()
        self._patient: dict[Key, datetime] = {}
        self.timer = Timer(clock, self._due)
        cache.tell(entered=lambda _: None, left=self._left)

    def start(self, number: int) -> None:
        """Begin to work."""
        self._crew.start(number, self._work, "worker")

    async def stop(self, grace: timedelta) -> int:
        """Take no more keys, let work in hand end, and return how many were interrupted after the grace."""
        self._queue.close()
        self.timer.stop()
        return await self._crew.end(grace)

    def alive(self) -> bool:
        """Return whether no worker has died."""
        return self._crew.alive()

    def retrying(self) -> int:
        """Return how many credentials wait after a failure."""
        return len(self._backoff)

    def stuck(self) -> int:
        """Return how many credentials have failed again and again."""
        return self._backoff.stuck(STUCK)

    async def _work(self) -> None:
        while (work := await self._queue.take()) is not None:
            began = self._seconds()
            try:
                self._gate.begin(work.key.namespace)
                await self._turn(work)
            except NotLeading as lost:
                self._backoff.succeeded(work.key)  # whether it goes on failing is for who leads to count
                log.debug("left to who leads", extra={"credential": str(work.key), "error": str(lost)})
            else:
                self._tally.worked(work.lane, work.waited, self._seconds() - began)
            finally:
                self._queue.done(work.key)
            # A turn that had nothing to wait for has let nobody else run; ten thousand of them would take seconds.
            await asyncio.sleep(0)

    async def _turn(self, work: Work) -> None:
        key = work.key
        if work.only_change and not work.check and self._is_echo(key):
            return  # we wrote it ourselves, and have looked since
        # Who annotates a credential wants it looked at; who edits its spec wants something done, and pays for no look.
        check = work.check or self._cache.was_touched(key)
        self._cache.looked(key, self._clock.now())
        self._patient.pop(key, None)
        try:
            credential = await self._current(key)
            result = None if credential is None else await self._engine.reconcile(credential, check=check)
        except NotLeading:
            raise
        except Exception as error:  # noqa: BLE001  one credential's failure, whatever it is, is no other's
            self._again(key, error)
            return
        self._backoff.succeeded(key)
        if result is None or result.credential is None:
            self.timer.drop(key)
            for rival in self._cache.forget(key):
                self._queue.add(rival, Lane.RESYNC)
        elif result.until is None:
            self.timer.drop(key)
        else:
            self.timer.set(key, result.until)
            if result.latest is not None:
                self._patient[key] = result.latest
            log.debug(
                "looked at",
                extra={"credential": str(key), "reason": str(result.reason), "until": result.until.isoformat()},
            )

    def _due(self, key: Key) -> None:
        """Have a key worked on whose instant has come: at last turn while others have work, if that is early enough."""
        latest = self._patient.pop(key, None)
        if latest is None:
            self._queue.add(key, Lane.DEADLINE)
        else:
            self._queue.add(key, Lane.RESYNC)
            self.timer.set(key, latest)

    def _left(self, key: Key) -> None:
        self._backoff.succeeded(key)
        self._patient.pop(key, None)

    def _is_echo(self, key: Key) -> bool:
        return key in self._cache and not self._cache.has_news(key) and not self._cache.is_behind(key)

    async def _current(self, key: Key) -> Credential | None:
        # After a failure it may be another one than was heard of: etcd may have been restored while nobody answered.
        anew = self._cache.is_behind(key) or self._backoff.failures(key)
        # With our finalizer it was known to one of us: a list of long ago has all that befell what is gone told again.
        is_new = self._cache.is_hearsay(key)
        try:
            heard = None if anew else self._cache.get(key)
            doubtful = anew or (is_new and heard is not None and heard.finalizers)
            return await self._credentials.read(key) if doubtful else heard
        except Rejected:
            await self._credentials.refuse(key)
            raise

    def _again(self, key: Key, error: Exception) -> None:
        wait = self._backoff.failed(key, error.retry_after if isinstance(error, Retryable) else None)
        self.timer.set(key, self._clock.now() + wait)
        self._tally.failed(type(error).__name__)
        attempt = self._backoff.failures(key)
        log.log(
            logging.DEBUG if self._says_nothing_new(error) else _level(error, attempt),
            _sentence(error, attempt),
            extra={
                "credential": str(key),
                "error": describe(error),
                "attempt": attempt,
                "seconds": round(wait.total_seconds(), 1),
            },
        )

    def _says_nothing_new(self, error: Exception) -> bool:
        """Return whether it is known, and was said once for all, that the API server is away."""
        return isinstance(error, NoAnswer) and self._contact.is_lost


def _sentence(error: Exception, attempt: int) -> str:
    if isinstance(error, RekeyError):
        return "keeps failing; will be tried again" if attempt >= STUCK else "will be tried again"
    return "unexpected error, time and again: a defect" if attempt >= STUCK else "unexpected error; will be tried again"


def _level(error: Exception, attempt: int) -> int:
    if not isinstance(error, RekeyError):
        return logging.ERROR
    return logging.WARNING if attempt >= STUCK or isinstance(error, Forbidden | Rejected) else logging.INFO
