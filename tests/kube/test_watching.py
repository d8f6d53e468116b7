"""Following credentials: what a watch tells, and what its ends mean."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from aiohttp import web

from rekey.errors import Forbidden, NoAnswer, NotFound, RekeyError, Retryable
from rekey.kube.client import Client
from rekey.kube.watching import Change, TooOld, changes, everything
from tests.kube.answering import Answer, Answering, Asked, always, answering

LONG = "x" * 300_000


def told(kind: str, version: int, **fields: Any) -> bytes:
    """Return a line of a watch."""
    return orjson.dumps({"type": kind, "object": {"metadata": {"resourceVersion": str(version)}, **fields}}) + b"\n"


def streaming(*chunks: bytes, cut: bool = False) -> Answer:
    """Answer with these chunks, one by one; then end, or break."""

    async def answer(asked: Asked) -> web.StreamResponse:
        response = web.Response(body=Chunks(chunks, cut=cut))
        response.enable_chunked_encoding()
        return response

    return answer


class Chunks:
    """A body in pieces."""

    def __init__(self, chunks: tuple[bytes, ...], *, cut: bool) -> None:
        self._chunks = chunks
        self._cut = cut

    async def __aiter__(self) -> Any:
        for chunk in self._chunks:
            yield chunk
            await asyncio.sleep(0)
        if self._cut:
            raise ConnectionResetError


def heard(answer: Answer) -> tuple[list[Change | None], Answering]:
    """Return what is told, and the server that was asked."""

    async def listen() -> tuple[list[Change | None], Answering]:
        async with (
            answering(answer) as server,
            Client(server.access()) as client,
            aclosing(changes(client, "shop", 7, 20)) as all_of_them,
        ):
            return [change async for change in all_of_them], server

    return asyncio.run(listen())


def test_what_a_watch_tells() -> None:
    """First that it is open, then each line as it comes, however long it is and wherever it was cut."""
    lines = told("ADDED", 8, spec=LONG) + told("BOOKMARK", 9) + told("DELETED", 10)
    found, server = heard(streaming(lines[:10], lines[10:200_000], lines[200_000:-5], lines[-5:]))
    opened, *rest = found
    assert opened is None
    assert [(one.kind, one.version) for one in rest if one] == [("ADDED", 8), ("BOOKMARK", 9), ("DELETED", 10)]
    assert rest[0] is not None
    assert rest[0].found["spec"] == LONG
    [asked] = server.asked
    assert asked.path == "/apis/rekey.dev/v1alpha1/namespaces/shop/rotatedcredentials"
    assert asked.query == {
        "watch": "1",
        "allowWatchBookmarks": "1",
        "resourceVersion": "7",
        "timeoutSeconds": "20",
    }


def _error(code: int) -> bytes:
    return orjson.dumps({"type": "ERROR", "object": {"kind": "Status", "code": code}}) + b"\n"


ENDS: dict[str, tuple[Answer, type[RekeyError]]] = {
    "its version is forgotten": (always(410), TooOld),
    "its version was forgotten meanwhile": (streaming(told("ADDED", 8), _error(410)), TooOld),
    "the server has a fault": (streaming(_error(500)), Retryable),
    "it may not": (always(403), Forbidden),
    "there is no such kind": (always(404), NotFound),
    "a proxy's page": (streaming(b"<html>\n"), Retryable),
    "a line that is none": (streaming(b"[]\n"), Retryable),
    "an object without a version": (streaming(b'{"type": "ADDED", "object": {}}\n'), Retryable),
    "the connection breaks": (streaming(told("ADDED", 8), cut=True), NoAnswer),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ends(name: str) -> None:
    """Each end says what to do next: list anew, try again, or wait for a person."""
    answer, wanted = ENDS[name]
    with pytest.raises(wanted) as caught:
        heard(answer)
    assert type(caught.value) is wanted
    assert "rotatedcredentials" in str(caught.value)


def _pages(*pages: dict[str, Any]) -> Callable[[Asked], Any]:
    left = list(pages)

    async def answer(_: Asked) -> web.StreamResponse:
        return web.json_response(left.pop(0))

    return answer


def test_a_list_is_as_of_one_moment() -> None:
    """All pages are of the version that the last one tells."""
    first = {"metadata": {"resourceVersion": "12", "continue": "more"}, "items": [{"a": 1}]}
    last = {"metadata": {"resourceVersion": "12"}, "items": [{"b": 2}]}

    async def listed() -> tuple[list[dict[str, Any]], int]:
        async with answering(_pages(first, last)) as server, Client(server.access()) as client:
            return await everything(client, None)

    assert asyncio.run(listed()) == ([{"a": 1}, {"b": 2}], 12)
