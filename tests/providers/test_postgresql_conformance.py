"""The adapter of PostgreSQL keeps what its port promises, with a real server on this host."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rekey.core.material import Material
from rekey.core.spec import Password
from rekey.core.spec_provide import Provide
from rekey.errors import Rejected
from rekey.ports.backend import Backend, Claim, Held
from rekey.providers.generated import values
from rekey.providers.http.allowed import Allowed
from rekey.providers.postgresql import Postgresql
from rekey.providers.postgresql.login import Place, Way
from tests.cluster import ports
from tests.cluster.waiting import until
from tests.providers.postgres import Postgres
from tests.sim.conformance_of_backends import (
    BackendConformance,
    Bench,
    ListableConformance,
    MadeHereConformance,
    Play,
)

pytestmark = pytest.mark.xdist_group("postgres")
HERE = Way(Allowed(["127.0.0.0/8"]), "orders")


def adapter(postgres: Postgres, login: Material | None = None, seconds: float = 10, **server: object) -> Postgresql:
    """Return an adapter for the server."""

    def draw() -> Material:
        return values.password(Password()).material

    return Postgresql(Place(postgres.server(**server), None, HERE), login or postgres.login, lambda: seconds, draw)


class RealBench(Bench):
    """A group role of a real server, in which nobody else has roles."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.group = postgres.group()
        self.backend = adapter(postgres)
        self.wanted = Provide.model_validate({"ref": {"name": "store"}, "postgresql": {"role": self.group}})

    async def accepted(self, held: Held) -> bool:
        return self.postgres.lets_in(held.material)

    def things(self) -> list[str]:
        found = self.postgres.run("SELECT rolname, a::text, shobj_description(oid, 'pg_authid') FROM pg_authid a")
        return [repr(row) for row in found if row[0].startswith(f"{self.group}_v")]

    def stranger(self, name_of: Claim) -> None:
        self.postgres.run("CREATE ROLE {} LOGIN PASSWORD 'theirs'", f"{self.group}_v{name_of.number}")

    def away(self) -> Backend:
        return adapter(self.postgres, port=ports.free(1)[0])

    def locked_out(self) -> Backend:
        return adapter(self.postgres, Material({"username": b"rekey", "password": b"a-wrong-one"}))


@pytest.fixture
def play(postgres: Postgres) -> Play:
    """Play a scene at a fresh group role."""

    def played(scene: object) -> None:
        bench = RealBench(postgres)
        try:
            asyncio.run(scene(bench))  # type: ignore[operator]
        finally:
            # Owners are the same in every test, and roles are the whole server's.
            for name in postgres.roles(bench.group):
                postgres.run("DROP ROLE {}", name)

    return played


class TestPostgresql(BackendConformance, ListableConformance, MadeHereConformance):
    """The adapter over psycopg."""


def test_a_server_that_asks_for_no_password_proves_nothing(play: Play, postgres: Postgres) -> None:
    """A version is proved by its password: where the server lets anybody in a person is told, and nothing is proved."""
    [(path,)] = postgres.run("SHOW hba_file")
    file = Path(path)
    before = file.read_text()

    def say(first: str) -> None:
        file.write_text(first + before)
        postgres.run("SELECT pg_reload_conf()")

    async def scene(bench: Bench) -> None:
        one = await bench.issue(bench.intent())
        assert one.material is not None
        anybody = Material({**one.material.reveal(), "password": b"any"})
        say(f"host all {one.material.reveal()['username'].decode()} all trust\n")
        until(lambda: postgres.lets_in(anybody), "the server to trust", seconds=10)
        for held in (one, replace(one, material=anybody)):
            with pytest.raises(Rejected, match="SCRAM"):
                await bench.backend.prove(held)

    try:
        play(scene)
    finally:
        say("")
