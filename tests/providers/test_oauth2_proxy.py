"""A proxy that a provider names: it connects us to the endpoint and sees nothing; no other proxy is ever used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from socket import gaierror
from typing import Any

import pytest

from rekey.core.reasons import Reason
from rekey.core.spec_oauth2 import Oauth2Token
from rekey.errors import Rejected, RekeyError, Retryable
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.backend import Oauth2Backend
from tests.providers.authorizing import ACCESS, CLIENT, NOW, TOKEN, Desk, intent, play
from tests.providers.serving import HERE, Says
from tests.providers.test_http import SHOP, end
from tests.providers.test_http_allowed import NEVER

OPEN = ["127.0.0.1/32"]
FAILED = b"HTTP/1.1 %s So\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Proxy:
    """Connects whoever asks to this host, whatever the name; `refuses` is the status of who does not."""

    refuses: bytes = b""
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    visits: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one."""
        visit = asyncio.current_task()
        assert visit is not None
        self.visits.add(visit)
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.refuses:
            writer.write(FAILED % self.refuses)
            writer.close()
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 So\r\n\r\n")
        ways = [asyncio.ensure_future(_pass(*way)) for way in ((reader, there), (there_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for one in (writer, there):
            one.transport.abort()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(4096):
        writer.write(some)


@asynccontextmanager
async def proxying(refuses: bytes = b"") -> AsyncIterator[Proxy]:
    """Give a proxy that listens on this host."""
    proxy = Proxy(refuses)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        await asyncio.gather(*proxy.visits)
        await asyncio.sleep(0)  # what was hung up is closed in the next turn of the loop


async def elsewhere(host: str, port: int) -> Sequence[Address]:
    """Return where names lead: the proxy's to a place of this host that is allowed, and has no proxy."""
    return [ip_address("127.8.8.8")] if host == "proxy.egress.svc" else await here(host, port)


async def here(host: str, port: int) -> Sequence[Address]:
    """Return where names lead: only the proxy's is known here, and addresses are themselves."""
    del port
    if host == "proxy.egress.svc":
        return [HERE]
    try:
        return [ip_address(host)]
    except ValueError:
        raise gaierror from None


Scene = Callable[[Callable[..., Awaitable[bytes]], Proxy], Awaitable[None]]


def through(folder: Path, scene: Scene, refuses: bytes = b"") -> Desk:
    """Play a scene with an endpoint behind a proxy."""

    async def played(desk: Desk) -> None:
        desk.says(Says(200, TOKEN))
        listening = await asyncio.start_server(desk.server.serve, "127.0.0.1", 0, ssl=end(folder))
        port = listening.sockets[0].getsockname()[1]
        async with proxying(refuses) as proxy, listening:

            async def asks(lookup: Any = here, allowed: Sequence[str] = OPEN, **fields: str) -> bytes:
                known = {"port": port, "proxy": proxy.port}
                desk.fields = {"tokenUrl": "https://till.orders.svc:{port}/token", **fields}
                desk.fields = {name: text.format(**known) for name, text in desk.fields.items()}
                login = Login(desk.declared(), CLIENT, SHOP.material)
                roads = Roads(Allowed(allowed), "orders", lambda: NOW, lambda: 20.0, lookup)
                granted = await Oauth2Backend(login, roads, Oauth2Token()).issue(intent(), None)
                return granted.material.reveal()["access_token"]

            await scene(asks, proxy)

    return play(played)


NAMED = {"proxyUrl": "http://proxy.egress.svc:{proxy}"}


def test_what_a_proxy_sees(tmp_path: Path) -> None:
    """The name of an endpoint that is known to nobody here, and no secret; the endpoint is known by its certificate."""

    async def scene(asks: Callable[..., Awaitable[bytes]], proxy: Proxy) -> None:
        assert await asks(**NAMED) == ACCESS.encode()
        (head,) = proxy.heads
        assert head.startswith(b"CONNECT till.orders.svc:")
        assert b"uthorization" not in head

    assert len(through(tmp_path, scene).logins()) == 1


def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither instead of none, nor instead of the one that is named."""

    async def scene(asks: Callable[..., Awaitable[bytes]], proxy: Proxy) -> None:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)

        async def lookup(host: str, port: int) -> Sequence[Address]:
            del host, port
            return [HERE]

        assert await asks(lookup) == ACCESS.encode()
        assert proxy.heads == []

    through(tmp_path, scene)


@pytest.mark.parametrize("status", ["403", "407", "502"])
def test_a_proxy_that_does_not_connect_us(status: str, tmp_path: Path) -> None:
    """Nothing was sent, so nothing was done."""

    async def scene(asks: Callable[..., Awaitable[bytes]], proxy: Proxy) -> None:
        with pytest.raises(Retryable, match="the proxy does not connect us"):
            await asks(**NAMED)
        assert len(proxy.heads) == 1

    assert through(tmp_path, scene, status.encode()).server.asked_for == []


def test_a_proxy_that_is_away(tmp_path: Path) -> None:
    """Likewise; the endpoint is not asked by another way."""

    async def scene(asks: Callable[..., Awaitable[bytes]], proxy: Proxy) -> None:
        del proxy
        with pytest.raises(Retryable, match="the proxy does not connect us"):
            await asks(proxyUrl="http://proxy.egress.svc:1")

    assert through(tmp_path, scene).server.asked_for == []


PLACES = {case: f"[{text}]" if ":" in text else text for case, text in NEVER.items() if "%" not in text}
REFUSED: dict[str, dict[str, str]] = {
    **{f"a proxy at {case}": {"proxyUrl": f"http://{place}:3128"} for case, place in PLACES.items()},
    **{f"{case}, behind it": {**NAMED, "tokenUrl": f"https://{place}/"} for case, place in PLACES.items()},
    "a private address, behind it": {**NAMED, "tokenUrl": "https://10.0.0.7/token"},
    "an endpoint in the clear": {**NAMED, "tokenUrl": "http://till.orders.svc:{port}/token"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_a_proxy_does_not_lead(case: str, tmp_path: Path) -> None:
    """The proxy is judged as an endpoint is, and so is what is behind it, where that is known."""
    found: list[RekeyError] = []

    async def scene(asks: Callable[..., Awaitable[bytes]], proxy: Proxy) -> None:
        with pytest.raises(Rejected) as caught:
            await asks(elsewhere, ["127.8.8.8/32"] if "behind" in case else [], **REFUSED[case])
        found.append(caught.value)
        assert proxy.heads == []

    assert through(tmp_path, scene).server.asked_for == []
    assert getattr(found[0], "reason", None) == Reason.PROVIDER_NOT_READY
