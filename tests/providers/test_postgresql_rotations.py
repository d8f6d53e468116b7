"""Rotations of PostgreSQL's roles under clients that never stop, and with a crash at every statement."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from rekey.core.material import Material
from rekey.errors import NoAnswer, NotAccepted
from rekey.ports.backend import Held
from tests.cluster.waiting import until
from tests.providers.cutting import cutting
from tests.providers.postgres import Postgres
from tests.providers.test_postgresql_conformance import RealBench, adapter
from tests.sim.conformance_of_backends import OURS

pytestmark = pytest.mark.xdist_group("postgres")
CLIENTS = 3


@dataclass
class Clients:
    """Threads that log in all the time with the current version, and one that never lets a connection go."""

    postgres: Postgres
    current: tuple[int, Material] | None = None
    using: dict[int, int] = field(default_factory=dict)
    kept: list[psycopg.Connection] = field(default_factory=list)
    logins: int = 0
    failed: list[str] = field(default_factory=list)
    over: bool = False

    def client(self, me: int) -> None:
        """Log in, do something, hang up, again."""
        while not self.over:
            assert self.current is not None
            self.using[me], material = self.current
            try:
                self.connect(material).close()
            except psycopg.Error as error:
                self.failed.append(f"{self.using[me]}: {type(error).__name__}")
            self.logins += 1

    def connect(self, material: Material) -> psycopg.Connection:
        """Log in and write something, so that who owns it matters."""
        values = {key: value.decode() for key, value in material.reveal().items()}
        connection = psycopg.connect(self.postgres.text(values["username"], values["password"]), autocommit=True)
        connection.execute("CREATE TEMPORARY TABLE mine (number int)")
        return connection

    def move(self, number: int, material: Material) -> None:
        """Have all of them use a new version from their next log-in on, and wait until they do."""
        self.current = (number, material)
        self.kept.append(self.connect(material))
        until(lambda: all(one == number for one in self.using.values()), "the clients", seconds=30, every=0.002)


@contextmanager
def working(clients: Clients) -> Iterator[None]:
    """Have the clients log in meanwhile."""
    threads = [threading.Thread(target=clients.client, args=(me,)) for me in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        clients.over = True
        for thread in threads:
            thread.join()
        for connection in clients.kept:
            connection.close()


@pytest.mark.parametrize("rotations", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_nobody_is_locked_out(postgres: Postgres, rotations: int) -> None:
    """No log-in of clients fails through all rotations, and of the old roles and their connections nothing is left."""
    bench, clients = RealBench(postgres), Clients(postgres)
    began = time.monotonic()
    with asyncio.Runner() as runner:
        versions = [runner.run(bench.issue(bench.intent(0)))]
        assert versions[0].material is not None
        clients.move(0, versions[0].material)
        with working(clients):
            for number in range(1, rotations + 1):
                versions.append(runner.run(bench.issue(bench.intent(number))))
                runner.run(bench.backend.prove(versions[-1]))
                material = versions[-1].material
                assert material is not None
                clients.move(number, material)
                runner.run(bench.backend.revoke(versions[-2]))
            assert postgres.roles(bench.group) == [f"{bench.group}_v{rotations}"]
            for number in range(rotations):
                assert postgres.sessions(f"{bench.group}_v{number}") == 0
        assert [one.closed or _is_ended(one) for one in clients.kept[:-1]] == [True] * rotations
        runner.run(bench.backend.revoke(versions[-1]))
    seconds = time.monotonic() - began
    print(f"{rotations} rotations in {seconds:.1f} s, {clients.logins} log-ins, {len(clients.failed)} failed")
    assert clients.failed == []
    assert clients.logins > rotations
    assert postgres.roles(bench.group) == []


def _is_ended(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


@dataclass
class Life:
    """One version, made, proved and revoked by way of a proxy that cuts it off somewhere."""

    bench: RealBench
    stored: Material = field(init=False)
    held: Held = field(init=False)

    def __post_init__(self) -> None:
        intent = self.bench.intent(1)
        self.stored = self.bench.backend.make(intent)
        self.held = Held(intent.claim, intent.wanted, None, self.stored)

    async def live(self, port: int) -> None:
        """Make, prove and revoke it."""
        backend = adapter(self.bench.postgres, port=port)
        await backend.issue(self.bench.intent(1), self.stored)
        await backend.prove(self.held)
        await backend.revoke(self.held)

    async def cut(self, at: int, *, after: bool) -> int:
        """End at the n-th statement, if there are so many (0: live to the end); return how many there were.

        The server is asked again while a session is ending, so one life may have a statement more than another.
        """
        async with cutting(self.bench.postgres.port, at, after=after) as proxy:
            try:
                await self.live(proxy.port)
            except NoAnswer:
                assert proxy.statements >= at > 0
            else:
                assert not 0 < at <= proxy.statements, "it was not cut"
        return proxy.statements

    async def give_up(self) -> None:
        """Do what is done for a version that is not wanted any more."""
        await self.bench.backend.revoke(self.held)

    async def go_on(self) -> None:
        """Do what is done for one that is wanted all the same, and revoke it in the end."""
        await self.live(self.bench.postgres.port)
        with pytest.raises(NotAccepted):
            await self.bench.backend.prove(self.held)


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_crash_at_every_statement(postgres: Postgres, *, after: bool) -> None:
    """Wherever it ends, each role that is there is listed as ours, once; and whoever comes next can finish."""
    bench = RealBench(postgres)

    async def scene() -> None:
        statements = await Life(bench).cut(0, after=after)
        for at in range(1, statements + 1):
            life = Life(bench)
            await life.cut(at, after=after)
            claims = await bench.backend.find(OURS)
            assert [f"{bench.group}_v{claim.number}" for claim in claims] == postgres.roles(bench.group)
            # What follows a statement is met in both ways: here, and before the next.
            await (life.go_on() if at % 2 else life.give_up())
            assert postgres.roles(bench.group) == []
        print(f"{statements} statements, each cut {'after' if after else 'before'} it was done")
        assert statements > 20

    asyncio.run(scene())
