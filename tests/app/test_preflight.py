"""Before the work begins: what is missing is named in one line each, and waited for."""

import asyncio
import logging
import socket
from datetime import timedelta

import pytest
from aiohttp import web

from rekey.app import preflight
from rekey.app.clock import ticks
from rekey.app.contact import Contact
from rekey.kube.client import Client
from rekey.kube.config import Access
from rekey.kube.rights import needed
from tests.app.eventually import eventually
from tests.kube.answering import Answer, Asked, always, answering

KINDS = ("rotatedcredentials", "rotationrequests")
SERVED = {"resources": [{"name": f"{kind}{part}"} for kind in KINDS for part in ("", "/status")]}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(preflight, "LONGEST", timedelta(milliseconds=1))


def then(*answers: Answer) -> Answer:
    """Answer each look at the API as told, the last one for ever; grant every right but to delete Secrets at first."""
    reviews = 0
    left = list(answers)

    async def answer(asked: Asked) -> web.StreamResponse:
        nonlocal reviews
        if asked.method == "POST":
            reviews += 1
            wanted = asked.body["spec"]["resourceAttributes"]
            first = reviews <= len(needed(("shop",)))
            denied = first and (wanted["resource"], wanted["verb"]) in (("secrets", "delete"), ("pods", "list"))
            return web.json_response({"status": {"allowed": not denied}})
        return await (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer


@pytest.mark.usefixtures("soon")
def test_everything_that_is_missing_is_named_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is unwell, no CRD, then two rights: one line each, in this order, and then the work may begin."""
    answer = then(always(503), always(404), always(404), always(200, SERVED))

    async def play() -> None:
        async with answering(answer) as server, Client(server.access()) as client:
            async with asyncio.timeout(30):
                await preflight.Preflight(Contact(ticks)).pass_all(client, needed(("shop",)))

    with caplog.at_level(logging.INFO):
        asyncio.run(play())
    lines = [record.message for record in caplog.records if record.name == preflight.__name__]
    crd = "the CRDs of rekey.dev are not installed, or not all: run `kubectl apply -f crds/`; waiting for them"
    assert lines[0].startswith("the API server http://127.0.0.1:")
    assert "503" in lines[0]
    assert lines[0].endswith("; waiting for it")
    rights = "missing rights in namespace shop: secrets (delete), pods (list)"
    assert lines[1:] == [crd, f"{rights}; apply examples/operator/rbac.yaml; waiting"]


@pytest.mark.usefixtures("soon")
def test_a_server_that_is_not_there_is_named(caplog: pytest.LogCaptureFixture, unused_tcp_port: int) -> None:
    """Nobody listens at the address: one line has it, once however often we look, and the probe too."""
    tries = 0

    def tried(*_: object) -> None:
        nonlocal tries
        tries += 1

    async def play() -> str | None:
        access = Access(f"http://127.0.0.1:{unused_tcp_port}", None, None, "shop")
        flight = preflight.Preflight(Contact(ticks))
        async with Client(access, observe=tried) as client:
            waiting = asyncio.create_task(flight.pass_all(client, needed(())))
            await eventually(lambda: tries >= 3)
            waiting.cancel()
        return flight.obstacle

    why = "get apis: no answer (connection refused); waiting for it"
    line = f"the API server http://127.0.0.1:{unused_tcp_port} cannot be used: {why}"
    assert asyncio.run(play()) == line
    assert [record.message for record in caplog.records if record.name == preflight.__name__] == [line]


@pytest.mark.usefixtures("soon")
def test_what_is_still_missing_is_said_again_after_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a long log says what is waited for."""
    monkeypatch.setattr(preflight, "REMINDER", 0.0)
    answer = then(always(404), always(404), always(200, SERVED))

    async def play() -> None:
        async with answering(answer) as server, Client(server.access()) as client:
            await preflight.Preflight(Contact(ticks)).until_served(client)

    asyncio.run(play())
    assert len([record for record in caplog.records if record.name == preflight.__name__]) == 2


@pytest.fixture
def unused_tcp_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
