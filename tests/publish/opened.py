"""A door in this process, with a shelf that a test fills: what strangers meet, without a cluster."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from rekey.app import probes
from rekey.app.publish.answers import Answers
from rekey.app.publish.door import Door
from rekey.app.publish.metrics import Metrics
from rekey.app.publish.shelf import EVERYWHERE, Shelf
from tests.publish.objects import ROTATING, START, at, credential, published

MAX_AGE = timedelta(minutes=5)


class Hands:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def on(self, **by: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**by)


@dataclass(frozen=True)
class Open:
    """What is open: its port, its shelf, its clock, its figures."""

    door: Door
    shelf: Shelf
    clock: Hands
    metrics: Metrics
    client: aiohttp.ClientSession
    url: str

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """Ask for it; return status, headers and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, f"{self.url}{path}", headers=named, allow_redirects=False) as answer:
            return answer.status, answer.headers, await answer.read()


Scene = Callable[[Open], Awaitable[Any]]


@asynccontextmanager
async def opened(
    *, most: int = 64, tls: ssl.SSLContext | None = None, trusted: ssl.SSLContext | None = None, full: bool = True
) -> AsyncIterator[Open]:
    """Open a door on loopback that serves one rotating credential."""
    clock, metrics = Hands(), Metrics()
    shelf = Shelf((), clock, timedelta(minutes=5))
    rotating = published(credential(*ROTATING, overlapEndTime=at(52)))
    shelf.put(rotating.key, rotating)
    if full:
        shelf.heard(EVERYWHERE)
    door = Door(Answers(shelf, metrics, MAX_AGE), most)
    await door.open(probes.listening(0, "127.0.0.1"), tls)
    connector = aiohttp.TCPConnector(ssl=trusted or True, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as client:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{door.port}"
        try:
            yield Open(door, shelf, clock, metrics, client, url)
        finally:
            await door.close(0.1)


def play(scene: Scene, **options: Any) -> None:
    """Play a scene at an open door."""

    async def show() -> None:
        async with opened(**options) as here:
            await scene(here)

    asyncio.run(show())
