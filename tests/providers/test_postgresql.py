"""The adapter of PostgreSQL: what it makes there, whom it refuses, and what it says of a server that refuses us."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_backend import PostgresqlServer
from rekey.core.spec_provide import Provide
from rekey.errors import NoAnswer, NotAccepted, NotYet, Rejected, Retryable
from rekey.ports.backend import Held
from rekey.providers.postgresql import Postgresql
from rekey.providers.postgresql.login import Place, Who, meaning_of_refusal
from tests.cluster.waiting import until
from tests.providers.postgres import Postgres
from tests.providers.test_postgresql_conformance import HERE, RealBench, adapter
from tests.sim.conformance_of_backends import OURS, everything

pytestmark = pytest.mark.xdist_group("postgres")
LOGIN = Material({"username": b"rekey", "password": b"canary"})
STORE = {"host": "certificate.example.com", "secretName": "login"}
AT = 'connection failed: connection to server at "certificate.example.com" (10.0.0.1), port 5432 failed: '

REFUSALS: dict[str, tuple[str, str]] = {
    "a wrong password": ('FATAL:  password authentication failed for user "rekey"', Reason.NEEDS_REAUTH),
    "a role that may not log in": ('FATAL:  role "rekey" is not permitted to log in', Reason.NEEDS_REAUTH),
    "a role that is not there": ('FATAL:  role "rekey" does not exist', Reason.NEEDS_REAUTH),
    "a database that is not there": ('FATAL:  database "nix" does not exist', Reason.BACKEND_REFUSED),
    "no right to the database": ('FATAL:  permission denied for database "orders"', Reason.BACKEND_REFUSED),
    "no line in pg_hba.conf": ('FATAL:  no pg_hba.conf entry for host "10.0.0.2"', Reason.BACKEND_REFUSED),
    "no password asked for": (
        'authentication method requirement "scram-sha-256" failed: server did not complete authentication',
        Reason.BACKEND_REFUSED,
    ),
    "a server without TLS": ("server does not support SSL, but SSL was required", Reason.BACKEND_REFUSED),
    "a strange authority": ("SSL error: certificate verify failed", Reason.BACKEND_REFUSED),
    "another name's certificate": (
        'server certificate for "other" does not match host name "certificate.example.com"',
        Reason.BACKEND_REFUSED,
    ),
    "nobody who listens": ("Connection refused", ""),
    "a server that starts": ("FATAL:  the database system is starting up", ""),
    "too many connections": ("FATAL:  sorry, too many clients already", ""),
    "too many of that role": ('FATAL:  too many connections for role "certificate"', ""),
    "anything in another language": ("FATAL:  Passwort-Authentifizierung für Benutzer »rekey« fehlgeschlagen", ""),
}
"""What the library says of a failed log-in, and the reason for which a person must act; none: it is tried again."""


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refused_log_in_says_who_must_act(case: str) -> None:
    """A failed log-in is for a person, or for later, by what the server said; names in it mislead nobody."""
    text, reason = REFUSALS[case]
    who = Who(LOGIN, lambda why: Rejected(Reason.NEEDS_REAUTH, why))
    found = meaning_of_refusal(AT + text, Place(PostgresqlServer.model_validate(STORE), None, HERE), who)
    assert getattr(found, "reason", "") == reason
    assert isinstance(found, Rejected if reason else Retryable)
    assert "certificate.example.com:5432" in str(found)


INCOMPLETE: dict[str, tuple[dict[str, Any], Material]] = {
    "in the clear to a name": ({"host": "localhost", "tls": "None"}, LOGIN),
    "in the clear to an address elsewhere": ({"host": "10.0.0.1", "tls": "None"}, LOGIN),
    "without a password": ({}, Material({"username": b"rekey"})),
    "with a user name that is no text": ({}, Material({"username": b"\xff", "password": b"x"})),
}


@pytest.mark.parametrize("case", INCOMPLETE)
def test_an_incomplete_provider_is_refused(case: str) -> None:
    """What cannot work, or must not, is refused before anything is sent."""
    more, login = INCOMPLETE[case]
    with pytest.raises(Rejected) as refused:
        Postgresql(Place(PostgresqlServer.model_validate(STORE | more), None, HERE), login, lambda: 1.0, lambda: LOGIN)
    assert refused.value.reason == Reason.PROVIDER_NOT_READY


@dataclass
class Stage:
    """A group role of a real server."""

    postgres: Postgres
    bench: RealBench

    def name(self, number: int = 1) -> str:
        """Return what a version's role is called."""
        return f"{self.bench.group}_v{number}"

    def wanted(self, role: str | None = None, **more: Any) -> Provide:
        """Return what a credential wants."""
        fields = {"ref": {"name": "store"}, "postgresql": {"role": role or self.bench.group, **more}}
        return Provide.model_validate(fields)

    async def issue(self, number: int = 1, role: str | None = None, **more: Any) -> Held:
        """Make a version."""
        return await self.bench.issue(replace(self.bench.intent(number), wanted=self.wanted(role, **more)))

    def owners(self) -> dict[str, str]:
        """Return who owns each table in the schema of the group role."""
        found = self.postgres.run("SELECT schemaname, tablename, tableowner FROM pg_tables")
        return {table: owner for schema, table, owner in found if schema == self.bench.group}

    def client(self, held: Held, database: str = "postgres") -> psycopg.Connection:
        """Log in as a client does."""
        assert held.material is not None
        values = {key: value.decode() for key, value in held.material.reveal().items()}
        return psycopg.connect(self.postgres.text(values["username"], values["password"], database), autocommit=True)


Play = Callable[[Callable[[Stage], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(postgres: Postgres) -> Play:
    """Play a scene with a fresh group role."""

    def played(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
        try:
            asyncio.run(scene(Stage(postgres, RealBench(postgres))))
        finally:
            # Owners are the same in every test, and roles are the whole server's: what is left is nobody's.
            for (name,) in postgres.run("SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') <> ''"):
                postgres.run("COMMENT ON ROLE {} IS NULL", name)

    return played


def test_what_is_asked_for_is_set(play: Play) -> None:
    """The role has the limit, the end and the mark it should have, and its password is told to nobody."""

    async def scene(stage: Stage) -> None:
        ends = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        intent = replace(stage.bench.intent(expires=ends), wanted=stage.wanted(connectionLimit=3))
        one = await stage.bench.issue(intent)
        await stage.bench.backend.prove(one)
        rows = stage.postgres.run(
            "SELECT rolname, rolconnlimit, rolvaliduntil, rolcanlogin, rolsuper, rolinherit, left(rolpassword, 19) "
            "FROM pg_authid WHERE rolvaliduntil < 'infinity'"
        )
        assert (stage.name(), 3, ends, True, False, True, "SCRAM-SHA-256$4096:") in rows
        assert one.material is not None
        log = stage.postgres.log.read_text()
        assert f'COMMENT ON ROLE "{stage.name()}" IS \'{{"rekey.dev/version": {{"owner": "{OURS}"' in log
        assert one.material.reveal()["password"].decode() not in log

    play(scene)


def test_everything_is_the_group_roles(play: Play) -> None:
    """What a version makes belongs to the group role, and what it made against that does once it is revoked."""

    async def scene(stage: Stage) -> None:
        group = stage.bench.group
        stage.postgres.run("CREATE SCHEMA {} AUTHORIZATION {}", group, group)
        held = await stage.issue()
        with closing(stage.client(held)) as client:
            client.execute(f"CREATE TABLE {group}.usual (number int)")
            client.execute("SET ROLE none")
            client.execute(f"CREATE TABLE {group}.own (number int)")
        assert stage.owners() == {"own": stage.name(), "usual": group}
        await stage.bench.backend.revoke(held)
        assert stage.owners() == {"own": group, "usual": group}

    play(scene)


def test_connections_that_are_left_alone(play: Play) -> None:
    """With `terminate: false` nobody new gets in, and the role is dropped when the last has gone."""

    async def scene(stage: Stage) -> None:
        held = await stage.issue(terminate=False)
        with closing(stage.client(held)) as client:
            with pytest.raises(NotYet, match=f"role {stage.name()}: connections still open: 1"):
                await stage.bench.backend.revoke(held)
            with pytest.raises(NotAccepted):
                await stage.bench.backend.prove(held)
            assert client.execute("SELECT 1").fetchall() == [(1,)]
        until(lambda: not stage.postgres.sessions(stage.name()), "the end of the connection", seconds=10)
        await stage.bench.backend.revoke(held)
        assert stage.bench.things() == []

    play(scene)


MARK = '{{"rekey.dev/version": {{"owner": "o", "namespace": "n", "name": "m", "number": 6}}}}'
GROUPS: dict[str, tuple[str, str]] = {
    "there is none": ("DROP ROLE {}", "there is no role"),
    "it can log in": ("ALTER ROLE {} LOGIN", "can log in"),
    "it is a superuser": ("ALTER ROLE {} SUPERUSER", "may do anything"),
    "it makes roles": ("ALTER ROLE {} CREATEROLE", "may do anything"),
    "it is a member of a superuser": ("GRANT postgres TO {}", "may do anything"),
    "it runs programs there": ("GRANT pg_execute_server_program TO {}", "may do anything"),
    "it is a version itself": (f"COMMENT ON ROLE {{}} IS '{MARK}'", "is a version"),
    "it was not given to us": ("REVOKE {} FROM rekey", "WITH ADMIN OPTION"),
    "it was given to us to use only": ("REVOKE ADMIN OPTION FOR {} FROM rekey", "WITH ADMIN OPTION"),
}


@pytest.mark.parametrize("case", GROUPS)
def test_group_roles_that_are_not_given_on(play: Play, case: str) -> None:
    """A group role that nobody gave us, or that is too powerful, is refused, and nothing is made."""
    statement, words = GROUPS[case]

    async def scene(stage: Stage) -> None:
        stage.postgres.run(statement, stage.bench.group)
        with pytest.raises(Rejected, match=words) as refused:
            await stage.issue()
        if statement.startswith("GRANT"):
            # We are a member of the group, and would have that right in other tests too.
            stage.postgres.run(statement.replace("GRANT", "REVOKE").replace(" TO ", " FROM "), stage.bench.group)
        assert refused.value.reason == Reason.BACKEND_REFUSED
        assert stage.bench.things() == []

    play(scene)


def test_a_role_that_acts_as_itself_is_not_accepted(play: Play) -> None:
    """A version that does not act as its group role any more would own what it makes: it is refused."""

    async def scene(stage: Stage) -> None:
        held = await stage.issue()
        stage.postgres.run("ALTER ROLE {} RESET role", stage.name())
        with pytest.raises(NotAccepted, match="does not act as"):
            await stage.bench.backend.prove(held)

    play(scene)


def test_a_role_that_lost_its_mark(play: Play) -> None:
    """A role that takes our password without our mark is left alone, and nobody is told that it is revoked."""

    async def scene(stage: Stage) -> None:
        held = await stage.issue()
        stage.postgres.run("COMMENT ON ROLE {} IS 'mine now'", stage.name())
        before = stage.bench.things()
        with pytest.raises(Rejected) as refused:
            await stage.bench.backend.revoke(held)
        assert (refused.value.reason, stage.bench.things()) == (Reason.NAME_TAKEN, before)

    play(scene)


def test_a_role_that_was_renamed(play: Play) -> None:
    """A role is found by its mark, whatever it is called; a name that is a statement is only a name."""

    async def scene(stage: Stage) -> None:
        held = await stage.issue()
        name = f'{stage.name()}"; DROP ROLE {stage.bench.group}; --'
        stage.postgres.run("ALTER ROLE {} RENAME TO {}", stage.name(), name)
        await stage.bench.backend.revoke(held)
        assert stage.bench.things() == []
        assert (stage.bench.group,) in stage.postgres.run("SELECT rolname FROM pg_roles")

    play(scene)


def test_something_in_another_database(play: Play) -> None:
    """A role that owns something elsewhere is shut, and the message says where that is and what to do there."""

    async def scene(stage: Stage) -> None:
        held = await stage.issue()
        other = f"other_{stage.bench.group}"
        stage.postgres.run("CREATE DATABASE {}", other)
        stage.postgres.run("CREATE SCHEMA kept AUTHORIZATION {}", stage.name(), database=other)
        with pytest.raises(Rejected, match=f"in database {other}: there do REASSIGN OWNED BY {stage.name()}"):
            await stage.bench.backend.revoke(held)
        with pytest.raises(NotAccepted):
            await stage.bench.backend.prove(held)
        stage.postgres.run("REASSIGN OWNED BY {} TO {}", stage.name(), stage.bench.group, database=other)
        await stage.bench.backend.revoke(held)
        assert stage.bench.things() == []

    play(scene)


def test_rights_that_only_a_superuser_may_take(play: Play) -> None:
    """A role with rights that others gave it is shut, and the message says who must help."""

    async def scene(stage: Stage) -> None:
        held = await stage.issue()
        stage.postgres.run("GRANT CREATE ON DATABASE postgres TO {}", stage.name())
        with pytest.raises(Rejected, match="as a superuser do DROP OWNED BY"):
            await stage.bench.backend.revoke(held)
        stage.postgres.run("DROP OWNED BY {}", stage.name())
        await stage.bench.backend.revoke(held)
        assert stage.bench.things() == []

    play(scene)


def test_a_call_ends_in_time(play: Play) -> None:
    """A call that is held up ends when its time is over, and was not done."""

    async def scene(stage: Stage) -> None:
        lock = f"SELECT pg_advisory_lock(hashtextextended('{stage.name()}', 0)), pg_backend_pid()"
        stage.postgres.run(lock)
        slow = adapter(stage.postgres, seconds=0.3)
        intent = stage.bench.intent()
        with pytest.raises(NoAnswer):
            await slow.issue(intent, slow.make(intent))
        stage.postgres.run("SELECT pg_advisory_unlock_all()")
        assert stage.bench.things() == []

    play(scene)


def test_our_own_password_is_told_by_nobody(play: Play) -> None:
    """When our log-in is refused, its password is nowhere in the error; the library's own error holds it."""

    async def scene(stage: Stage) -> None:
        wrong = Material({"username": b"rekey", "password": b"canary-0123456789"})
        with pytest.raises(Rejected) as refused:
            await adapter(stage.postgres, wrong).find(OURS)
        assert "canary" not in everything(refused.value)

    play(scene)


def test_a_log_in_without_rights(play: Play) -> None:
    """If the role we log in by may not make roles, a person is told what it needs, and no statement."""

    async def scene(stage: Stage) -> None:
        name = f"weak_{stage.bench.group}"
        stage.postgres.run("CREATE ROLE {} LOGIN PASSWORD 'weak'", name)
        stage.postgres.run("GRANT {} TO {} WITH ADMIN OPTION", stage.bench.group, name)
        stage.bench.backend = adapter(stage.postgres, Material({"username": name.encode(), "password": b"weak"}))
        with pytest.raises(Rejected, match=r"SQLSTATE 42501.*needs CREATEROLE") as refused:
            await stage.issue()
        assert "CREATE ROLE" not in everything(refused.value)
        assert stage.bench.things() == []

    play(scene)


def documented(name: str) -> str:
    """Return the statements of docs/postgresql.md for setting it up, about other names."""
    text = (Path(__file__).parents[2] / "docs/postgresql.md").read_text().partition("An administrator says")[0]
    found = "\n".join(re.findall(r"```sql\n(.*?)```", text, re.DOTALL))
    found = found.replace("\\password rekey", "ALTER ROLE rekey PASSWORD 'documented';")
    return re.sub(r"\b(rekey|orders|shop)\b", rf"\1_{name}", found)


def test_the_documented_rights_are_enough(play: Play) -> None:
    """With what docs/postgresql.md says to run, and no more, a version is made, used and revoked."""

    async def scene(stage: Stage) -> None:
        name = stage.bench.group
        stage.postgres.run("CREATE DATABASE {}", f"shop_{name}")
        stage.postgres.script(documented(name))
        login = Material({"username": f"rekey_{name}".encode(), "password": b"documented"})
        stage.bench.backend = adapter(stage.postgres, login, database=f"shop_{name}")
        held = await stage.issue(role=f"orders_{name}")
        await stage.bench.backend.prove(held)
        assert held.material is not None
        with closing(stage.client(held, f"shop_{name}")) as client:
            client.execute(f"CREATE TABLE orders_{name}.usual (number int)")
            client.execute("SET ROLE none")
            client.execute(f"CREATE TABLE orders_{name}.own (number int)")
            await stage.bench.backend.revoke(held)
        assert not stage.postgres.lets_in(held.material)
        assert stage.postgres.roles(f"orders_{name}") == []

    play(scene)
