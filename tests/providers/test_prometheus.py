"""The adapter that asks Prometheus keeps what its port promises, with a real server that behaves badly in every way."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rekey.core.material import Material
from rekey.core.usage import Reading
from rekey.errors import NotLeading
from rekey.ports.meter import Query
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.getting import Getter
from rekey.providers.http.prometheus import MOST, PrometheusMeter
from tests.providers.serving import Server, leads_here, serving
from tests.providers.test_http import OTHER, SHOP, Term, end
from tests.sim.conformance_of_meters import EXPRESSION, Call, MeterConformance, Office

TOKEN = "canary-token-4f9d2c7ab1e0"
WORD = "canary_metric_9f31"
Scene = Callable[["RealOffice"], Awaitable[Reading]]


def vector(*values: Any, **more: Any) -> bytes:
    """Return an answer with these samples."""
    result = [{"metric": {"pod": WORD}, "value": [1_700_000_000.1, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}, **more}).encode()


class RealOffice(Office):
    """A server on this host, under the name of a service; that this host may be asked is the tests' setting."""

    def __init__(self, server: Server, scheme: str = "http", **options: Any) -> None:
        self.server = server
        allowed = Allowed(["127.0.0.1/32"])
        self.meter = PrometheusMeter(Getter(allowed, **{"lookup": leads_here, **options}))
        self.url = f"{scheme}://till.orders.svc:{server.port}/below"

    def answers(self, *samples: float, partial: bool = False) -> None:
        texts = ["+Inf" if sample == float("inf") else f"{sample:g}" for sample in samples]
        self.says(vector(*texts, **({"warnings": ["a store is away"]} if partial else {})))

    def says(self, body: bytes, status: int = 200) -> None:
        """Let it answer with that body from now on."""

        async def behaviour(_: Server, writer: asyncio.StreamWriter) -> None:
            head = f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\nLocation: /next\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

        self.server.behaviour = behaviour

    def away(self) -> None:
        self.url = "http://till.orders.svc:1/"

    def asked(self) -> list[str]:
        parts = [urlsplit(line.split()[1]) for line in self.server.asked_for]
        assert {part.path for part in parts} <= {"/below/api/v1/query"}
        return [parse_qs(part.query)["query"][0] for part in parts]


def play(scene: Scene, tls: ssl.SSLContext | None = None, **options: Any) -> tuple[Reading, Server]:
    """Play a scene; return what came of it."""

    async def played() -> tuple[Reading, Server]:
        async with serving(tls) as server:
            return await scene(RealOffice(server, "https" if tls else "http", **options)), server

    return asyncio.run(played())


@pytest.fixture
def call() -> Call:
    """Play a scene at a fresh office."""

    def played(scene: Callable[[Office], Awaitable[None]]) -> None:
        async def whole(office: RealOffice) -> Reading:
            await scene(office)
            return Reading()

        play(whole)

    return played


class TestMeter(MeterConformance):
    """The adapter over aiohttp."""


MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": []}}
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1.0, "0"]}}
FAILED = {"status": "error", "errorType": WORD, "error": WORD, "data": {"resultType": "vector", "result": []}}
CURVE = {"metric": {}, "histogram": [1.0, {"count": "0", "sum": "0"}]}
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "cannot be read as samples"),
    "a page": (b"<html>" + WORD.encode(), "cannot be read as samples"),
    "half of an answer": (vector("0")[:-3], "cannot be read as samples"),
    "a list": (b"[]", "cannot be read as samples"),
    "a number": (b"0", "cannot be read as samples"),
    "null": (b"null", "cannot be read as samples"),
    "no data": (b'{"status":"success"}', "cannot be read as samples"),
    "a matrix": (json.dumps(MATRIX).encode(), "something else than a vector"),
    "a scalar": (json.dumps(SCALAR).encode(), "something else than a vector"),
    "a failure that has samples": (json.dumps(FAILED).encode(), "something else than a vector"),
    "a sample that is a word": (vector(WORD), "cannot be read as samples"),
    "a sample that is no text": (vector({"a": 1}), "cannot be read as samples"),
    "a sample of three parts": (vector("0").replace(b'"0"]', b'"0", "0"]'), "cannot be read as samples"),
    "a sample that is a histogram": (vector("0").replace(b"[{", f"[{json.dumps(CURVE)},{{".encode(), 1), "as samples"),
    "an abyss": (b"[" * 100_000, "cannot be read as samples"),
    "bytes that are no text": (b"\xff\xfe" * 10, "cannot be read as samples"),
    "more than a megabyte": (vector("0") + b" " * MOST, "more than 1 MiB"),
}


@pytest.mark.parametrize("case", BODIES)
def test_an_answer_that_says_nothing(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is no answer, it is said in our own words, and nothing of question or answer is in them or in a log."""
    caplog.set_level(logging.DEBUG)
    body, words = BODIES[case]

    async def scene(office: RealOffice) -> Reading:
        office.says(body)
        return await office.ask(expression=WORD)

    reading, _ = play(scene)
    assert reading.samples is None
    assert words in reading.trouble
    assert WORD not in reading.trouble + caplog.text


STATUSES = {
    302: "Prometheus answered 302",
    400: "mend `query`",
    401: "mend the token",
    403: "mend the token",
    404: "mend `url`",
    422: "mend `query`",
    429: "Prometheus answered 429",
    503: "Prometheus answered 503",
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_that_is_no_answer(status: int) -> None:
    """Samples beside it do not count, and nothing is followed."""

    async def scene(office: RealOffice) -> Reading:
        office.says(vector("0"), status)
        return await office.ask()

    reading, server = play(scene)
    assert reading.samples is None
    assert STATUSES[status] in reading.trouble
    assert len(server.asked_for) == 1


def test_a_body_without_end_is_not_waited_for() -> None:
    """What is of use is read, and no more."""

    async def floods(_: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    async def scene(office: RealOffice) -> Reading:
        office.server.behaviour = floods
        return await office.ask()

    assert "more than 1 MiB" in play(scene)[0].trouble


def test_a_server_that_never_ends_its_answer() -> None:
    """It is waited for no longer than was given."""

    async def dawdles(_: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await asyncio.Event().wait()

    async def scene(office: RealOffice) -> Reading:
        office.server.behaviour = dawdles
        return await office.ask(seconds=0.5)

    assert play(scene)[0] == Reading(trouble="Prometheus: no answer within 0.5 s")


def secret(office: RealOffice, token: str = TOKEN, url: str | None = None) -> Material:
    """Return a Secret with a token for that server, or for another URL."""
    return Material({"token": token.encode() + b"\n", "url": (url or office.url).encode() + b"\n", "more": b"x"})


def test_a_token_is_sent_where_it_belongs() -> None:
    """As bearer, to the URL that the Secret itself names."""

    async def scene(office: RealOffice) -> Reading:
        office.answers(1.0)
        return await office.ask(token=secret(office))

    reading, server = play(scene)
    assert reading == Reading((1.0,))
    assert server.shown == [f"Bearer {TOKEN}".encode()]


TOKENS: dict[str, tuple[Callable[[RealOffice], Material], str]] = {
    "for another host": (lambda office: secret(office, url="https://prometheus.monitoring.svc"), "names another URL"),
    "for another path": (lambda office: secret(office, url=office.url + "/api"), "names another URL"),
    "for the host alone": (lambda office: secret(office, url=office.url.removesuffix("/below")), "names another URL"),
    "for nowhere, such as a ServiceAccount's": (lambda _: Material({"token": TOKEN.encode()}), "names another URL"),
    "that is none": (lambda office: secret(office, " "), "cannot stand in a header"),
    "of two lines": (lambda office: secret(office, f"{TOKEN}\r\nX-Evil: 1"), "cannot stand in a header"),
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_is_not_sent(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is sent without it either, and no part of it is said."""
    caplog.set_level(logging.DEBUG)
    made, words = TOKENS[case]

    async def scene(office: RealOffice) -> Reading:
        office.answers()
        return await office.ask(token=made(office))

    reading, server = play(scene)
    assert reading.samples is None
    assert words in reading.trouble
    assert server.asked_for == []
    assert "canary" not in reading.trouble + caplog.text


def test_nobody_is_shown_a_token_that_we_had_not() -> None:
    """Without a Secret there is no such header."""

    async def scene(office: RealOffice) -> Reading:
        office.answers()
        return await office.ask()

    assert play(scene)[1].shown == [b""]


def test_tls_by_an_authority_of_our_own(tmp_path: Path) -> None:
    """With its `ca.crt` the server is known."""

    async def scene(office: RealOffice) -> Reading:
        office.answers(0.0)
        return await office.ask(authority=SHOP.material, token=secret(office))

    assert play(scene, tls=end(tmp_path))[0] == Reading((0.0,))


@pytest.mark.parametrize("authority", [None, OTHER.material], ids=["none", "another"])
def test_a_certificate_that_is_not_trusted(authority: Material | None, tmp_path: Path) -> None:
    """Nothing is sent, and nothing is taken for an answer."""

    async def scene(office: RealOffice) -> Reading:
        office.answers()
        return await office.ask(authority=authority, token=secret(office))

    reading, server = play(scene, tls=end(tmp_path))
    assert "certificate is not trusted" in reading.trouble
    assert server.shown == []


def test_who_does_not_lead_asks_nobody() -> None:
    """Nothing is sent."""

    async def scene(office: RealOffice) -> Reading:
        office.answers()
        with pytest.raises(NotLeading):
            await office.ask()
        return Reading()

    assert play(scene, lead=Term(0.0))[1].asked_for == []


def test_a_url_that_admission_would_refuse() -> None:
    """It is refused here too."""

    async def scene(office: RealOffice) -> Reading:
        query = Query("orders", "http://u:p@till.orders.svc/", EXPRESSION, 10.0)
        return await office.meter.read(query)

    assert play(scene)[0].trouble == "Prometheus: the URL must be https://host/path"
