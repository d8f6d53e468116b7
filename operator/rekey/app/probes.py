"""What others ask over HTTP: /livez (restart me?), /readyz (do I work?) and /metrics.

1. Alive is a process whose loop turns, whose workers live, whose ear is open, where nothing has been worked on for ten
   minutes, and nothing due is left lying (`watchdog`). A missing API server is no reason to restart.
2. Ready is one that has seen every credential.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

Check = Callable[[], str | None]
"""Returns what is wrong, or None."""

LONGEST_WORK: Final = 600.0
LONGEST_LAG: Final = 10.0
_BEAT: Final = 1.0


class Heartbeat:
    """Measures by how much the loop is late."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + _BEAT
        self.lag = 0.0
        self.last = self._loop.time()
        self._handle = self._loop.call_at(self._due, self._beat)

    def silence(self) -> float:
        """Return for how many seconds the loop has not turned; from any thread."""
        return self._loop.time() - self.last

    def stop(self) -> None:
        """Measure no more."""
        self._handle.cancel()

    def _beat(self) -> None:
        self.last = now = self._loop.time()
        self.lag = now - self._due
        self._due = now + _BEAT
        self._handle = self._loop.call_at(self._due, self._beat)


class Probes:
    """A small HTTP server."""

    def __init__(self, alive: Mapping[str, Check], ready: Mapping[str, Check], metrics: Callable[[], bytes]) -> None:
        self._alive = alive
        self._ready = ready
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen on the port, or on any free one for 0; `port` tells which.

        Raises:
            OSError: the port cannot be used.
        """
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._give_metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        bound = listening(port)
        await web.SockSite(self._runner, bound).start()
        self.port = int(bound.getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return _verdict(self._alive)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(self._ready)

    async def _give_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def listening(port: int, host: str = "") -> socket.socket:
    """Return a socket at that address; at none: one for IPv4 and IPv6, where there is IPv6.

    Raises:
        OSError: it cannot be had.
    """
    if host:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _verdict(checks: Mapping[str, Check]) -> web.Response:
    found = {name: check() for name, check in checks.items()}
    lines = [f"[{'-' if wrong else '+'}] {name}: {wrong or 'ok'}" for name, wrong in found.items()]
    return web.Response(status=503 if any(found.values()) else 200, text="\n".join(lines) + "\n")
