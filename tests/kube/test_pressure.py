"""How many requests are under way: fewer after a refusal, none while the server wants to rest, soon all again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from rekey.errors import Retryable
from rekey.kube.api import GET, SECRETS
from rekey.kube.client import Client
from rekey.kube.pressure import FEWEST, LONGEST_PAUSE, Pressure
from tests.kube.answering import Asked, answering

DB = SECRETS.one("shop", "db")


class Gate:
    """A pressure of at most eight, with a clock of its own, and those that wanted to enter."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pressure = Pressure(8, lambda: self.time)
        self.inside: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, number: int) -> None:
        """Let that many more come."""

        async def one(name: int) -> None:
            await self.pressure.enter(60)
            self.inside.append(name)

        self.tasks += [asyncio.create_task(one(len(self.tasks) + n)) for n in range(number)]
        await self.settle()

    async def go(self, number: int) -> None:
        """Let that many leave."""
        for _ in range(number):
            self.pressure.leave()
        await self.settle()

    async def rest(self, seconds: float) -> None:
        """Let time pass, and the pause end if it is over."""
        self.time += seconds
        self.pressure._let_in()  # what the loop's own timer does
        await self.settle()

    @staticmethod
    async def settle() -> None:
        """Let everybody do what they can."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        """Send everybody away."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def _all_may_enter(gate: Gate) -> None:
    await gate.come(9)
    assert len(gate.inside) == 8
    await gate.go(1)
    assert gate.inside == list(range(9))


async def _a_pause(gate: Gate) -> None:
    await gate.come(1)
    gate.pressure.refused(5)
    await gate.go(1)
    await gate.come(3)
    assert gate.inside == [0]
    await gate.rest(4.9)
    assert gate.inside == [0]
    await gate.rest(0.1)
    assert gate.inside == [0, 1, 2, 3]


async def _fewer(gate: Gate) -> None:
    gate.pressure.refused(1)
    await gate.rest(1)
    await gate.come(10)
    assert len(gate.inside) == gate.pressure.limit == 4


async def _one_moment(gate: Gate) -> None:
    for _ in range(6):
        gate.pressure.refused(1)
    assert gate.pressure.limit == 4


async def _never_none(gate: Gate) -> None:
    for _ in range(9):
        gate.pressure.refused(1)
        await gate.rest(1)
    assert gate.pressure.limit == FEWEST


async def _recovery(gate: Gate) -> None:
    gate.pressure.refused(1)
    await gate.rest(1)
    for _ in range(40):
        await gate.come(1)
        await gate.go(1)
    assert gate.pressure.limit == 8


async def _absurd_wait(gate: Gate) -> None:
    gate.pressure.refused(1e9)
    await gate.come(1)
    await gate.rest(LONGEST_PAUSE)
    assert gate.inside == [0]


async def _sent_away(gate: Gate) -> None:
    gate.pressure.refused(5)
    await gate.come(3)
    gate.tasks[0].cancel()
    await gate.rest(5)
    assert gate.inside == [1, 2]
    await gate.go(2)
    await gate.come(8)
    assert len(gate.inside) == 2 + gate.pressure.limit


SCENES: dict[str, Callable[[Gate], Awaitable[None]]] = {
    "without a refusal as many as there are connections": _all_may_enter,
    "nobody enters while the server wants to rest; then in order": _a_pause,
    "after a refusal half as many": _fewer,
    "refusals of one moment count once": _one_moment,
    "however often it refuses, some may go on": _never_none,
    "successes bring the number back": _recovery,
    "nobody is held for an hour because a server says so": _absurd_wait,
    "who is sent away leaves his place to the next": _sent_away,
}


@pytest.mark.parametrize("name", SCENES)
def test_pressure(name: str) -> None:
    """Each sentence of the table holds."""

    async def play() -> None:
        gate = Gate()
        await SCENES[name](gate)
        await gate.end()

    asyncio.run(play())


def test_nobody_waits_longer_than_he_has_time() -> None:
    """A request whose turn does not come in time fails, and takes nobody's place."""

    async def play() -> None:
        pressure = Pressure(8)
        pressure.refused(LONGEST_PAUSE)
        with pytest.raises(TimeoutError):
            await pressure.enter(0.01)
        assert pressure._under_way == 0

    asyncio.run(play())


def test_a_busy_server_is_spared_by_all() -> None:
    """After one answer 429 the next request is sent only when the server has had its second of rest."""
    times: list[float] = []

    async def answer(_: Asked) -> web.Response:
        times.append(asyncio.get_running_loop().time())
        return web.Response(status=429 if len(times) == 1 else 200, body=b"{}", headers={"Retry-After": "1"})

    async def play() -> None:
        async with answering(answer) as server, Client(server.access()) as client:
            with pytest.raises(Retryable, match="busy"):
                await client.request(GET, DB)
            assert await client.request(GET, DB) == {}

    asyncio.run(play())
    assert times[1] - times[0] >= 0.99
