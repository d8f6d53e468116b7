"""Where the log-in of a PostgreSQL server is never sent: the table of the token endpoints holds for it as well."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import closing
from ipaddress import ip_address

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_backend import PostgresqlServer
from rekey.errors import Rejected, Retryable
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of
from rekey.providers.postgresql import Postgresql
from rekey.providers.postgresql.login import Place, Way
from tests.providers.postgres import Postgres, authority
from tests.providers.serving import ELSEWHERE, HERE
from tests.providers.test_http_allowed import NEVER
from tests.providers.test_oauth2_ssrf import ADDRESSES, EVERYTHING, leading

pytestmark = pytest.mark.xdist_group("postgres")
LOGIN = Material({"username": b"rekey", "password": b"canary"})


def asked(host: str, way: Way, port: int = 5432, trusts: Material | None = None, login: Material = LOGIN) -> None:
    """Log in there once."""
    server = PostgresqlServer.model_validate({"host": host, "port": port, "secretName": "login"})
    asyncio.run(Postgresql(Place(server, trusts, way), login, lambda: 20.0, lambda: LOGIN).find("uid"))


def refused(host: str, lookup: Lookup = addresses_of, allowed: Sequence[str] = ()) -> str:
    """Return why nobody is connected to there; see that nobody was, on a port on which all of this host listens."""
    with closing(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as listening:
        listening.settimeout(0)
        with pytest.raises(Rejected) as caught:
            asked(host, Way(Allowed(allowed), "orders", lookup), listening.getsockname()[1])
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert caught.value.reason == Reason.PROVIDER_NOT_READY
    return str(caught.value)


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_to_which_nothing_is_sent(case: str) -> None:
    """Under a name of the whole world, and even if one of its addresses is public."""
    public = ip_address("93.184.215.14")
    assert "REKEY_PROBE_ALLOWED" in refused("db.example.com", leading(public, ip_address(ADDRESSES[case])))


@pytest.mark.parametrize("case", NEVER)
def test_an_address_that_a_wide_entry_does_not_open(case: str) -> None:
    """A network allows what is private, but not this host, its link and metadata."""
    assert "never asked" in refused("db.example.com", leading(ip_address(NEVER[case])), EVERYTHING)


TRICKS = {
    "this host by name": "localhost",
    "this host, shortened": "127.1",
    "this host as a number": "2130706433",
    "this host in hexadecimals": "0x7f000001",
    "this host in octals": "0177.0.0.1",
    "this host by IPv6": "::1",
    "this host, mapped": "::ffff:127.0.0.1",
    "no address": "0",
}


@pytest.mark.parametrize("case", TRICKS)
def test_a_trick(case: str) -> None:
    """Names are looked up for real here."""
    refused(TRICKS[case])


DECLARED: dict[str, tuple[str, str, list[str], bool]] = {
    "a public name": ("db.example.com", "93.184.215.14", [], True),
    "a service of the own namespace": ("db.orders.svc", "10.96.0.7", [], True),
    "a service of another namespace": ("db.shop.svc", "10.96.0.7", [], False),
    "a service of another namespace that is allowed": ("db.shop.svc", "10.96.0.7", ["db.shop.svc:5432"], True),
    "that service at another port": ("db.shop.svc", "10.96.0.7", ["db.shop.svc:5433"], False),
    "a private name that is allowed": ("db.example.com", "10.0.0.7", ["*.example.com"], True),
    "a private network that is allowed": ("db.example.com", "10.0.0.7", ["10.0.0.0/8"], True),
    "this host, opened": ("127.0.0.1", "127.0.0.1", ["127.0.0.0/8"], True),
}


@pytest.mark.parametrize("case", DECLARED)
def test_a_host_that_was_declared(case: str) -> None:
    """Public addresses need no entry; others are named once more, by who runs the operator."""
    host, address, allowed, open_ = DECLARED[case]
    way = Way(Allowed(allowed), "orders", leading(ip_address(address)))
    place = Place(PostgresqlServer.model_validate({"host": host, "secretName": "login"}), None, way)
    if open_:
        assert asyncio.run(place.where()) == {"host": host, "hostaddr": address, "port": "5432"}
    else:
        with pytest.raises(Rejected, match="ask an administrator"):
            asyncio.run(place.where())


def test_a_name_that_leads_nowhere() -> None:
    """It may lead somewhere later."""
    with pytest.raises(Retryable, match="no connection"):
        asked("db.invalid", Way(Allowed(), "orders"))


def test_a_name_that_leads_elsewhere_a_moment_later(postgres: Postgres) -> None:
    """It is looked up once: what was judged is what is connected to, for the certificate of the name."""
    answers = [[HERE], [ELSEWHERE]]

    async def lookup(host: str, port: int) -> Sequence[Address]:
        del host, port
        return answers.pop(0)

    way = Way(Allowed(["127.0.0.1/32"]), "orders", lookup)
    asked("localhost", way, postgres.port, authority().material, postgres.login)
    assert answers == [[ELSEWHERE]]


def test_a_name_that_only_our_lookup_knows(postgres: Postgres) -> None:
    """Nobody looks it up again: the server is reached, and its certificate is another name's."""
    way = Way(Allowed(["127.0.0.1/32"]), "orders", leading(HERE))
    with pytest.raises(Rejected, match="certificate"):
        asked("db.invalid", way, postgres.port, authority().material, postgres.login)
