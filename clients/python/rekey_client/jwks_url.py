"""A published key set, fetched in the background and never while a request waits, but for the very first time.

1. `Cache-Control: max-age` says when to ask again, within bounds; `ETag` makes that cheap.
2. An unknown kid asks sooner, at most once in `unknown_every` seconds, whatever strangers send.
3. What cannot be fetched or read never replaces what was good: asked again soon, with growing pauses up to 30 s.
4. Only https, or http to this machine; redirects are not followed.
"""

import logging
import os
import re
import ssl
from email.message import Message
from math import inf
from secrets import randbelow
from threading import Event, Lock, Thread
from typing import IO, Final
from urllib.error import HTTPError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from rekey_client.addresses import refuse_insecure
from rekey_client.clock import SYSTEM, Clock
from rekey_client.entries import Table
from rekey_client.errors import Unreadable
from rekey_client.keys import from_url
from rekey_client.sources import Trust

_log = logging.getLogger("rekey_client")
_LIMIT: Final = 1 << 20
_AGES: Final = (10.0, 300.0, 3600.0)
"""The shortest, the usual and the longest time until it is asked again."""
_PAUSES: Final = (1.0, 30.0)
_NOT_MODIFIED: Final = 304


class JwksUrl:
    """The keys that an address publishes."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5,
        unknown_every: float = 30,
        tls: ssl.SSLContext | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        refuse_insecure(url)
        self._url = url
        self._timeout = timeout
        self._unknown_every = unknown_every
        self._clock = clock
        self._opener = _opener(url, tls or ssl.create_default_context())
        self._trust = Trust(Table(), -inf, degraded=True)
        self._etag = ""
        self._pause, self._next_unknown = _PAUSES[0], -inf
        self._first, self._wake, self._closed = Lock(), Event(), Event()
        self._process = 0
        self._thread: Thread | None = None

    def trust(self, now: float) -> Trust:  # noqa: ARG002  # the thread knows when it is time
        """Return the keys; the first call fetches them and starts the thread that goes on doing so."""
        if self._process != os.getpid():
            self._start()
        return self._trust

    def miss(self, now: float) -> None:
        """Ask for newer keys, unless that was done a moment ago."""
        if now >= self._next_unknown:
            self._next_unknown = now + self._unknown_every
            self._wake.set()

    def close(self) -> None:
        """Stop asking, and wait for the thread to end."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def refresh(self) -> float:
        """Ask once and return the seconds after which to ask again; the thread does this, tests may."""
        try:
            delay = self._fetch()
        except Exception as error:  # noqa: BLE001  # whatever it is, the thread goes on and says what it was
            return self._failed(error)
        if self._trust.degraded:
            _log.info("the key set at %s is current", self._url)
        self._trust = Trust(self._trust.table, self._clock.steady())
        self._pause = _PAUSES[0]
        return delay

    def _start(self) -> None:
        """Start over in this process: a forked child has the keys but not the thread, and locks in any state."""
        with self._first:
            if self._process == os.getpid():
                return
            delay = self.refresh()
            self._process = os.getpid()
            self._thread = Thread(target=self._run, args=(delay,), name="rekey-jwks", daemon=True)
            self._thread.start()

    def _run(self, delay: float) -> None:
        while not self._closed.is_set():
            self._wake.wait(delay)
            self._wake.clear()
            if not self._closed.is_set():
                delay = self.refresh()

    def _failed(self, error: Exception) -> float:
        if not self._trust.degraded or self._trust.confirmed == -inf:
            what = error if isinstance(error, Unreadable) else _kind(error)
            _log.error("cannot refresh the key set at %s, going on with the last good one: %s", self._url, what)
        self._trust = Trust(self._trust.table, self._trust.confirmed, degraded=True)
        self._pause, pause = min(self._pause * 2, _PAUSES[1]), self._pause
        return _jittered(pause)

    def _fetch(self) -> float:
        headers = {"Accept": "application/jwk-set+json, application/json"}
        if self._etag:
            headers["If-None-Match"] = self._etag
        request = Request(self._url, headers=headers)  # noqa: S310  # the scheme was checked
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content = self._body(response)
                self._trust = Trust(from_url(content), self._trust.confirmed, self._trust.degraded)
                self._etag = response.headers.get("ETag", "")
                return _delay(response.headers)
        except HTTPError as error:
            with error:
                if error.code != _NOT_MODIFIED or not self._etag:
                    raise
                return _delay(error.headers)

    def _body(self, response: IO[bytes]) -> bytes:
        """Read what is sent, but neither without end nor drop by drop."""
        deadline = self._clock.steady() + self._timeout
        content = b""
        while piece := response.read(1 << 16):
            content += piece
            if len(content) > _LIMIT:
                raise Unreadable("the key set is larger than 1 MiB")
            if self._clock.steady() > deadline:
                raise Unreadable("the key set comes too slowly")
        return content


def _opener(url: str, tls: ssl.SSLContext) -> OpenerDirector:
    """Return what opens an address of this scheme, by the proxy of the environment, and follows no redirect."""
    opener = OpenerDirector()
    ours = [HTTPHandler()] if url.startswith("http:") else [HTTPSHandler(context=tls), ProxyHandler()]
    for handler in (*ours, HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    return opener


def _delay(headers: Message) -> float:
    shortest, usual, longest = _AGES
    cached = headers.get("Cache-Control", "").lower()
    found = re.search(r"\bmax-age=(\d{1,9})", cached)
    if "no-store" in cached or "no-cache" in cached:
        return shortest
    return _jittered(min(max(float(found[1]) if found else usual, shortest), longest))


def _jittered(seconds: float) -> float:
    """Return up to a tenth less, so that many processes do not ask at once."""
    return seconds * (1 - randbelow(100) / 1000)


def _kind(error: Exception) -> str:
    return f"HTTP {error.code}" if isinstance(error, HTTPError) else type(error).__name__
