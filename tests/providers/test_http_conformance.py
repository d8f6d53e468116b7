"""The adapter that asks services keeps what its port promises, with a real server on this host."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rekey.providers.http.allowed import Allowed
from rekey.providers.http.getting import Getter
from rekey.providers.http.prober import HttpProber
from tests.providers.serving import Server, leads_here, serving
from tests.sim.conformance_of_probers import VALUE, Desk, ProberConformance, Visit


class RealDesk(Desk):
    """A server on this host, under the name of a service; that this host may be asked is the tests' setting."""

    def __init__(self, server: Server) -> None:
        self.server = server
        # No entry of its own allows a name: what is allowed is allowed as a service of the namespace.
        self.prober = HttpProber(Getter(Allowed(["127.0.0.1/32"]), lookup=leads_here))
        self.url = f"http://till.orders.svc:{server.port}/whoami"

    def answers(self, status: int | None) -> None:
        if status is None:
            self.url = "http://till.orders.svc:1/"
        self.server.status_of = lambda value: status if value == VALUE and status else 401

    def shown(self) -> list[bytes]:
        return self.server.shown


@asynccontextmanager
async def opened() -> AsyncIterator[RealDesk]:
    """Give a desk."""
    async with serving() as server:
        yield RealDesk(server)


@pytest.fixture
def visit() -> Visit:
    """Play a scene at a fresh desk."""

    def played(scene: object) -> None:
        async def play() -> None:
            async with opened() as desk:
                await scene(desk)  # type: ignore[operator]

        asyncio.run(play())

    return played


class TestProber(ProberConformance):
    """The adapter over aiohttp."""
