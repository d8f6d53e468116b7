"""What passes between kopf and the API server, seen from its HTTP session: only what kopf is needed for.

1. What is listed is handed over page by page as it comes; kopf sees empty pages and goes on to watch.
2. An event that needs no handler, because it shows our own write or its credential is being worked on anyway, is
   taken off the stream. Everything else passes untouched.
3. kopf needs some 300 microseconds for each object, this 30; ten thousand would make it late by seconds at the start.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http.client import NOT_FOUND
from typing import Any, Final, cast

import aiohttp
import orjson

from rekey.app.heard import Asked, Heard, Inbox, Synced
from rekey.app.seen import Seen, key_of, look, version_of
from rekey.core.facts import Key
from rekey.kube.api import CREDENTIALS, REQUESTS

_CHANGES: Final = ("ADDED", "MODIFIED")
KINDS: Final = 2

NeedsNoHandler = Callable[[Key, int], bool]
"""Tells whether nothing but the cache needs to hear of this version of a credential; called from kopf's thread."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which credentials are listened to, by their labels, and what is kept of each (in kopf's thread)."""

    selector: str = ""
    keep: Callable[[dict[str, Any]], Seen] = look


EVERYTHING: Final = Choice()


class Answer(aiohttp.ClientResponse):
    """An answer that is parsed once, and fast."""

    parsed: Any = None

    async def json(self, **_: Any) -> Any:  # noqa: ANN401  aiohttp's
        """Return the parsed body."""
        if self.parsed is None:
            self.parsed = orjson.loads(await self.read())
            self._body = None
        return self.parsed


class Sieve:
    """A stream of watch events without those that need no handler."""

    def __init__(
        self,
        stream: aiohttp.StreamReader,
        inbox: Inbox,
        needs_no_handler: NeedsNoHandler,
        choice: Choice = EVERYTHING,
    ) -> None:
        self._stream = stream
        self._choice = choice
        self._inbox = inbox
        self._needs_no_handler = needs_no_handler

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever else a stream can do
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Give whole lines, as they come."""
        rest = b""
        async for data in self._stream.iter_chunked(size):
            *lines, rest = (rest + data).split(b"\n")
            kept = b"".join(line + b"\n" for line in lines if line and not self._takes(line))
            if kept:
                yield kept
        if rest:
            yield rest

    def _takes(self, line: bytes) -> bool:
        event = orjson.loads(line)
        if event["type"] not in _CHANGES:
            return False
        obj = event["object"]
        if not self._needs_no_handler(key_of(obj), version_of(obj)):
            return False
        self._inbox.put_later(self._choice.keep(obj))
        return True


_OURS: Final = (CREDENTIALS.plural, REQUESTS.plural)


class Served:
    """A middleware that tells when our kinds are not served any more: somebody deleted a CRD."""

    def __init__(self, not_served: Callable[[], None]) -> None:
        self._not_served = not_served

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Pass everything on."""
        answer = await handler(request)
        if answer.status == NOT_FOUND and request.url.name in _OURS:
            self._not_served()
        return answer


class Progress:
    """A middleware that hands over what is listed, and knows when the first list is complete.

    `went_on` is told of every page and, with True, that the first list is complete.
    """

    def __init__(
        self,
        streams: int,
        inbox: Inbox,
        needs_no_handler: NeedsNoHandler,
        went_on: Callable[[bool], None],
        choice: Choice = EVERYTHING,
    ) -> None:
        self._streams = streams
        self._choice = choice
        self._takers: Mapping[str, Callable[[dict[str, Any]], Heard]] = {
            CREDENTIALS.plural: choice.keep,
            REQUESTS.plural: Asked,
        }
        self._inbox = inbox
        self._needs_no_handler = needs_no_handler
        self._went_on = went_on
        self._watching: set[str] = set()
        self._is_synced = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Take out what is listed and sift what is watched."""
        take = self._takers.get(request.url.name)
        if take is None:
            return await handler(request)
        if self._choice.selector and request.url.name == CREDENTIALS.plural:
            request.url = request.url.update_query(labelSelector=self._choice.selector)
        if "watch" in request.url.query:
            return await self._watch(request, handler)
        answer = await handler(request)
        if answer.ok:
            page = await answer.json()
            for obj in page["items"]:
                self._inbox.put(take(obj))
            page["items"] = []
            self._went_on(self._is_synced)
        return answer

    async def _watch(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self._note(request.url.path)
        answer = await handler(request)
        if answer.ok and request.url.name == CREDENTIALS.plural:
            sieve = Sieve(answer.content, self._inbox, self._needs_no_handler, self._choice)
            answer.content = cast("aiohttp.StreamReader", sieve)
        return answer

    def _note(self, path: str) -> None:
        """Take note of a watch: it begins when its list is complete."""
        self._watching.add(path)
        if not self._is_synced and len(self._watching) >= self._streams:
            self._is_synced = True
            self._went_on(self._is_synced)
            self._inbox.put(Synced())
