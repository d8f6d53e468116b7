"""Each fault does to a call what its name says, tried with the product's own client and a server that answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from rekey.errors import Conflict, Rejected, RekeyError, Retryable
from rekey.kube.api import CREATE, CREDENTIALS, LIST, SECRETS
from rekey.kube.client import Client
from rekey.kube.config import Access
from tests.faults import calls, relay
from tests.faults.calls import Call, Point
from tests.faults.matrix import MATRIX, Fault, Kind
from tests.faults.proxy import Case, Proxy, proxying
from tests.kube.answering import Answering, Asked, answering

SHOP = "shop"
WEB = {"metadata": {"name": "web", "resourceVersion": "7"}, "data": {"token": "x" * 2000}}
CREATED = Point(Kind.WRITE, "create secrets web", "new", 1)
SEEN = Point(Kind.NEWS, "MODIFIED rotatedcredentials", "new", 1)
IMPATIENT, PATIENT = 5.0, 60.0
UNANSWERED = {Fault.HANG, Fault.LATE}
"""Who meets these waits for as long as it can wait: that is what they are."""


@dataclass
class Setting:
    """A proxy with one case, what is behind it, and how often the operator was killed."""

    proxy: Proxy
    behind: Answering
    case: Case
    killed: int = 0

    def client(self) -> Client:
        """Return the product's client, with little patience for what is never answered."""
        patience = IMPATIENT if self.case.fault in UNANSWERED else PATIENT
        return Client(Access(self.proxy.server, None, None, SHOP), timeout=patience)

    def kill(self) -> bool:
        """Count."""
        self.killed += 1
        return True


async def _answer(asked: Asked) -> web.StreamResponse:
    return web.json_response({**WEB, "items": []})


@asynccontextmanager
async def setting(
    point: Point | None, fault: Fault | None, answer: Callable[[Asked], Any] = _answer
) -> AsyncIterator[Setting]:
    """Give a proxy where the fault waits for that call."""
    async with answering(answer) as behind, proxying(behind.access()) as proxy:
        case = Case(SHOP, point, fault, versions=["3"])
        found = Setting(proxy, behind, case)
        case.kill = found.kill
        proxy.cases[SHOP] = case
        yield found


@dataclass(frozen=True)
class Seen:
    """What a client sees of its calls, in turn, how often the server was asked in the end, and who was killed."""

    outcomes: tuple[type[RekeyError] | None, ...]
    asked: int
    killed: int = 0


FINE = None
WRITES: dict[Fault | None, Seen] = {
    None: Seen((FINE, FINE), 2),
    Fault.REQUEST_LOST: Seen((Retryable, FINE), 1),
    Fault.REPLY_LOST: Seen((Retryable, FINE), 2),
    Fault.BUSY: Seen((Retryable, FINE), 1),
    Fault.STORM: Seen((Retryable, Retryable, Retryable, FINE), 1),
    Fault.SLOW: Seen((FINE, FINE), 2),
    Fault.HANG: Seen((Retryable, FINE), 1),
    Fault.CONFLICT: Seen((Conflict, FINE), 1),
    Fault.INVALID: Seen((Rejected, FINE), 1),
    Fault.LATE: Seen((Retryable, FINE), 2),
    Fault.TWICE: Seen((FINE, FINE), 3),
    Fault.CRASH_BEFORE: Seen((Retryable, FINE), 1, killed=1),
    Fault.CRASH_AFTER: Seen((Retryable, FINE), 2, killed=1),
}


@pytest.mark.parametrize("fault", WRITES, ids=str)
def test_a_fault_meets_one_write_and_no_other(fault: Fault | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sees what the fault is, the server is asked as often as it says, and what follows passes."""

    async def show() -> None:
        monkeypatch.setattr("tests.faults.proxy.PAUSE", 0.01)
        wanted = WRITES[fault]
        async with setting(CREATED if fault else None, fault) as here, here.client() as client:
            for outcome in wanted.outcomes:
                error = await _write(client)
                assert isinstance(error, outcome or type(None))
                if fault is Fault.BUSY and isinstance(error, Retryable):
                    assert error.retry_after == 1
            async with asyncio.timeout(30):
                while len(here.behind.asked) < wanted.asked:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert len(here.behind.asked) == wanted.asked
            assert here.killed == wanted.killed
            assert here.case.met is (fault is not None)

    asyncio.run(show())


def test_every_fault_of_a_write_is_tried() -> None:
    """The table above names all that the matrix does."""
    assert set(WRITES) == {None, *MATRIX[Kind.WRITE]} == {None, *MATRIX[Kind.EVENT]}


async def _write(client: Client) -> RekeyError | None:
    try:
        stored = await client.request(CREATE, SECRETS.all(SHOP), body={"metadata": {"name": "web"}})
    except RekeyError as error:
        return error
    assert stored["data"] == WEB["data"]
    return None


def _event(kind: str, number: int) -> bytes:
    return orjson.dumps({"type": kind, "object": {"metadata": {"resourceVersion": str(number)}}}) + b"\n"


FIRST, SECOND = _event("ADDED", 1), _event("MODIFIED", 2)


async def _stream(asked: Asked) -> web.StreamResponse:
    if "watch" not in asked.query:
        return await _answer(asked)
    return web.Response(body=FIRST + SECOND, content_type="application/json")


WATCHES: dict[Fault | None, tuple[list[tuple[str, int]], str]] = {
    None: ([("ADDED", 1), ("MODIFIED", 2)], "ended"),
    Fault.DROPPED: ([("ADDED", 1)], "broken"),
    Fault.HELD: ([("ADDED", 1)], "silent"),
    Fault.GONE: ([("ADDED", 1), ("ERROR", 410)], "ended"),
    Fault.STALE: ([("ADDED", 1), ("ERROR", 410)], "ended"),
    Fault.ERROR: ([("ADDED", 1), ("ERROR", 500)], "ended"),
    Fault.SILENT: ([("ADDED", 1)], "silent"),
}


@pytest.mark.parametrize("fault", WATCHES, ids=str)
def test_a_fault_meets_one_event_of_a_watch(fault: Fault | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before it has come, and the stream goes on or ends as the fault says."""

    async def show() -> None:
        monkeypatch.setattr(relay, "HELD", 60)
        events, end = WATCHES[fault]
        async with setting(SEEN if fault else None, fault, _stream) as here:
            assert await _watched(here) == (events, end)
            assert here.case.met is (fault is not None)

    asyncio.run(show())


def test_what_was_held_back_comes_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event of a watch that is held back is lost."""

    async def show() -> None:
        monkeypatch.setattr(relay, "HELD", 0.01)
        async with setting(SEEN, Fault.HELD, _stream) as here:
            assert await _watched(here) == ([("ADDED", 1), ("MODIFIED", 2)], "ended")

    asyncio.run(show())


def test_every_fault_of_a_watch_event_is_tried() -> None:
    """The table above names all that the matrix does."""
    assert set(WATCHES) == {None, *MATRIX[Kind.NEWS]}


async def _watched(here: Setting) -> tuple[list[tuple[str, int]], str]:
    url = f"{here.proxy.server}{CREDENTIALS.all(SHOP).url}?watch=true"
    events, end = [], "ended"
    timeout = aiohttp.ClientTimeout(sock_read=IMPATIENT)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        try:
            async for line in answer.content:
                event = orjson.loads(line)
                number = event["object"].get("code") or int(event["object"]["metadata"]["resourceVersion"])
                events.append((event["type"], number))
        except TimeoutError:
            end = "silent"
        except aiohttp.ClientError:
            end = "broken"
    return events, end


LISTED = Point(Kind.LIST, "list rotatedcredentials", "", 1)


@pytest.mark.parametrize("point", [LISTED, SEEN], ids=["at a list", "at an event"])
def test_a_stale_list_is_answered_from_long_ago(point: Point) -> None:
    """The first list from then on is asked for at exactly the first version there was; the next one is not."""

    async def show() -> None:
        async with setting(point, Fault.STALE, _stream) as here, here.client() as client:
            if point is SEEN:
                await _watched(here)
            for _ in range(2):
                await client.request(LIST, CREDENTIALS.all(SHOP))
            lists = [one.query for one in here.behind.asked if "watch" not in one.query]
            assert lists == [{"resourceVersion": "3", "resourceVersionMatch": "Exact"}, {}]

    asyncio.run(show())


PASSED = {
    "a Lease in the namespace": ("PUT", f"/apis/coordination.k8s.io/v1/namespaces/{SHOP}/leases/rekey"),
    "another namespace": ("POST", "/api/v1/namespaces/other/secrets"),
    "no namespace at all": ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
}


@pytest.mark.parametrize("what", PASSED)
def test_what_is_no_call_of_a_case_passes_uncounted(what: str) -> None:
    """It reaches the server as it was sent, with its login, and the case knows nothing of it."""

    async def show() -> None:
        method, path = PASSED[what]
        async with setting(None, None) as here, aiohttp.ClientSession() as session:
            headers = {"Authorization": "Bearer x"}
            async with session.request(method, here.proxy.server + path, json={"a": 1}, headers=headers) as answer:
                assert answer.status == 200
            (asked,) = here.behind.asked
            assert (asked.method, asked.path, asked.body) == (method, path, {"a": 1})
            assert asked.headers["Authorization"] == "Bearer x"
            assert here.case.points == []

    asyncio.run(show())


def test_a_call_is_ended_although_the_operator_went_away() -> None:
    """What the API server was asked for is carried out, and counts as written."""

    async def show() -> None:
        may, done = asyncio.Event(), asyncio.Event()

        async def slowly(asked: Asked) -> web.StreamResponse:
            await may.wait()
            done.set()
            return await _answer(asked)

        async with setting(None, None, slowly) as here:
            async with here.client() as client:
                assert isinstance(await _write(client), Retryable)
            may.set()
            async with asyncio.timeout(30):
                await done.wait()
                while "after create secrets web" not in str(here.case.track.point(_a_read())):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(show())


def _a_read() -> Call:
    found = calls.read("GET", SECRETS.one(SHOP, "web").url, "", b"")
    assert found is not None
    return found
