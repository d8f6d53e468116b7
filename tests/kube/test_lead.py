"""Writes are sent by who leads, and only for as long: asked at the start, at the first byte, and while waiting."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from rekey.errors import NotLeading
from rekey.kube.api import APPLY, CREATE, DELETE, GET, LIST, MERGE, PODS, SECRETS, Path, Verb
from rekey.kube.client import Client
from tests.kube.answering import Answer, Answering, Asked, always, answering, never

DB = SECRETS.one("shop", "db")


class Lead:
    """A lead that answers what a test says, and the last of it for ever."""

    def __init__(self, *seconds: float) -> None:
        self._answers: Iterator[float] = iter(seconds)
        self._last = 0.0
        self.asked: list[str] = []

    def end(self) -> None:
        self._answers, self._last = iter(()), 0.0

    def remaining(self, namespace: str) -> float:
        self.asked.append(namespace)
        self._last = next(self._answers, self._last)
        return self._last


Scene = Callable[[Client, Answering], Coroutine[Any, Any, None]]


def play(lead: Lead, scene: Scene, answer: Answer) -> None:
    """Play a scene with a client that asks this lead."""

    async def show() -> None:
        async with answering(answer) as server, Client(server.access(), lead=lead) as client:
            await scene(client, server)

    asyncio.run(show())


WRITES: dict[str, tuple[Verb, Path]] = {
    "a Secret is made": (CREATE, SECRETS.all("shop")),
    "a Secret is patched": (MERGE, DB),
    "a Secret is deleted": (DELETE, DB),
    "a workload is applied": (APPLY, PODS.one("shop", "web")),
}


@pytest.mark.parametrize("name", WRITES)
def test_who_does_not_lead_sends_no_write(name: str) -> None:
    """It is refused before anything is sent, for the namespace that it is in."""
    verb, path = WRITES[name]
    lead = Lead(0.0)

    async def scene(client: Client, server: Answering) -> None:
        with pytest.raises(NotLeading, match="another process"):
            await client.request(verb, path, body={})
        assert server.asked == []
        assert set(lead.asked) == {"shop"}

    play(lead, scene, always(200))


READS: dict[str, tuple[Verb, Path]] = {
    "an object is read": (GET, DB),
    "objects are listed": (LIST, PODS.all("shop")),
    "a review of our rights is asked for, which is in no namespace": (CREATE, Path("/apis/x", "reviews")),
}


@pytest.mark.parametrize("name", READS)
def test_who_does_not_lead_may_look(name: str) -> None:
    """Standing by includes knowing; nobody is asked."""
    verb, path = READS[name]
    lead = Lead(0.0)

    async def scene(client: Client, server: Answering) -> None:
        await client.request(verb, path)
        assert len(server.asked) == 1
        assert lead.asked == []

    play(lead, scene, always(200, {}))


def test_a_lead_that_ends_at_any_question_before_the_first_byte_sends_nothing() -> None:
    """Between the first question and the first byte lie a queue and a connection, or a stopped process."""
    whole = Lead(9.0)
    before: list[int] = []

    async def taken(asked: Asked) -> web.StreamResponse:
        before.append(len(whole.asked))
        return await always(201, {})(asked)

    async def send(client: Client, _: Answering) -> None:
        await client.request(CREATE, SECRETS.all("shop"), body={})

    async def refused(client: Client, server: Answering) -> None:
        with pytest.raises(NotLeading):
            await send(client, server)
        assert server.asked == []

    play(whole, send, taken)
    # Two at the start and two when its turn came: whether, and for how long. Then when the connection was there, and at
    # the first byte.
    assert before[0] == 6
    for questions in range(before[0]):
        play(Lead(*[9.0] * questions, 0.0), refused, always(201, {}))


def test_an_answer_is_waited_for_no_longer_than_the_lead_lasts() -> None:
    """A server that takes the request and hangs ends the work with the lead, and is no failure of ours."""
    lead = Lead(3.0)

    async def hang(asked: Asked) -> web.StreamResponse:
        lead.end()
        return await never(asked)

    async def scene(client: Client, server: Answering) -> None:
        async with asyncio.timeout(20):
            with pytest.raises(NotLeading):
                await client.request(MERGE, DB, body={})
        assert len(server.asked) == 1

    play(lead, scene, hang)


def test_a_write_of_who_leads_is_a_write() -> None:
    """Who leads notices nothing."""

    async def scene(client: Client, server: Answering) -> None:
        send = partial(client.request, MERGE, DB, body={"a": 1})
        assert await send() == {"kind": "Secret"}
        assert [asked.body for asked in server.asked] == [{"a": 1}]

    play(Lead(9.0), scene, always(200, {"kind": "Secret"}))
