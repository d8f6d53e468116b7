"""Logging in to a PostgreSQL server: one connection for one piece of work, which ends in time.

1. A password is sent to nobody: both sides show that they know it (SCRAM), or there is no connection.
2. The library's errors hold the password of a log-in and may quote statements: nothing of them is kept, not even as the
   context of another error, so whatever is raised here is raised when they have been dealt with.
3. The name is looked up once, every address is judged, and only these are connected to.
4. When the time is over the connection is cut: the library's own way would first ask the server to stop.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_backend import PostgresqlServer, Tls
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import PAIR, Lookup, addresses_of, is_readable

T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_REFUSED: Final = re.compile(r"password authentication failed|is not permitted to log in|role .* does not exist")
_TO_MEND: Final = {
    r"authentication method requirement": "does not ask for a password by SCRAM: see its pg_hba.conf (scram-sha-256)",
    r"pg_hba\.conf": "lets nobody of that name in from here: add a line to its pg_hba.conf",
    r"database .* does not exist": "has no such database: see `database` of the provider",
    r"permission denied for database": "lets the role not into the database: GRANT CONNECT ON DATABASE … TO the role",
    r"does not support SSL": "offers no TLS: switch it on there (`ssl = on`)",
    r"client certificate|private key|(?<!root )certificate file|alert (\w+ )*(certificate|unknown ca)": "does not "
    "accept the certificate that we show: see `certificateSecretName` of the provider, and what that Secret has",
    r"certificate": "shows a certificate that is not trusted, or is another name's: see `host` and `caSecretName`",
}
"""What a person must mend, by the text of a failed log-in, which has no code; names are taken out of it first."""


@dataclass(frozen=True)
class Way:
    """Where connections for a namespace may lead."""

    allowed: Allowed
    namespace: str
    lookup: Lookup = addresses_of


@dataclass(frozen=True)
class Place:
    """A server, how it is known, and what we show it in TLS."""

    server: PostgresqlServer
    authority: Material | None
    way: Way
    certificate: Material | None = None

    def __post_init__(self) -> None:
        if self.server.tls is Tls.NONE and not _is_loopback(self.server.host):
            raise Rejected(
                Reason.PROVIDER_NOT_READY, f"{self}: `tls: None` is for a loopback address only; use VerifyFull"
            )

    def __str__(self) -> str:
        return f"PostgreSQL at {self.server.host}:{self.server.port}"

    async def where(self) -> dict[str, str]:
        """Return what the library must know to connect to addresses that were judged, and to nothing else.

        Raises:
            Rejected: nothing may be sent there.
            OSError, UnicodeError: the name leads nowhere.
        """
        host, port = self.server.host, self.server.port
        addresses = await self.way.lookup(host, port)
        # Not `http`: whether it may be in the clear has a rule of its own above, which no setting loosens.
        if why := self.way.allowed.refusal(self.way.namespace, "https", host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(map(str, addresses)), "port": str(port)}

    @contextmanager
    def trust(self) -> Iterator[dict[str, str]]:
        """Give what the library must know of TLS; it reads authorities, and what we show, from files only."""
        if self.server.tls is Tls.NONE:
            yield {"sslmode": "disable"}
            return
        known = {"sslmode": "verify-full", "ssl_min_protocol_version": "TLSv1.2", "sslcertmode": "disable"}
        known["sslrootcert"] = _authorities_of_the_image()
        with ExitStack() as files:
            if self.authority is not None:
                known["sslrootcert"] = files.enter_context(_in_memory(self.authority, "ca.crt"))
            if self.certificate is not None:
                self._demand_pair(self.certificate)
                known["sslcertmode"] = "allow"
                known["sslcert"] = files.enter_context(_in_memory(self.certificate, "tls.crt"))
                known["sslkey"] = files.enter_context(_in_memory(self.certificate, "tls.key"))
            yield known

    def _demand_pair(self, certificate: Material) -> None:
        # The library would ask for the password of a key where we were started, and wait.
        if not is_readable(certificate):
            where = f"Secret {self.server.certificate_secret_name}"
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} has no {PAIR}")


@contextmanager
def _in_memory(material: Material, key: str) -> Iterator[str]:
    """Give a file that only we can read, and that is on no disk."""
    handle = os.memfd_create("rekey")
    try:
        os.fchmod(handle, 0o600)  # the library wants that of a private key
        os.write(handle, material.reveal().get(key, b""))
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _authorities_of_the_image() -> str:
    # The library's wheel has an OpenSSL of its own, whose default place is empty.
    paths = ssl.get_default_verify_paths()
    return paths.cafile or str(Path(paths.capath or "/etc/ssl/certs") / "ca-certificates.crt")


@dataclass(frozen=True)
class Who:
    """Whom to log in as; `refused` says what it means if the server does not want them."""

    material: Material
    refused: Callable[[str], RekeyError]

    def parameters(self) -> dict[str, str]:
        """Return what the library must know of them."""
        values = self.material.reveal()
        return {"user": values["username"].decode(), "password": values["password"].decode()}

    def is_complete(self) -> bool:
        """Tell whether that can be made of what is there."""
        with suppress(KeyError, UnicodeDecodeError):
            return all(self.parameters().values())
        return False


async def logged_in(
    place: Place, who: Who, seconds: float, doing: str, work: Callable[[Connection], Awaitable[T]]
) -> T:
    """Do a piece of work with a connection of its own; whatever goes wrong is one of our errors."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    connection = await _connect(place, who, seconds)
    trouble: RekeyError
    cut = loop.call_at(end, _cut, connection)
    try:
        return await work(connection)
    except psycopg.Error as error:
        trouble = _meaning(error, place, doing)
    finally:
        cut.cancel()
        await connection.close()
    raise trouble


async def _connect(place: Place, who: Who, seconds: float) -> Connection:
    trouble: RekeyError
    try:
        with place.trust() as trust:
            async with asyncio.timeout(seconds):
                text = make_conninfo(
                    dbname=place.server.database,
                    **await place.where(),
                    **who.parameters(),
                    **trust,
                    require_auth="scram-sha-256",
                    gssencmode="disable",
                    application_name="rekey",
                    options=f"-c search_path=pg_catalog -c statement_timeout={max(1, int(seconds * 1000))}",
                )
                return await psycopg.AsyncConnection.connect(text, autocommit=True, prepare_threshold=None)
    except TimeoutError:
        trouble = Retryable(f"{place}: no connection within {seconds:.1f} s")
    except psycopg.Error as error:
        trouble = meaning_of_refusal(str(error), place, who)
    except (OSError, UnicodeError):
        trouble = Retryable(f"{place}: no connection")
    raise trouble


def _cut(connection: Connection) -> None:
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def meaning_of_refusal(text: str, place: Place, who: Who) -> RekeyError:
    """Return what the library's text about a failed log-in means; in another language it passes for an outage."""
    nameless = re.sub(r'"[^"]*"', '""', text).replace(place.server.host, "")
    if _REFUSED.search(nameless):
        return who.refused(f"{place} refuses the log-in")
    for pattern, what in _TO_MEND.items():
        if re.search(pattern, nameless):
            return Rejected(Reason.BACKEND_REFUSED, f"{place} {what}")
    return Retryable(f"{place}: no connection; it is away, or takes no more of them")


_PASSING: Final = ("25", "40", "53", "55", "57", "58", "XX")
"""Classes of SQLSTATE that pass: read-only for now, a conflict, too few resources, in use, cancelled, its disk."""
_HINTS: Final = {
    "42501": ": the role we log in by needs CREATEROLE, INHERIT, and the group role WITH ADMIN OPTION",
    "2BP01": ": it has rights or settings that we may not take; as a superuser do DROP OWNED BY that role",
}


def _meaning(error: psycopg.Error, place: Place, doing: str) -> RekeyError:
    state = error.sqlstate
    if state is None or state.startswith(("08", "57P")):
        return NoAnswer(f"{place}: the connection ended while we were to {doing}")
    said = f"{place}: cannot {doing} ({type(error).__name__}, SQLSTATE {state})"
    if state.startswith(_PASSING):
        return Retryable(said)
    return Rejected(Reason.BACKEND_REFUSED, said + _HINTS.get(state, ""))
