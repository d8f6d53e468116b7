"""The work on RotationRequests: each is looked at when it, or a credential that it names, is another one than before.

1. Nothing is done before everything that was there at the start is known: who is unknown then does not exist.
2. The status of a request about many credentials is written once in `PAUSE` at most.
3. An open request is read anew now and then, in case that its deletion went unheard.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from rekey.app.backoff import Backoff
from rekey.app.book import Book
from rekey.app.crew import Crew
from rekey.app.deadlines import Timer
from rekey.app.logs import describe
from rekey.app.queue import Lane, Queue, Work
from rekey.app.workers import Gate
from rekey.core.facts import Key
from rekey.core.request import Request
from rekey.engine.requests import Requester
from rekey.errors import Conflict, NotFound, NotLeading, Rejected, RekeyError, Retryable
from rekey.kube.requests import parse
from rekey.ports.cluster import Clock
from rekey.ports.requests import Requests

PAUSE: Final = timedelta(seconds=1)
ANEW: Final = timedelta(minutes=10)
log = logging.getLogger(__name__)


class Asking:
    """Workers of their own on a queue of their own, so that no request waits for a long row of credentials."""

    def __init__(
        self, book: Book, requests: Requests, requester: Requester, credentials: Queue, clock: Clock, gate: Gate
    ) -> None:
        self._gate = gate
        self._book = book
        self._requests = requests
        self._requester = requester
        self._credentials = credentials
        self._clock = clock
        self._queue = Queue(asyncio.get_running_loop().time)
        self._timer = Timer(clock, lambda key: self._queue.add(key, Lane.DEADLINE))
        self._backoff = Backoff()
        self._written: dict[Key, datetime] = {}
        self._crew = Crew()

    def heard(self, found: Mapping[str, Any]) -> None:
        """Take note of a request."""
        try:
            request = parse(dict(found))
        except Rejected as error:
            log.warning("a request cannot be understood and is left alone", extra={"error": str(error)})
            return
        self._take(request)
        if self._book.complete:
            self._queue.add(request.key, Lane.CHANGE)

    def withdrawn(self, key: Key, version: int) -> None:
        """Take note that a request was deleted: what is under way for it goes on, nothing is begun any more."""
        self._forget(key, version)

    def touched(self, key: Key) -> None:
        """Have the requests looked at that name this credential, or have yet to choose."""
        if not self._book.complete:
            return
        for concerned in self._book.concerned(key):
            last = self._written.get(concerned)
            if last is not None and self._clock.now() < last + PAUSE:
                self._timer.set(concerned, last + PAUSE)
            else:
                self._queue.add(concerned, Lane.CHANGE)

    def synced(self) -> None:
        """Begin: everything that was there at the start is known."""
        self._book.complete = True
        for key in self._book:
            self._queue.add(key, Lane.RESYNC)

    def resume(self) -> None:
        """Have every request looked at, those that are open as they are now: others have worked on them before us."""
        for key in self._book:
            request = self._book.get(key)
            self._queue.add(key, Lane.RESYNC if request is None or request.finished else Lane.DEADLINE)

    def rewind(self) -> None:
        """Have every request read anew: what is stored may be older than what was heard."""
        self._book.rewind()
        for key in self._book:
            self._queue.add(key, Lane.DEADLINE)

    def start(self, number: int) -> None:
        """Begin to work."""
        self._crew.start(number, self._work, "requests")

    async def stop(self, grace: timedelta) -> None:
        """Take up nothing more, and let work in hand end."""
        self._queue.close()
        self._timer.stop()
        await self._crew.end(grace)

    def alive(self) -> bool:
        """Return whether no worker has died."""
        return self._crew.alive()

    async def _work(self) -> None:
        while (work := await self._queue.take()) is not None:
            try:
                self._gate.begin(work.key.namespace)
                await self._turn(work)
            except NotLeading as lost:
                log.debug("a request is left to who leads", extra={"credential": str(work.key), "error": str(lost)})
            except Exception as error:  # noqa: BLE001  one request's failure, whatever it is, is no other's
                self._again(work.key, error)
            else:
                self._backoff.succeeded(work.key)
            finally:
                self._queue.done(work.key)

    async def _turn(self, work: Work) -> None:
        request = self._book.get(work.key)
        if request is None:
            self._timer.drop(work.key)
        elif work.lane is Lane.DEADLINE:
            await self._look(await self._read(request))
        else:
            await self._look(request)

    async def _look(self, request: Request | None) -> None:
        if request is None:
            return
        try:
            turn = await self._requester.reconcile(request)
        except (Conflict, NotFound):
            if await self._read(request) is not None:
                self._queue.add(request.key, Lane.CHANGE)
            return
        if turn.request is None:
            self._forget(request.key, int(request.resource_version))
            return
        if turn.request is not request and len(turn.request.status.results) > 1:
            self._written[request.key] = self._clock.now()
        self._take(turn.request)
        anew = None if turn.request.finished else self._clock.now() + ANEW
        if instants := [at for at in (turn.until, anew) if at is not None]:
            self._timer.set(request.key, min(instants))

    async def _read(self, request: Request) -> Request | None:
        """Return the request by an uncached read; forget it if it is gone."""
        fresh = await self._requests.read(request.key)
        if fresh is None:
            self._forget(request.key, int(request.resource_version))
        else:
            self._take(fresh)
        return fresh

    def _take(self, request: Request) -> None:
        for credential in self._book.put(request):
            # Not as a change: of the credential there is no news, and such a turn would be skipped.
            self._credentials.add(credential, Lane.DEADLINE)

    def _forget(self, key: Key, version: int) -> None:
        named = self._book.remove(key, version)
        if self._book.get(key) is None:
            self._timer.drop(key)
            self._written.pop(key, None)
        for credential in named:
            self._credentials.add(credential, Lane.DEADLINE)

    def _again(self, key: Key, error: Exception) -> None:
        wait = self._backoff.failed(key, error.retry_after if isinstance(error, Retryable) else None)
        self._timer.set(key, self._clock.now() + wait)
        log.log(
            logging.WARNING if isinstance(error, RekeyError) else logging.ERROR,
            "a request will be looked at again",
            extra={"credential": str(key), "error": describe(error), "seconds": round(wait.total_seconds(), 1)},
        )
