"""Whether a write may be sent, and how long its answer is waited for: asked of who knows who leads.

1. It is asked before anything is done, and again when the connection is there: between the two may lie seconds.
2. No answer is waited for longer than the lead lasts. A write that arrives later all the same carries a
   resourceVersion, and the API server's fencing policy refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from rekey.errors import NotLeading
from rekey.kube.api import Path, Verb
from rekey.kube.refusals import said
from rekey.ports.lead import Lead


def _nothing() -> None:
    """Ask nobody."""


_still: ContextVar[Callable[[], None]] = ContextVar("still", default=_nothing)


class Request(aiohttp.ClientRequest):
    """A request that asks whether it may still be sent when its connection is there, and when its body is written.

    Before Python 3.12 the head waits for the body, which is written by a task of its own: a turn of the loop later, and
    with all other requests of that turn. A process that is stopped between the two would send them all when it wakes.
    """

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send it."""
        _still.get()()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: aiohttp.connector.Connection, content_length: int | None = None
    ) -> None:
        """Write the head and the body; who waits for the answer is told if they must not be written any more."""
        try:
            _still.get()()
        except NotLeading as lost:
            if conn.protocol is not None:
                conn.protocol.set_exception(lost)
            conn.close()
            return
        await super().write_bytes(writer, conn, content_length)


def within(seconds: float) -> aiohttp.ClientTimeout:
    """Return the limit on a whole request."""
    # aiohttp would round longer ones up, and the end of a lead is not to be rounded.
    return aiohttp.ClientTimeout(total=seconds, sock_connect=10.0, ceil_threshold=seconds + 1)


class Permit:
    """What one client asks; no lead: everybody may do everything."""

    def __init__(self, lead: Lead | None, seconds: float) -> None:
        self._lead = lead
        self._seconds = seconds

    def ask(self, verb: Verb, path: Path) -> float:
        """Return for how many seconds the request may go on, and have it asked again at its first byte.

        Raises:
            NotLeading: it is a write into a namespace where we do not lead.
        """
        lead, namespace = self._lead, path.namespace
        if lead is None or namespace is None or verb.method == "GET":
            _still.set(_nothing)
            return self._seconds

        def still() -> None:
            if lead.remaining(namespace) <= 0:
                raise NotLeading(f"{said(verb, path)}: another process acts there now")

        still()
        _still.set(still)
        return min(self._seconds, lead.remaining(namespace))
