"""The adapter that asks services, with a real server on this host that behaves badly in every way."""

from __future__ import annotations

import asyncio
import logging
import ssl
import warnings
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.probing import Reply
from rekey.errors import NotLeading
from rekey.ports.prober import Question
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.getting import Getter, addresses_of
from rekey.providers.http.prober import HttpProber
from tests.providers.making import files, make
from tests.providers.serving import ELSEWHERE, HERE, Behaviour, Server, leads_here, serving

CANARY = "canary-4f9d2c7ab1e0"
VALUE = Material({"Authorization": f"Bearer {CANARY}".encode()})
SHOP = make("certificate", commonName="till", dnsNames=["till.orders.svc"])
OTHER = make("certificate", commonName="other", dnsNames=["other.orders.svc"])
Scene = Callable[[Server], Awaitable[Reply]]


def prober(**options: Any) -> HttpProber:
    """Return the adapter, which may ask this host."""
    return HttpProber(Getter(Allowed(["127.0.0.1/32"]), **{"lookup": leads_here, **options}))


async def ask(server: Server, asks: HttpProber | None = None, scheme: str = "http", **more: Any) -> Reply:
    """Ask the server under the name of a service."""
    url = more.pop("url", f"{scheme}://till.orders.svc:{server.port}/whoami")
    return await (asks or prober()).ask(Question("orders", url, VALUE, **{"seconds": 10.0, **more}))


def play(scene: Scene, behaviour: Behaviour | None = None, tls: ssl.SSLContext | None = None) -> tuple[Reply, Server]:
    """Play a scene with a server; return what came of it."""

    async def played() -> tuple[Reply, Server]:
        async with serving(tls) as server:
            server.behaviour = behaviour
            return await scene(server), server

    return asyncio.run(played())


def end(folder: Path, issued: Any = SHOP) -> ssl.SSLContext:
    """Return the server's end of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = files(folder, issued.material)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    return context


async def _ends(_: Server, writer: asyncio.StreamWriter) -> None:
    """Say nothing and hang up."""
    writer.write(b"")


async def _lies(_: Server, writer: asyncio.StreamWriter) -> None:
    """Repeat what was shown, as no answer at all."""
    writer.write(f"You said Bearer {CANARY}\r\n\r\n".encode())
    await writer.drain()


async def _boasts(_: Server, writer: asyncio.StreamWriter) -> None:
    """Answer with a header of a megabyte."""
    writer.write(b"HTTP/1.1 200 OK\r\nX: " + CANARY.encode() * 50_000 + b"\r\n\r\n")
    await writer.drain()


async def _sleeps(_: Server, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    del writer
    await asyncio.Event().wait()


async def _floods(_: Server, writer: asyncio.StreamWriter) -> None:
    """Answer, and send without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
    while True:
        writer.write(CANARY.encode() * 4096)
        await writer.drain()


TROUBLE: dict[str, tuple[Behaviour, str]] = {
    "who hangs up": (_ends, "without an answer that can be read"),
    "who repeats what was said": (_lies, "without an answer that can be read"),
    "who boasts": (_boasts, "without an answer that can be read"),
    "who never answers": (_sleeps, "no answer within 0.5 s"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_a_server_that_behaves_badly(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is no refusal, it is said in our own words, and nothing of the value or the answer is in them or in a log."""
    caplog.set_level(logging.DEBUG)
    behaviour, words = TROUBLE[case]
    reply, _ = play(lambda server: ask(server, seconds=0.5 if behaviour is _sleeps else 10.0), behaviour)
    assert (reply.status, reply.forbidden) == (None, False)
    assert words in reply.trouble
    assert CANARY not in reply.trouble + caplog.text


def test_a_body_without_end_is_not_read() -> None:
    """The status is all that counts."""
    reply, _ = play(ask, _floods)
    assert reply == Reply(200)


def test_a_redirect_is_not_followed() -> None:
    """It is asked once, for the path that was named."""
    reply, server = play(lambda server: ask(_sent_away(server)))
    assert reply == Reply(302)
    assert server.asked_for == ["GET /whoami HTTP/1.1"]


def _sent_away(server: Server) -> Server:
    server.status_of = lambda _: 302
    return server


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a login from a netrc."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    reply, server = play(ask)
    assert reply == Reply(200)
    assert server.shown == [f"Bearer {CANARY}".encode()]


def test_a_name_that_leads_elsewhere_a_moment_later() -> None:
    """It is looked up once, judged, and connected to: the second answer is never asked for."""
    answers = [[HERE], [ELSEWHERE]]

    async def lookup(host: str, port: int) -> Sequence[Address]:
        del host, port
        return answers.pop(0)

    reply, server = play(lambda server: ask(server, prober(lookup=lookup)))
    assert reply == Reply(200)
    assert answers == [[ELSEWHERE]]
    assert len(server.shown) == 1


def test_one_address_of_many_that_is_not_allowed() -> None:
    """A name that leads to an allowed and to a forbidden address is not asked at all."""

    async def lookup(host: str, port: int) -> Sequence[Address]:
        del host, port
        return [ELSEWHERE, HERE]

    reply, server = play(lambda server: ask(server, HttpProber(Getter(Allowed(), lookup=lookup))))
    assert reply.forbidden
    assert server.shown == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_this_host_is_not_asked_unless_it_is_allowed(host: str) -> None:
    """By whatever name: names are looked up for real here."""
    asks = HttpProber(Getter(Allowed([host] if host[0] != "[" else []), lookup=addresses_of))
    reply, server = play(lambda server: ask(server, asks, url=f"http://{host}:{server.port}/"))
    assert reply.forbidden
    assert server.shown == []


def test_an_address_that_is_allowed_is_asked() -> None:
    """Without TLS, as the entry says; looked up for real."""
    asks = HttpProber(Getter(Allowed(["http://127.0.0.0/8"])))
    reply, _ = play(lambda server: ask(server, asks, url=f"http://127.0.0.1:{server.port}/"))
    assert reply == Reply(200)


def test_a_name_that_leads_nowhere() -> None:
    """It is said so; it may come later."""
    reply, _ = play(lambda server: ask(server, HttpProber(Getter(Allowed())), url="http://nothing.orders.svc:1/"))
    assert (reply.status, reply.forbidden) == (None, False)
    assert "leads nowhere" in reply.trouble


@pytest.mark.parametrize("url", ["http://u:p@till.orders.svc/", "ftp://till.orders.svc/", "http:///x", "file:///etc"])
def test_a_url_that_admission_would_refuse(url: str) -> None:
    """It is refused here too."""
    reply, _ = play(lambda server: ask(server, url=url))
    assert reply.forbidden


def test_tls_by_an_authority_of_our_own(tmp_path: Path) -> None:
    """With its `ca.crt` the server is known."""
    reply, _ = play(lambda server: ask(server, scheme="https", authority=SHOP.material), tls=end(tmp_path))
    assert reply == Reply(200)


UNKNOWN: dict[str, tuple[Any, Any]] = {
    "an authority that nobody named": (SHOP, None),
    "another authority": (SHOP, OTHER.material),
    "another name": (OTHER, OTHER.material),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_certificate_that_is_not_trusted(case: str, tmp_path: Path) -> None:
    """Nothing is sent."""
    shows, trusted = UNKNOWN[case]
    tls = end(tmp_path, shows)
    reply, server = play(lambda server: ask(server, scheme="https", authority=trusted), tls=tls)
    assert (reply.status, reply.forbidden) == (None, False)
    assert "certificate is not trusted" in reply.trouble
    assert server.shown == []


def test_an_old_tls_is_refused(tmp_path: Path) -> None:
    """A server that speaks nothing newer than 1.1 is not spoken to."""
    tls = end(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("ALL:@SECLEVEL=0")
    reply, server = play(lambda server: ask(server, scheme="https", authority=SHOP.material), tls=tls)
    assert (reply.status, reply.forbidden) == (None, False)
    assert server.shown == []
    assert play(_speak_of_old, tls=tls)[0] == Reply(200)


async def _speak_of_old(server: Server) -> Reply:
    """Ask as a client that minds no version: the server would answer."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=lax)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    line = await reader.readline()
    writer.transport.abort()
    return Reply(int(line.split()[1]))


def test_tls_that_is_none() -> None:
    """A server without TLS is shown nothing by https."""
    reply, server = play(lambda server: ask(server, scheme="https", seconds=0.5))
    assert (reply.status, reply.forbidden) == (None, False)
    assert server.shown == []


@pytest.mark.parametrize("text", [CANARY, "", " \n"])
def test_an_authority_that_cannot_be_read(text: str) -> None:
    """It is said, without a word of it; one that is empty does not stand for every authority of the system."""
    broken = Material({"ca.crt": text.encode()})
    reply, _ = play(lambda server: ask(server, scheme="https", authority=broken))
    assert reply.trouble == "ca.crt cannot be read"


class Term:
    """A lead that lasts so long, look by look."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    def remaining(self, namespace: str) -> float:
        assert namespace == "orders"
        return self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]


@pytest.mark.parametrize("term", [(0.0,), (-3.0,), (5.0, 0.0)], ids=["over", "long over", "over after the lookup"])
def test_who_does_not_lead_asks_nobody(term: tuple[float, ...]) -> None:
    """Nothing is sent."""

    async def scene(server: Server) -> Reply:
        with pytest.raises(NotLeading):
            await ask(server, prober(lead=Term(*term)))
        return Reply(0)

    _, server = play(scene)
    assert server.shown == []


def test_no_answer_is_waited_for_longer_than_we_lead() -> None:
    """Though the spec would give it half a minute."""
    reply, _ = play(lambda server: ask(server, prober(lead=Term(0.5)), seconds=30.0), _sleeps)
    assert reply.trouble == "no answer within 0.5 s"
