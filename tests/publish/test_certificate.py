"""The serving certificate: only whole pairs are used, new ones without a restart, and trouble is said once."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from rekey.app.clock import SystemClock
from rekey.app.publish.certificate import BadCertificate, Certificate
from tests.publish.opened import Hands, Open, opened
from tests.publish.pairs import Pair, pair

JWKS = "/v1/namespaces/shop/orders/jwks.json"
OLD, NEW = pair(), pair()

HALVES: dict[str, Callable[[Path], object]] = {
    "the new certificate with the old key": lambda folder: (folder / "tls.crt").write_bytes(NEW.chain),
    "the old certificate with the new key": lambda folder: (folder / "tls.key").write_bytes(NEW.key),
    "half a certificate": lambda folder: Pair(NEW.chain[:300], NEW.key).write(folder),
    "half a key": lambda folder: Pair(NEW.chain, NEW.key[:100]).write(folder),
    "nothing in them": lambda folder: Pair(b"", b"").write(folder),
    "a chain with half an issuer": lambda folder: Pair(NEW.chain + OLD.chain[:300], NEW.key).write(folder),
    "a key with a password": lambda folder: pair(password=b"x").write(folder),
    "no key": lambda folder: (folder / "tls.key").rename(folder / "other"),
    "nothing": lambda folder: [path.rename(folder / f"no-{path.name}") for path in tuple(folder.iterdir())],
}


async def _speaks(port: int, trusted: ssl.SSLContext, name: str | None = "localhost") -> bool:
    """Tell whether a client that trusts this one gets through."""
    trusted.check_hostname = name is not None
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted, server_hostname=name or "")
    except (ssl.SSLError, ConnectionResetError):
        return False
    writer.close()
    return True


@pytest.mark.parametrize("name", [None, "localhost"], ids=["without a name", "with a name"])
def test_a_new_pair_is_used(tmp_path: Path, name: str | None) -> None:
    """The next connection gets it; whether the client says whom it calls or not."""
    OLD.write(tmp_path)
    certificate = Certificate(tmp_path, SystemClock())

    async def show() -> None:
        async with opened(tls=certificate.context, trusted=OLD.trusted()) as here:
            assert (await here.get(JWKS))[0] == 200
            NEW.write(tmp_path)
            certificate.refresh()
            assert [await _speaks(here.door.port, one.trusted(), name) for one in (OLD, NEW)] == [False, True]

    asyncio.run(show())


@pytest.mark.parametrize("name", HALVES)
def test_a_half_written_pair_is_not_used(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The old one stays until the new one is whole; that is said once."""
    OLD.write(tmp_path)
    certificate = Certificate(tmp_path, SystemClock())

    async def show() -> None:
        async with opened(tls=certificate.context, trusted=OLD.trusted()) as here:
            HALVES[name](tmp_path)
            with caplog.at_level(logging.INFO):
                certificate.refresh()
                certificate.refresh()
            assert await _speaks(here.door.port, OLD.trusted())
            NEW.write(tmp_path)
            certificate.refresh()
            assert await _speaks(here.door.port, NEW.trusted())

    asyncio.run(show())
    assert [record.message for record in caplog.records] == [
        "the new serving certificate cannot be used; the old one is kept"
    ]


@pytest.mark.parametrize("name", HALVES)
def test_there_is_no_beginning_without_one(tmp_path: Path, name: str) -> None:
    """The message names the files, and shows nothing of them."""
    OLD.write(tmp_path)
    HALVES[name](tmp_path)
    with pytest.raises(BadCertificate) as caught:
        Certificate(tmp_path, SystemClock())
    assert "tls." in str(caught.value)
    assert "BEGIN" not in str(caught.value)


def test_the_end_of_a_certificate_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At once, once an hour, and no more when there is another."""
    clock = Hands()
    pair().write(tmp_path)
    certificate = Certificate(tmp_path, clock)
    clock.moment = certificate.expires
    for _ in range(3):
        certificate.refresh()
    clock.on(hours=1)
    certificate.refresh()
    pair(days=4000).write(tmp_path)
    certificate.refresh()
    said = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert said == ["the serving certificate has expired: put a new one into the mounted Secret"] * 2
    assert certificate.expires > clock.moment + timedelta(days=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "passes"), {"1.1": (ssl.TLSVersion.TLSv1_1, False), "1.2": (ssl.TLSVersion.TLSv1_2, True)}.values()
)
def test_old_versions_of_tls(tmp_path: Path, version: ssl.TLSVersion, passes: bool) -> None:  # noqa: FBT001
    """TLS 1.2 is the oldest that is spoken."""
    OLD.write(tmp_path)
    certificate = Certificate(tmp_path, SystemClock())
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=OLD.chain.decode())
    client.minimum_version = ssl.TLSVersion.TLSv1
    client.maximum_version = version
    client.set_ciphers("ALL:@SECLEVEL=0")

    async def show() -> None:
        async with opened(tls=certificate.context, trusted=OLD.trusted()) as here:
            assert await _speaks(here.door.port, client) == passes

    asyncio.run(show())


def test_no_words_without_a_handshake(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who speaks no TLS is closed, and the log says nothing."""
    OLD.write(tmp_path)
    certificate = Certificate(tmp_path, SystemClock())

    async def scene(here: Open) -> None:
        with socket.create_connection(("127.0.0.1", here.door.port)) as rude:
            rude.settimeout(0)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(rude, b"GET / HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(30):
                while await loop.sock_recv(rude, 1000):
                    pass
        assert (await here.get(JWKS))[0] == 200

    async def show() -> None:
        async with opened(tls=certificate.context, trusted=OLD.trusted()) as here:
            await scene(here)

    asyncio.run(show())
    assert caplog.records == []
