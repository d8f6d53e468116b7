"""The ear: kopf watches the resources of ours in a thread of its own and hands over what it hears, nothing else.

1. The only handler is `on.event`, which takes what is needed of the object and returns None: kopf adds no finalizers
   and writes nothing.
2. kopf ends when a watch reports an error it does not know. It is ended when its first list does not get on (it waits
   for ever for a resource that was not served yet when it asked) and when our kinds are not served any more. Then it is
   started again, later each time, once they are served. Queue, cache and workers live outside and do not notice. Its
   end is helped along: with several watches it may hang in it.
3. What is heard is handed over in batches: one wake-up of the main loop for however many events came meanwhile.
4. What is listed is taken out of the answers (`listening`); the first list is over when kopf watches everywhere.
"""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

import aiohttp

from rekey.app.backoff import delay
from rekey.app.heard import Asked, Deaf, Gone, Inbox, Withdrawn
from rekey.app.kopf_settings import kopf, listening
from rekey.app.listening import EVERYTHING, KINDS, Answer, Choice, NeedsNoHandler, Progress, Served
from rekey.app.preflight import Preflight
from rekey.app.seen import key_of, version_of
from rekey.kube.api import CREDENTIALS, REQUESTS
from rekey.kube.client import Client
from rekey.kube.config import Access

CONNECTIONS: Final = 8
PATIENCE: Final = 120.0
"""Seconds in which the first list must get on by a page, or kopf is started again."""
_LONGEST: Final = timedelta(seconds=60)
_PATIENCE: Final = 2.0
log = logging.getLogger(__name__)


class KopfShell:
    """kopf in its thread. `start` and `stop` are called from the loop that the inbox delivers to."""

    def __init__(  # noqa: PLR0913  one each
        self,
        access: Access,
        namespaces: tuple[str, ...],
        inbox: Inbox,
        needs_no_handler: NeedsNoHandler,
        preflight: Preflight,
        patience: float = PATIENCE,
        *,
        choice: Choice = EVERYTHING,
    ) -> None:
        self._choice = choice
        self._access = access
        self._namespaces = namespaces
        self._inbox = inbox
        self._needs_no_handler = needs_no_handler
        self._preflight = preflight
        self._patience = patience
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._stopped = asyncio.get_running_loop().create_future()
        self._home = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    async def stop(self) -> None:
        """End listening and wait for the end of the thread."""
        if self._loop is None:
            self._stop.set()
        else:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            await self._stopped
            self._thread.join()  # it has nothing left to do

    def is_well(self) -> bool:
        """Return whether the thread runs, or was never meant to yet."""
        return self._loop is None or self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._listen_on())
        finally:
            self._home.call_soon_threadsafe(self._stopped.set_result, None)

    async def _listen_on(self) -> None:
        """Listen until told to stop; when kopf fails, say so in one line and begin anew after a while."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_left_behind)
        attempt, failed = 0, False
        while not self._stop.is_set():
            started = self._loop.time()
            try:
                await self._listen(anew=failed)
            except Exception as error:  # noqa: BLE001  whatever ends kopf must not end us
                failed = True
                attempt = 0 if self._loop.time() - started > _LONGEST.total_seconds() else attempt + 1
                wait = delay("kopf", attempt, longest=_LONGEST).total_seconds()
                log.warning("listening ended; it begins anew", extra={"error": type(error).__name__, "seconds": wait})
                self._inbox.put(Deaf())
                await _either(self._stop.wait(), asyncio.sleep(wait))

    async def _listen(self, *, anew: bool) -> None:
        streams = KINDS * max(1, len(self._namespaces))
        async with Client(self._access, limit=CONNECTIONS + streams) as client:
            if anew:
                await _either(self._stop.wait(), self._preflight.until_served(client))
            async with asyncio.timeout(self._patience) as limit:
                await self._hear(client, limit, streams)

    async def _hear(self, client: Client, limit: asyncio.Timeout, streams: int) -> None:
        seconds = asyncio.get_running_loop().time
        ending = asyncio.Event()

        def went_on(is_synced: bool) -> None:  # noqa: FBT001  a callback's only word
            if not limit.expired():
                limit.reschedule(None if is_synced else seconds() + self._patience)

        def not_served() -> None:
            if not limit.expired():
                limit.reschedule(seconds())

        progress = Progress(streams, self._inbox, self._needs_no_handler, went_on, self._choice)
        work = asyncio.ensure_future(
            kopf.operator(
                registry=self._registry(client, ending, Served(not_served), progress),
                settings=listening(),
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=self._stop,
            )
        )
        try:
            await _either(asyncio.wait({work}), ending.wait())
        except asyncio.CancelledError:  # patience is over
            work.cancel()
            raise
        finally:
            await _to_the_end(work)

    def _registry(
        self, client: Client, ending: asyncio.Event, *middlewares: aiohttp.ClientMiddlewareType
    ) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        put, keep = self._inbox.put, self._choice.keep

        @kopf.on.cleanup(registry=registry)
        async def ends(**_: Any) -> None:  # noqa: ANN401  kopf's
            ending.set()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:  # noqa: ANN401  kopf's
            # A new one each time: kopf closes the old one when the API server refused its login.
            session = client.open_session(self._preflight.contact, *middlewares, response_class=Answer)
            return kopf.AiohttpSession(
                server=self._access.server, aiohttp_session=session, default_namespace=self._access.namespace
            )

        @kopf.on.event(CREDENTIALS.group, CREDENTIALS.version, CREDENTIALS.plural, registry=registry)
        async def heard(event: Any, **_: Any) -> None:  # noqa: ANN401  kopf's
            obj = event["object"]
            put(Gone(key_of(obj), version_of(obj)) if event["type"] == "DELETED" else keep(obj))

        @kopf.on.event(REQUESTS.group, REQUESTS.version, REQUESTS.plural, registry=registry)
        async def asked(event: Any, **_: Any) -> None:  # noqa: ANN401  kopf's
            obj = event["object"]
            put(Withdrawn(key_of(obj), version_of(obj)) if event["type"] == "DELETED" else Asked(obj))

        return registry


async def _to_the_end(work: asyncio.Future[None]) -> None:
    """Wait for the end of kopf, which it has begun.

    One of its watches can miss that it was cancelled, while another one ends kopf by an error; kopf would wait for it
    for ever. So whatever is left after a while is cancelled again.
    """
    while not work.done():
        await asyncio.wait({work}, timeout=_PATIENCE)
        if not work.done():
            for task in asyncio.all_tasks() - {asyncio.current_task(), work}:
                task.cancel()
    work.result()


def _left_behind(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take note of what kopf forgot: it ends by its first failure, which is told, and its other tasks fail unheard."""
    error = context.get("exception")
    log.debug("kopf left a failure behind", extra={"error": type(error).__name__ if error else context["message"]})


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
