"""How requests to AWS travel: signed by us, by one way that was judged, in time, and nobody holds up another."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_aws import AwsServer
from rekey.errors import NoAnswer, NotLeading, Rejected
from rekey.providers.aws import asking
from rekey.providers.aws.asking import Account, Keys
from rekey.providers.aws.backend import AwsAccessKeys
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of
from tests.providers.aws import Aws, aws
from tests.providers.cutting_http import between
from tests.providers.making import make
from tests.providers.test_aws import UID, held, intent, port
from tests.providers.test_http import end

pytestmark = pytest.mark.xdist_group("aws")
__all__ = ["aws"]

LOGIN = Keys(Material({"aws_access_key_id": b"AKIA", "aws_secret_access_key": b"canary"}))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000000\r\n\r\n"
LOCAL = make("certificate", commonName="localhost", dnsNames=["localhost"])


class Term:
    """How long a lead goes on, and where names lead meanwhile; `ends`: with a look-up it is over."""

    def __init__(self, leads: str = "127.0.0.1", *, ends: bool = False) -> None:
        self.leads = leads
        self.ends = ends
        self.looked: list[str] = []

    def seconds(self) -> float:
        """Return what is left."""
        if self.ends and self.looked:
            raise NotLeading("another process acts there now")
        return 90.0

    async def lookup(self, host: str, _port: int) -> Sequence[Address]:
        """Return where a name leads."""
        self.looked.append(host)
        return (ip_address(self.leads),)


def account(url: str | None, term: Term, lookup: Lookup = addresses_of, authority: Material | None = None) -> Account:
    """Return an account that is asked at that endpoint."""
    given = {"endpointUrl": url} if url is not None else {}
    server = AwsServer.model_validate({"secretName": "login", "caSecretName": "ca", **given})
    allowed = Allowed(["http://127.0.0.0/8", "::1/128"]) if url is not None else Allowed()
    return Account(server, authority, allowed, "orders", lambda: datetime.now(UTC), term.seconds, lookup)


@asynccontextmanager
async def dripping() -> AsyncIterator[tuple[str, asyncio.Queue[None]]]:
    """Give an endpoint whose answers never end, byte by byte, and tell of each that is served by it."""
    visits: asyncio.Queue[None] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            visits.put_nowait(None)
            writer.write(HEAD)
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", visits
    finally:
        listening.close()


def test_an_endpoint_that_is_slow(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for it, others are asked at once."""
    monkeypatch.setattr(asking, "_LONGEST", 80.0)

    async def scene() -> None:
        async with dripping() as (url, visits):
            slow = [asyncio.create_task(account(url, Term()).ask(LOGIN, "iam", "ListUsers")) for _ in range(20)]
            async with asyncio.timeout(60):
                for _ in slow:
                    await visits.get()
            assert await aws.adapter(aws.user()).find(UID) == ()
            assert not any(task.done() for task in slow)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(scene())


def test_an_answer_byte_by_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of a request has its time, not each part of its answer."""
    monkeypatch.setattr(asking, "_LONGEST", 0.5)

    async def scene() -> None:
        async with dripping() as (url, _visits), asyncio.timeout(60):
            with pytest.raises(NoAnswer, match="no answer within"):
                await account(url, Term()).ask(LOGIN, "iam", "ListUsers")

    asyncio.run(scene())


def test_an_answer_that_is_too_long(aws: Aws) -> None:
    """No more of it is read than anybody would send who means well."""
    long = HEAD + b"<" * 1_000_000

    async def scene() -> None:
        async with between(port(aws.url), instead={"ListUsers": long}) as proxy:
            with pytest.raises(NoAnswer, match="status 200"):
                await account(f"http://127.0.0.1:{proxy.port}", Term()).ask(LOGIN, "iam", "ListUsers")

    asyncio.run(scene())


def test_a_lead_that_ends_while_a_name_is_looked_up(aws: Aws) -> None:
    """Nothing is sent."""

    async def scene() -> None:
        term = Term(ends=True)
        async with between(port(aws.url)) as proxy:
            asked = account(f"http://iam.example.com:{proxy.port}", term, term.lookup)
            with pytest.raises(NotLeading):
                await asked.ask(LOGIN, "iam", "CreateAccessKey", UserName="orders")
            assert (term.looked, proxy.actions) == (["iam.example.com"], [])

    asyncio.run(scene())


def test_a_name_is_looked_up_once_for_a_request(aws: Aws) -> None:
    """What was judged is what is connected to: nobody else, such as the system, is asked where it leads."""
    user, term = aws.user(), Term()

    async def scene() -> None:
        asked = account(f"http://iam.example.com:{port(aws.url)}", term, term.lookup)
        backend = AwsAccessKeys(asked, Keys(aws.login), user, lambda: datetime.now(UTC))
        await backend.prove(held(user, await backend.issue(intent(user), None)))
        assert term.looked == ["iam.example.com"] * 7

    asyncio.run(scene())


def test_where_aws_itself_is_in_a_private_network() -> None:
    """Its own endpoints may have private addresses there: nobody needs to allow them."""
    term = Term("10.1.2.3", ends=True)

    async def scene() -> None:
        with pytest.raises(NotLeading):  # and not Rejected
            await account(None, term, term.lookup).ask(LOGIN, "sts", "GetCallerIdentity")

    asyncio.run(scene())
    assert term.looked == ["sts.us-east-1.amazonaws.com"]


def breaking(listening: socket.socket, context: ssl.SSLContext) -> bytes:
    """Serve one request over TLS, and answer it with what no key opens; return what it was."""
    visitor, _ = listening.accept()
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, request = context.wrap_bio(come, go, server_side=True), b""
    with visitor:
        visitor.settimeout(60)
        while b"Action=" not in request:
            try:
                request += tls.read()
            except ssl.SSLWantReadError:
                visitor.sendall(go.read())
                come.write(visitor.recv(65536))
        visitor.sendall(go.read() + b"\x17\x03\x03\x00\x30" + os.urandom(48))
    return request


def test_an_answer_that_tls_breaks(tmp_path: Path) -> None:
    """The request has arrived: it is not said that it was never sent."""
    context = end(tmp_path, LOCAL)

    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            served = asyncio.create_task(asyncio.to_thread(breaking, listening, context))
            url, term = f"https://localhost:{listening.getsockname()[1]}", Term()
            with pytest.raises(NoAnswer):
                await account(url, term, term.lookup, LOCAL.material).ask(
                    LOGIN, "iam", "CreateAccessKey", UserName="orders"
                )
            assert b"Action=CreateAccessKey" in await served

    asyncio.run(scene())


EMPTY: dict[str, dict[str, bytes]] = {
    "two values that are empty": {"aws_access_key_id": b"", "aws_secret_access_key": b""},
    "two that are blank": {"aws_access_key_id": b" ", "aws_secret_access_key": b"\n"},
    "an id alone": {"aws_access_key_id": b"AKIA", "aws_secret_access_key": b""},
    "nothing": {},
}


@pytest.mark.parametrize("case", EMPTY)
def test_a_log_in_that_is_empty(aws: Aws, case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody else's is taken, such as that which the operator itself has from its surroundings: nothing is sent."""
    token = tmp_path / "token"
    token.write_text("canary")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIANOBODY",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/operator",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
    }.items():
        monkeypatch.setenv(name, value)

    async def scene() -> None:
        async with between(port(aws.url)) as proxy:
            url = f"http://127.0.0.1:{proxy.port}"
            for more in ({}, {"roleArn": "arn:aws:iam::123456789012:role/rekey"}):
                with pytest.raises(Rejected, match="Secret login must have an `aws_access_key_id`") as refused:
                    await aws.adapter("orders", Material(EMPTY[case]), url=url, **more).issue(intent("orders"), None)
                assert refused.value.reason == Reason.PROVIDER_NOT_READY
            assert proxy.actions == []

    asyncio.run(scene())
