"""The ear against an API server that answers as a test says: what is heard, and what failures do."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from rekey.app.clock import ticks
from rekey.app.contact import Contact
from rekey.app.heard import Asked, Deaf, Gone, Heard, Inbox, Synced, Withdrawn
from rekey.app.kopf_shell import PATIENCE, KopfShell, _left_behind
from rekey.app.listening import Sieve
from rekey.app.preflight import Preflight
from rekey.app.seen import Seen, unpack
from rekey.core.facts import Key
from tests.app.credentials import manifest
from tests.app.eventually import eventually
from tests.kube.answering import Answering, answering
from tests.kube.answering import Asked as Question

GROUPS = {
    "": ("v1", "namespaces", "Namespace"),
    "rekey.dev": ("v1alpha1", "rotatedcredentials", "RotatedCredential"),
    "apiextensions.k8s.io": ("v1", "customresourcedefinitions", "CustomResourceDefinition"),
}
ENDS: dict[str, Any] = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd is unwell"}}


def event(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return a watch event."""
    return {"type": kind, "object": found}


def discovered(path: str) -> dict[str, Any]:
    """Return what an API server says of the resources that kopf looks for."""
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [
            {"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}}
            for group, (version, _, _) in GROUPS.items()
            if group
        ]
        return {"kind": "APIGroupList", "groups": groups}
    group = path.split("/")[2] if path.startswith("/apis/") else ""
    kinds = [GROUPS[group][1:], *([("rotationrequests", "RotationRequest")] if group == "rekey.dev" else [])]
    verbs = ["get", "list", "watch", "patch"]
    resources = [
        {"name": f"{plural}{part}", "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}
        for plural, kind in kinds
        for part in ("", *(["/status"] if group == "rekey.dev" else []))
    ]
    return {"kind": "APIResourceList", "resources": resources}


Requests = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""The RotationRequests that are there, and what the watch of them tells."""


class World:
    """An API server with pages of credentials, and one list of events for each watch of them in turn."""

    def __init__(
        self, pages: list[list[dict[str, Any]]], *watches: list[dict[str, Any]], requests: Requests = ([], [])
    ) -> None:
        self.pages = pages
        self.requests, self.news = requests
        self.watches = list(watches)
        self.lists = 0

    async def answer(self, asked: Question) -> web.StreamResponse:
        """Answer as an API server does."""
        if asked.path.endswith("/rotationrequests"):
            if "watch" in asked.query:
                return Watch(self.news)
            body = {"kind": "RotationRequestList", "metadata": {"resourceVersion": "50"}, "items": self.requests}
            return web.json_response(body)
        if "watch" in asked.query:
            return Watch(self.watches.pop(0) if self.watches else [])
        if asked.path.endswith("/rotatedcredentials"):
            return self._page(asked)
        return web.json_response(discovered(asked.path))

    def _page(self, asked: Question) -> web.Response:
        self.lists += 1
        number = int(asked.query.get("continue", "0"))
        more = {"continue": str(number + 1)} if number + 1 < len(self.pages) else {}
        body = {"kind": "RotatedCredentialList", "metadata": {"resourceVersion": "50", **more}}
        return web.json_response({**body, "items": self.pages[number]})


class Watch(web.StreamResponse):
    """A watch that gives its events and then stays open."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        super().__init__()
        self._events = events

    async def prepare(self, request: web.BaseRequest) -> Any:  # the base class returns what it keeps private
        """Give the events, one at a time."""
        prepared = await super().prepare(request)
        for found in self._events:
            await self.write(orjson.dumps(found) + b"\n")
        if self._events[-1:] != [ENDS]:
            await asyncio.Event().wait()
        return prepared


def heard_until(
    world: World,
    enough: Callable[[list[Heard]], bool],
    needs_no_handler: Callable[[Key, int], bool] = lambda _key, _version: False,
    patience: float = PATIENCE,
) -> tuple[list[Heard], Answering]:
    """Listen to the world until enough was heard."""

    async def play() -> tuple[list[Heard], Answering]:
        found: list[Heard] = []
        news = asyncio.Event()

        def deliver(item: Heard) -> None:
            found.append(item)
            if enough(found):
                news.set()

        async with answering(world.answer) as server:
            shell = KopfShell(
                server.access(), (), Inbox(deliver), needs_no_handler, Preflight(Contact(ticks)), patience
            )
            assert shell.is_well()
            shell.start()
            async with asyncio.timeout(30):
                await news.wait()
            await shell.stop()
            assert not shell.is_well()
            return found, server

    return asyncio.run(play())


def names(found: list[Heard]) -> list[str]:
    """Return what was heard, in short: names, those that are gone with a minus, and the marks."""
    return [
        item.key.name
        if isinstance(item, Seen)
        else f"-{item.key.name}"
        if isinstance(item, Gone | Withdrawn)
        else f"?{item.found['metadata']['name']}"
        if isinstance(item, Asked)
        else type(item).__name__
        for item in found
    ]


def test_the_first_list_is_complete_when_it_is_said_to_be() -> None:
    """Every object of every page is handed over before the mark, and only reads were made."""
    pages = [[manifest(f"{page}-{n}", version=page * 100 + n + 1) for n in range(30)] for page in range(4)]
    found, server = heard_until(World(pages), lambda items: Synced() in items)
    assert names(found)[-1] == "Synced"
    assert sorted(names(found)[:-1]) == sorted(item["metadata"]["name"] for page in pages for item in page)
    assert {asked.method for asked in server.asked} == {"GET"}


def test_an_empty_cluster_is_complete_too() -> None:
    """Where there is no credential the first list is over at once."""
    found, _ = heard_until(World([[]]), lambda items: Synced() in items)
    assert found == [Synced()]


def test_changes_and_deletions_are_heard() -> None:
    """What the watch tells comes through, whole, with its version; a deletion as such."""
    events = [
        event("ADDED", manifest("b", version=60)),
        event("MODIFIED", manifest("a", version=61, spec__suspend=True)),
        event("DELETED", manifest("a", version=62)),
    ]
    found, _ = heard_until(World([[manifest("a")]], events), lambda items: len(items) >= 5)
    assert sorted(names(found)) == sorted(["a", "Synced", "b", "a", "-a"])
    changed = [item for item in found if isinstance(item, Seen) and item.version == 61]
    assert unpack(changed[0])["spec"]["suspend"] is True
    assert Gone(Key("shop", "a"), 62) in found


def test_requests_are_heard_like_credentials() -> None:
    """Those that are there come before the mark, changes and deletions after it."""
    there, later = manifest("there"), manifest("later", version=60)
    events = [event("ADDED", later), event("DELETED", manifest("there", version=61))]
    found, _ = heard_until(World([[]], requests=([there], events)), lambda items: len(items) >= 4)
    assert sorted(names(found)) == sorted(["?there", "Synced", "?later", "-there"])
    assert names(found).index("?there") < names(found).index("Synced")
    assert Withdrawn(Key("shop", "there"), 61) in found


def test_what_needs_no_handler_is_heard_without_kopf() -> None:
    """Events of our own writes are handed over all the same; deletions always take the usual way."""
    events = [event("MODIFIED", manifest("a", version=60 + n)) for n in range(5)] + [
        event("DELETED", manifest("a", version=70))
    ]
    asked: list[tuple[str, int]] = []

    def ours(key: Key, version: int) -> bool:
        asked.append((key.name, version))
        return version % 2 == 0

    world = World([[manifest("a")]], events)
    found, _ = heard_until(world, lambda items: len(items) >= 8, ours)
    assert asked == [("a", 60 + n) for n in range(5)]
    assert {item.version for item in found if isinstance(item, Seen)} == {10, 60, 61, 62, 63, 64}
    assert Gone(Key("shop", "a"), 70) in found


def test_listening_begins_anew_after_an_error_that_ends_kopf(caplog: pytest.LogCaptureFixture) -> None:
    """A watch that reports an unknown error ends kopf: one line, a mark, and everything is listed again."""
    world = World([[manifest("a")]], [ENDS], [event("ADDED", manifest("b", version=60))])
    found, _ = heard_until(world, lambda items: "b" in names(items))
    assert world.lists == 2
    assert found.count(Deaf()) == 1
    assert [record.name for record in caplog.records if record.message.startswith("listening ended")] == [
        "rekey.app.kopf_shell"
    ]


class Late(World):
    """An API server that does not know our resources yet when it is asked for the first time."""

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        super().__init__(pages)
        self.asked = 0

    async def answer(self, asked: Question) -> web.StreamResponse:
        """Answer as an API server does."""
        self.asked += asked.path == "/apis"
        if asked.path == "/apis" and self.asked == 1:
            return web.json_response({"kind": "APIGroupList", "groups": []})
        return await super().answer(asked)


def test_listening_begins_anew_when_nothing_is_heard_at_all() -> None:
    """The ear would wait for ever for a resource that kopf did not find; it begins anew and hears everything."""
    found, _ = heard_until(Late([[manifest("a")]]), lambda items: Synced() in items, patience=1.0)
    assert names(found) == ["Deaf", "a", "Synced"]


class Vanished(World):
    """An API server whose CRDs are deleted while they are watched, and applied again after a while."""

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        super().__init__(pages)
        self.looked = 0

    async def answer(self, asked: Question) -> web.StreamResponse:
        """Answer as an API server does."""
        if asked.path == "/apis/rekey.dev/v1alpha1" and self.lists:
            self.looked += 1
        gone = self.lists > 0 and self.looked < 2
        if gone and asked.path.startswith("/apis/rekey.dev/"):
            return web.json_response({}, status=404)
        return await super().answer(asked)


def test_listening_waits_for_crds_that_were_deleted(caplog: pytest.LogCaptureFixture) -> None:
    """A kind that is not served any more ends kopf; the line says what to apply, and then everything is listed."""
    world = Vanished([[manifest("a")]])
    found, _ = heard_until(world, lambda items: Deaf() in items and names(items).count("a") == 2)
    assert names(found).count("Deaf") == 1
    assert any("run `kubectl apply -f crds/`" in record.message for record in caplog.records)


def test_a_first_list_that_gets_on_has_all_the_time_it_needs() -> None:
    """Each page begins the patience anew, and after the list it is over: nothing needs to be heard then."""
    world = World([[manifest("a")]])
    found, _ = heard_until(world, lambda items: Synced() in items, patience=60.0)
    assert Deaf() not in found


class Chunks:
    """A stream that gives what it is told, however it is cut."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Give the chunks."""
        for chunk in self.chunks:
            yield chunk


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_the_sieve_passes_whole_lines_however_the_stream_is_cut(size: int) -> None:
    """Lines that need a handler come out unchanged and in order; the others are kept back."""
    lines = [
        orjson.dumps(event("MODIFIED", manifest("a", version=1))),
        orjson.dumps(event("MODIFIED", manifest("b", version=2))),
        orjson.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}),
        orjson.dumps(event("DELETED", manifest("b", version=3))),
    ]
    text = b"\n".join(lines) + b"\n"
    stream: Any = Chunks(*(text[start : start + size] for start in range(0, len(text), size)))

    async def play() -> tuple[bytes, list[Heard]]:
        found: list[Heard] = []
        sieve = Sieve(stream, Inbox(found.append), lambda key, _: key.name == "b")
        passed = b"".join([chunk async for chunk in sieve.iter_chunked(1024)])
        await eventually(lambda: found)
        return passed, found

    passed, found = asyncio.run(play())
    assert passed == b"\n".join([lines[0], lines[2], lines[3]]) + b"\n"
    assert names(found) == ["b"]


def test_what_kopf_forgets_on_its_way_out_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """With several watches all fail of the same; the first failure is told by whoever begins anew."""

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(_left_behind)

        async def fails() -> None:
            raise ValueError("500")

        forgotten = asyncio.create_task(fails())
        await asyncio.wait([forgotten])
        del forgotten
        gc.collect()

    with caplog.at_level("DEBUG"):
        asyncio.run(play())
    told = {(one.levelname, one.message) for one in caplog.records if one.name != "asyncio"}
    assert told == {("DEBUG", "kopf left a failure behind")}
    assert "ERROR" not in {one.levelname for one in caplog.records}
