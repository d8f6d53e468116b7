"""Where secrets of a client are never sent: addresses and tricks, by the endpoint that a provider declares."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from rekey.core.reasons import Reason
from rekey.errors import Rejected, RekeyError
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from tests.providers.authorizing import CLIENT, NOW, Desk, play
from tests.providers.serving import ELSEWHERE, HERE
from tests.providers.test_http_allowed import NEVER

PRIVATE = {
    "a private network": "10.0.0.7",
    "another private network": "172.31.255.255",
    "the third private network": "192.168.1.1",
    "the API server of most clusters": "10.96.0.1",
    "addresses of a carrier": "100.64.0.1",
    "benchmarks": "198.18.0.1",
    "examples": "203.0.113.7",
    "a private network of IPv6": "fd12:3456::1",
    "a private network, mapped": "::ffff:10.0.0.7",
    "a private network by NAT64": "64:ff9b::a00:7",
    "a private network by 6to4": "2002:a00:7::",
    "examples of IPv6": "2001:db8::1",
}
ADDRESSES = {**NEVER, **PRIVATE}
EVERYTHING = ["http://0.0.0.0/0", "http://::/0"]


def leading(*addresses: Address) -> Lookup:
    """Return a lookup by which every name leads there."""

    async def lookup(host: str, port: int) -> Sequence[Address]:
        del host, port
        return addresses

    return lookup


async def ask(desk: Desk, url: str, lookup: Lookup = addresses_of, allowed: Sequence[str] = ()) -> RekeyError:
    """Ask for a token there, and return why there is none."""
    login = Login(desk.declared(), CLIENT)
    with pytest.raises(RekeyError) as caught:
        await Roads(Allowed(allowed), "orders", lambda: NOW, lambda: 10.0, lookup).send(
            login.known, url, ({}, b""), 5.0
        )
    return caught.value


def refused(url: str, lookup: Lookup = addresses_of, allowed: Sequence[str] = ()) -> str:
    """Return why nothing is sent there; see that nothing was."""
    said: list[str] = []

    async def scene(desk: Desk) -> None:
        error = await ask(desk, url.replace("PORT", str(desk.server.port)), lookup, allowed)
        assert isinstance(error, Rejected), error
        assert error.reason == Reason.PROVIDER_NOT_READY
        said.append(str(error))

    assert play(scene).server.asked_for == []
    return said[0]


def test_the_table_is_long_enough() -> None:
    """Thirty at least, without the tricks."""
    assert len(set(ADDRESSES.values())) >= 30


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_to_which_nothing_is_sent(case: str) -> None:
    """Under a name of the whole world that was declared, and even if one of its addresses is public."""
    public = ip_address("93.184.215.14")
    shut = refused("https://idp.example.com/token", leading(public, ip_address(ADDRESSES[case])))
    assert "REKEY_PROBE_ALLOWED" in shut


@pytest.mark.parametrize("case", NEVER)
def test_an_address_that_a_wide_entry_does_not_open(case: str) -> None:
    """A network allows what is private, but not this host, its link and metadata."""
    assert "never asked" in refused("https://idp.example.com/", leading(ip_address(NEVER[case])), EVERYTHING)


TRICKS = {
    "this host by name": "https://localhost:PORT/",
    "this host, shortened": "https://127.1:PORT/",
    "this host as a number": "https://2130706433:PORT/",
    "this host in hexadecimals": "https://0x7f000001:PORT/",
    "this host in octals": "https://0177.0.0.1:PORT/",
    "this host by IPv6": "https://[::1]:PORT/",
    "this host, mapped": "https://[::ffff:127.0.0.1]:PORT/",
    "a login in the URL": "https://idp.example.com:x@127.0.0.1:PORT/",
    "a name before an at": "https://idp.example.com@127.0.0.1:PORT/",
    "a file": "file:///etc/passwd",
    "another protocol": "ftp://127.0.0.1:PORT/",
    "no host": "https:///token",
}


@pytest.mark.parametrize("case", TRICKS)
def test_a_trick(case: str) -> None:
    """Names are looked up for real here."""
    refused(TRICKS[case])


PLAIN: dict[str, tuple[str, Address, list[str], bool]] = {
    "a public name": ("idp.example.com", ip_address("93.184.215.14"), [], True),
    "a service of the own namespace": ("idp.orders.svc", ip_address("10.96.0.7"), [], True),
    "an entry that does not say so": (
        "idp.example.com",
        ip_address("10.0.0.7"),
        ["idp.example.com", "10.0.0.0/8"],
        True,
    ),
    "this host, opened without saying so": ("localhost", HERE, ["127.0.0.0/8"], True),
    "this host, opened": ("localhost", HERE, ["http://127.0.0.0/8"], False),
}


@pytest.mark.parametrize("case", PLAIN)
def test_http_without_tls(case: str) -> None:
    """Only where an entry says so: the client's secret is in the request."""
    host, address, allowed, shut = PLAIN[case]
    why = Allowed(allowed).refusal("orders", "http", host, 80, [address], declared=True)
    assert ("http:// is not allowed" in str(why)) if shut else why is None


DECLARED: dict[str, tuple[str, str, list[str], bool]] = {
    "a public name": ("idp.example.com", "93.184.215.14", [], True),
    "a public name of IPv6": ("idp.example.com", "2606:2800:21f:cb07::1", [], True),
    "a service of the own namespace": ("idp.orders.svc", "10.96.0.7", [], True),
    "a service of another namespace": ("idp.shop.svc", "10.96.0.7", [], False),
    "a service of another namespace that is allowed": ("idp.shop.svc", "10.96.0.7", ["idp.shop.svc"], True),
    "a private name that is allowed": ("idp.example.com", "10.0.0.7", ["*.example.com"], True),
}


@pytest.mark.parametrize("case", DECLARED)
def test_a_name_that_was_declared(case: str) -> None:
    """Public addresses need no entry; others are named once more, by who runs the operator."""
    host, address, allowed, open_ = DECLARED[case]
    why = Allowed(allowed).refusal("orders", "https", host, 443, [ip_address(address)], declared=True)
    assert (why is None) == open_


def test_a_service_of_the_own_namespace_is_not_asked_without_tls() -> None:
    """Though a probe may: it shows no secret of the operator's."""
    words = "http:// is not allowed for idp.orders.svc:80"
    assert words in refused("http://idp.orders.svc/token", leading(ip_address("10.96.0.7")))


def test_a_name_that_leads_elsewhere_a_moment_later() -> None:
    """It is looked up once: what was judged is what is connected to."""
    answers = [[HERE], [ELSEWHERE]]

    async def lookup(host: str, port: int) -> Sequence[Address]:
        del host, port
        return answers.pop(0)

    async def scene(desk: Desk) -> None:
        url = f"http://idp.example.com:{desk.server.port}/token"
        answer = await Roads(Allowed(["http://127.0.0.1/32"]), "orders", lambda: NOW, lambda: 10.0, lookup).send(
            Login(desk.declared(), CLIENT).known, url, ({}, b""), 5.0
        )
        assert answer.status == 200

    assert play(scene).server.asked_for == ["POST /token HTTP/1.1"]
    assert answers == [[ELSEWHERE]]
