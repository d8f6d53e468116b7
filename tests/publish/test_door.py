"""Slow, greedy and rude clients cost little, and others do not notice them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rekey.app.publish import door
from tests.app.eventually import eventually
from tests.publish.opened import Open, play

JWKS = "/v1/namespaces/shop/orders/jwks.json"
ASK = f"GET {JWKS} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
TOO_MUCH = {
    "a line that does not end": b"GET /" + b"a" * 5_000,
    "a header that does not end": b"GET / HTTP/1.1\r\nA: " + b"a" * 5_000,
    "more headers than anybody needs": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a length that is none": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
}


@asynccontextmanager
async def line(here: Open) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give a connection of which every byte is the test's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.door.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection is closed."""
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is answered with a refusal and closed, without a line in the log, and others are served."""

    async def scene(here: Open) -> None:
        async with line(here) as (reader, writer):
            writer.write(TOO_MUCH[name])
            assert (await ended(reader)).startswith(b"HTTP/1.0 400 ")
        assert (await here.get(JWKS))[0] == 200

    play(scene)
    assert [record for record in caplog.records if record.name.startswith(("rekey", "aiohttp"))] == []


def test_a_slow_request_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not asked in time is cut off, whatever has trickled in."""
    monkeypatch.setattr(door, "PATIENCE", 0.2)

    async def scene(here: Open) -> None:
        async with line(here) as (reader, writer):
            writer.write(ASK[:20])
            assert await ended(reader) == b""
        assert (await here.get(JWKS))[0] == 200

    play(scene)


def test_an_old_connection_is_closed_after_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that keeps its connection is told to take a new one before the old one is cut."""

    async def scene(here: Open) -> None:
        async with line(here) as (reader, writer):
            writer.write(ASK)
            assert b"200 OK" in await reader.readline()
            monkeypatch.setattr(door, "OLD", -1.0)
            writer.write(ASK)
            rest = await ended(reader)
        assert b"HTTP/1.1 200 OK" in rest
        assert b"Connection: close" in rest

    play(scene)


def test_who_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection has an end, whatever goes on in it."""
    monkeypatch.setattr(door, "PATIENCE", 3600.0)

    async def scene(here: Open) -> None:
        async with line(here) as (reader, writer):
            writer.write(ASK)
            await reader.readline()
            here.door.sweep()
            assert not reader.at_eof()
            monkeypatch.setattr(door, "TOO_OLD", -1.0)
            here.door.sweep()
            assert b"HTTP/1.1 " not in await ended(reader)

    play(scene)


def test_one_connection_too_many() -> None:
    """It is closed at once; when another one goes there is room again."""

    async def scene(here: Open) -> None:
        async with line(here), line(here) as (_, second):
            await eventually(lambda: len(here.door._server.connections) == 2)
            async with line(here) as (reader, writer):
                writer.write(ASK)
                assert await ended(reader) == b""
            second.close()
            await eventually(lambda: len(here.door._server.connections) == 1)
            async with line(here) as (reader, writer):
                writer.write(ASK)
                assert b"200 OK" in await reader.readline()

    play(scene, most=2)


def test_keeping_a_connection() -> None:
    """Several requests go through one connection."""

    async def scene(here: Open) -> None:
        async with line(here) as (reader, writer):
            for _ in range(3):
                writer.write(ASK.replace(b"GET", b"HEAD"))
                assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")

    play(scene)
