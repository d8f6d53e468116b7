"""A real PostgreSQL server on this host for the tests: one for each process that runs tests, gone with it.

It runs as a user without rights, takes SCRAM only, with TLS and without, and forgets everything at the end. Into one
database it lets only who shows a certificate besides.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

from rekey.core.material import Issued, Material
from rekey.core.spec_backend import PostgresqlServer
from tests.cluster import ports
from tests.cluster.waiting import until
from tests.providers.making import make

MISSING: Final = "no PostgreSQL server on this machine (Debian: apt-get install postgresql)"
ADMIN: Final = "rekey"
GUARDED: Final = "guarded"
"""The database for those who show a certificate."""
_SETTINGS: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=100",
    "ssl=on",
    "ssl_ca_file=clients.crt",
    "log_statement=all",
)


@cache
def authority() -> Issued:
    """Return what the server shows, and its authority: it is good for the name, and not for the address."""
    return make("certificate", commonName="localhost", dnsNames=["localhost"])


@cache
def client() -> Issued:
    """Return a certificate that the server knows, and its authority."""
    return make("certificate", commonName="rekey", usages=["ClientAuth"])


@dataclass
class Postgres:
    """A server that runs."""

    port: int
    secret: str
    log: Path
    _open: dict[str, psycopg.Connection] = field(default_factory=dict)

    def run(self, statement: str, *names: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Do something as the superuser; `{}` stands for a name, quoted."""
        if database not in self._open:
            self._open[database] = psycopg.connect(self.text("postgres", self.secret, database), autocommit=True)
        found = self._open[database].execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return found.fetchall() if found.description else []

    def script(self, text: str) -> None:
        """Run what a person would paste into psql."""
        argv = ("psql", "-q", "-v", "ON_ERROR_STOP=1", self.text("postgres", self.secret))
        subprocess.run(argv, input=text, text=True, check=True)

    def close(self) -> None:
        """Hang up."""
        while self._open:
            self._open.popitem()[1].close()

    def text(self, user: str, password: str, database: str = "postgres") -> str:
        """Return how a client connects."""
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user} password={password} connect_timeout=5"

    def server(self, **more: Any) -> PostgresqlServer:
        """Return how a provider names it."""
        fields = {"host": "127.0.0.1", "port": self.port, "tls": "None", "secretName": "login", **more}
        return PostgresqlServer.model_validate(fields)

    @property
    def login(self) -> Material:
        """By what the adapter logs in."""
        return Material({"username": ADMIN.encode(), "password": self.secret.encode()})

    def group(self) -> str:
        """Make a group role that credentials may name, and return its name."""
        name = f"g_{secrets.token_hex(4)}"
        self.run("CREATE ROLE {}", name)
        self.run("GRANT {} TO {} WITH ADMIN OPTION", name, ADMIN)
        return name

    def roles(self, group: str) -> list[str]:
        """Return the roles that are called after the group."""
        found = self.run("SELECT rolname FROM pg_roles ORDER BY oid")
        return [name for (name,) in found if name.startswith(f"{group}_v")]

    def lets_in(self, material: Material | None) -> bool:
        """Say whether a client with that user name and password is let in."""
        values = {key: value.decode() for key, value in (material or Material({})).reveal().items()}
        try:
            psycopg.connect(self.text(values["username"], values["password"])).close()
        except psycopg.OperationalError:
            return False
        return True

    def sessions(self, role: str) -> int:
        """Return how many connections a role has."""
        return sum(1 for (name,) in self.run("SELECT usename FROM pg_stat_activity") if name == role)


def programs() -> Path | None:
    """Return where the newest server's programs are."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in found), key=lambda path: float(path.parent.name), default=None)


@contextmanager
def running() -> Iterator[Postgres]:
    """Give a server, and stop it."""
    where = programs()
    if where is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="rekey-postgres-"))
    found = Postgres(ports.free(1)[0], secrets.token_hex(16), folder / "log")
    try:
        _prepare(folder, where, found)
        with found.log.open("wb") as log:
            settings = [f"--{setting}" for setting in (*_SETTINGS, f"unix_socket_directories={folder}")]
            # It dies with us, `kill -9` included.
            argv = [
                *_as_nobody("--pdeathsig", "KILL"),
                where / "postgres",
                "-D",
                folder / "data",
                "-p",
                str(found.port),
            ]
            child = subprocess.Popen([*argv, *settings], cwd=folder, stdout=log, stderr=log)
        try:
            until(lambda: child.poll() is not None or _answers(found), "PostgreSQL", seconds=30)
            assert child.poll() is None, found.log.read_text()
            found.run("CREATE ROLE {} LOGIN CREATEROLE PASSWORD " + f"'{found.secret}'", ADMIN)
            found.run("CREATE DATABASE {}", GUARDED)
            yield found
        finally:
            found.close()
            child.terminate()
            child.kill() if _patient(child) is None else None
            child.wait()
    finally:
        shutil.rmtree(folder)


def _patient(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(5)
    except subprocess.TimeoutExpired:
        return None


def _prepare(folder: Path, where: Path, found: Postgres) -> None:
    values = authority().material.reveal()
    clients = client().material.reveal()["ca.crt"]
    shown = {"server.key": values["tls.key"], "server.crt": values["tls.crt"], "clients.crt": clients}
    for name, content in shown.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    (folder / "secret").write_text(found.secret)
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    options = ("--no-sync", "--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--locale=C")
    argv = (*_as_nobody(), where / "initdb", "-D", folder / "data", *options, f"--pwfile={folder / 'secret'}")
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    for name in shown:
        shutil.move(folder / name, folder / "data" / name)
    rules = folder / "data" / "pg_hba.conf"
    guard = f"hostssl {GUARDED} all all scram-sha-256 clientcert=verify-ca\nhostnossl {GUARDED} all all reject\n"
    rules.write_text(guard + rules.read_text())


def _as_nobody(*more: str) -> Sequence[str | Path]:
    """Return what to put before a server's program: it refuses to run as root."""
    who = ("--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()
    return ("setpriv", *who, *more, "--")


def _answers(found: Postgres) -> bool:
    try:
        found.run("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give the server that all tests of this process share; without its programs they are skipped, loudly."""
    with running() as found:
        yield found
