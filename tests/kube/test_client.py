"""The HTTP client: what it sends, what it makes of answers, and what it does when none comes."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
import pytest
from aiohttp import web

from rekey.errors import NotFound, RekeyError, Retryable
from rekey.kube.api import APPLY, CREATE, GET, MERGE, PODS, SECRETS
from rekey.kube.client import Client
from rekey.kube.config import Access
from tests.kube.answering import SECRET, Answer, Answering, Asked, always, answering, never, status

DB = SECRETS.one("shop", "db")


class Renewed:
    """A login whose token counts how often it was refused."""

    def __init__(self) -> None:
        self.count = 0

    async def header(self) -> str:
        return f"Bearer {self.count}"

    def refused(self) -> None:
        self.count += 1


Scene = Callable[[Client, Answering], Coroutine[Any, Any, None]]
Make = Callable[[Access], Client]


def play(answer: Answer, scene: Scene, make: Make = Client) -> None:
    """Play a scene with a client and a server that answers so."""

    async def show() -> None:
        async with answering(answer) as server, make(server.access(Renewed())) as client:
            await scene(client, server)

    asyncio.run(show())


def test_request() -> None:
    """A request carries the verb's method and media type, the login, and the body as JSON."""

    async def scene(client: Client, server: Answering) -> None:
        query = {"fieldManager": "rekey-1", "force": "true"}
        assert await client.request(APPLY, DB, body={"a": ["é"]}, query=query) == {"kind": "Secret"}
        [asked] = server.asked
        assert (asked.method, asked.path, asked.query) == ("PATCH", DB.url, query)
        assert asked.body == {"a": ["é"]}
        assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
        assert asked.headers["Authorization"] == "Bearer 0"
        assert asked.headers["User-Agent"].startswith("rekey/")
        assert asked.headers["Accept-Encoding"] == "identity"

    play(always(200, {"kind": "Secret"}), scene)


@pytest.mark.parametrize(("code", "heard"), [(200, 1), (201, 1), (404, 0), (502, 0)])
def test_the_time_is_taken_from_the_api_server_alone(code: int, heard: int) -> None:
    """What refuses may be a proxy before it, with a clock of its own: all credentials would go by that."""
    date = "Sat, 21 Nov 2026 12:00:00 GMT"

    async def scene(client: Client, _: Answering) -> None:
        dates: list[str] = []
        client.dated = dates.append
        with suppress(RekeyError):
            await client.request(GET, DB)
        assert dates == [date] * heard

    play(always(code, {"kind": "Secret"}, Date=date), scene)


def test_refused() -> None:
    """A refusal becomes its error; what was said in it is nowhere in the traceback."""

    async def scene(client: Client, _: Answering) -> None:
        with pytest.raises(NotFound) as caught:
            await client.request(GET, DB)
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    play(always(404, status("NotFound")), scene)


def test_no_json() -> None:
    """A success that is not JSON is no success, and the error does not hold it."""

    async def page(_: Asked) -> web.Response:
        return web.Response(text=f"<html>{SECRET}")

    async def scene(client: Client, _: Answering) -> None:
        with pytest.raises(Retryable, match="not JSON") as caught:
            await client.request(GET, DB)
        assert caught.value.__context__ is None

    play(page, scene)


def test_no_redirect() -> None:
    """A redirect is not followed: our login goes to the API server only."""

    async def scene(client: Client, server: Answering) -> None:
        with pytest.raises(Retryable, match="302"):
            await client.request(GET, DB)
        assert len(server.asked) == 1

    play(always(302, Location="/elsewhere"), scene)


def test_login_renewed() -> None:
    """After a refused login the next request asks for a fresh one."""

    async def answer(asked: Asked) -> web.Response:
        fresh = asked.headers["Authorization"] != "Bearer 0"
        return web.Response(status=200 if fresh else 401, body=b"{}")

    async def scene(client: Client, _: Answering) -> None:
        with pytest.raises(Retryable, match="login"):
            await client.request(GET, DB)
        assert await client.request(GET, DB) == {}

    play(answer, scene)


def test_session_for_others() -> None:
    """A session for others logs in by itself, notices a refused login, and may be closed without harm."""

    async def answer(asked: Asked) -> web.Response:
        fresh = asked.headers["Authorization"] != "Bearer 0"
        return web.Response(status=200 if fresh else 401, body=b"{}")

    async def scene(client: Client, server: Answering) -> None:
        async with client.open_session() as session:
            codes = []
            for _ in range(2):
                async with session.get(server.server + DB.url) as got:
                    codes.append(got.status)
        assert codes == [401, 200]
        assert await client.request(GET, DB) == {}

    play(answer, scene)


def test_no_answer_in_time() -> None:
    """A server that is silent for too long may be asked again."""

    async def scene(client: Client, _: Answering) -> None:
        with pytest.raises(Retryable, match="no answer"):
            await client.request(GET, DB)

    play(never, scene, partial(Client, timeout=0.05))


def test_lost_reply() -> None:
    """A write whose reply was lost is not sent again from here: only the engine can know what to do."""

    async def vanish(_: Asked) -> web.Response:
        raise asyncio.CancelledError

    async def scene(client: Client, server: Answering) -> None:
        with pytest.raises(Retryable, match="no answer"):
            await client.request(CREATE, SECRETS.all("shop"), body={})
        assert len(server.asked) == 1

    play(vanish, scene)


def test_nobody_there() -> None:
    """A server that cannot be reached may be asked again."""

    async def show() -> None:
        async with Client(Access("http://127.0.0.1:1", None, None, "shop")) as client:
            with pytest.raises(Retryable, match="no answer"):
                await client.request(GET, DB)

    asyncio.run(show())


def test_pages() -> None:
    """A list is read page by page, and without a resourceVersion that would allow a stale one."""
    a, b, c = ({"metadata": {"name": name}} for name in "abc")
    pages = {"": ([a, b], "next"), "next": ([c], "last"), "last": ([a], "")}

    async def answer(asked: Asked) -> web.Response:
        items, more = pages[asked.query.get("continue", "")]
        return web.Response(body=orjson.dumps({"items": items, "metadata": {"continue": more}}))

    async def scene(client: Client, server: Answering) -> None:
        assert await client.list(PODS.all("shop"), {"labelSelector": "a in (b,c)"}) == [a, b, c, a]
        assert [asked.query.get("continue") for asked in server.asked] == [None, "next", "last"]
        for asked in server.asked:
            assert asked.query["limit"] == "200"
            assert asked.query["labelSelector"] == "a in (b,c)"
            assert "resourceVersion" not in asked.query

    play(answer, scene)


def test_bounded() -> None:
    """No more connections than the limit are used; what is above it waits."""
    now, most, three = 0, 0, asyncio.Barrier(3)

    async def answer(_: Asked) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await three.wait()
        now -= 1
        return web.Response(body=b"{}")

    async def scene(client: Client, server: Answering) -> None:
        await asyncio.gather(*(client.request(GET, DB) for _ in range(12)))
        assert len(server.asked) == 12
        assert most == 3

    play(answer, scene, partial(Client, limit=3))


def test_counted() -> None:
    """Every answer is counted by verb, resource and status, and so is every one that did not come."""
    seen: list[tuple[str, str, int]] = []

    def observe(verb: str, resource: str, code: int) -> None:
        seen.append((verb, resource, code))

    async def answer(asked: Asked) -> web.StreamResponse:
        return await (never(asked) if asked.method == "GET" else always(404)(asked))

    async def scene(client: Client, _: Answering) -> None:
        for verb, error in ((GET, Retryable), (MERGE, NotFound)):
            with pytest.raises(error):
                await client.request(verb, DB)
        assert seen == [("get", "secrets", 0), ("patch", "secrets", 404)]

    play(answer, scene, partial(Client, observe=observe, timeout=0.05))
