"""The work on requests between the ear and the API server: when each is looked at, and what failures do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.app.asking import PAUSE, Asking
from rekey.app.book import Book
from rekey.app.cache import Cache
from rekey.app.ledgers import Ledgers
from rekey.app.queue import Lane, Queue
from rekey.app.seen import look
from rekey.core.facts import Key
from rekey.core.request import Request, RequestStatus
from rekey.engine.requests import Requester
from rekey.errors import Conflict, NotFound, NotLeading, Retryable
from rekey.kube.credentials import Parser
from rekey.kube.requests import parse
from tests.app.bench import NOON
from tests.app.credentials import manifest, settled
from tests.app.eventually import eventually

KEY = Key("shop", "now")
ORDERS = Key("shop", "orders")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


def asked(version: int = 20, **spec: Any) -> dict[str, Any]:
    """Return a request as the API server sends it."""
    about = {} if "selector" in spec else {"credentialRef": {"name": "orders"}}
    metadata = {"uid": "uid-now", "generation": 1, "creationTimestamp": "2026-11-21T12:00:00Z"}
    return {
        "metadata": {"name": "now", "namespace": "shop", "resourceVersion": str(version), **metadata},
        "spec": {"reason": "Manual", "ttlAfterFinished": "24h", **about, **spec},
        "status": {"observedGeneration": -1},
    }


class Bench:
    """The book, the work on it, and an API server that answers as a test says."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cache = Cache(Parser().parse, 5, 20)
        self.credentials = Queue(asyncio.get_running_loop().time)
        self.book = Book()
        self.failures: list[Exception] = []
        self.stored: Request | None = None
        self.saved: list[RequestStatus] = []
        self.deleted = 0
        self.leads = True
        requester = Requester(self, self.clock, self._known)
        self.asking = Asking(self.book, self, requester, self.credentials, self.clock, self)

    def begin(self, namespace: str) -> None:
        if not self.leads:
            raise NotLeading("another process acts")

    def _known(self, namespace: str) -> Ledgers:
        return Ledgers(self.cache, namespace)

    async def read(self, key: Key) -> Request | None:
        return self.stored

    async def save(self, request: Request, status: RequestStatus) -> Request:
        if self.failures:
            raise self.failures.pop(0)
        self.saved.append(status)
        self.stored = replace(request, status=status, resource_version=str(int(request.resource_version) + 1))
        return self.stored

    async def delete(self, request: Request) -> None:
        self.deleted += 1
        self.stored = None

    def hear(self, version: int = 20, **spec: Any) -> None:
        """Have the watch tell of the request."""
        self.stored = parse(asked(version, **spec))
        self.asking.heard(asked(version, **spec))

    def said(self) -> list[str]:
        """Return the reasons that were written, in their order."""
        return [status.conditions[0].reason for status in self.saved]

    def answer(self, version: int, state: str = "Succeeded", name: str = "orders") -> None:
        """Have the credential answer the request, and the watch tell of it."""
        answer = {"uid": "uid-now", "name": "now", "reason": "Manual", "state": state, "toVersion": 2}
        if state != "Running":
            answer["finishedTime"] = "2026-11-21T12:00:00Z"
        self.cache.put(look(settled(name, version=version, status__requests=[answer])))
        self.asking.touched(Key("shop", name))

    def next(self) -> datetime | None:
        """Return when something is looked at next."""
        return self.asking._timer._deadlines.next()

    async def quiet(self) -> None:
        """Wait until nobody waits and nobody works."""
        queue = self.asking._queue
        await eventually(lambda: not queue.depth() and not queue._working)


def played(scene: Callable[[Bench], Awaitable[None]]) -> None:
    """Play a scene with the work going on."""

    async def play() -> None:
        bench = Bench()
        bench.asking.start(2)
        await scene(bench)
        assert bench.asking.alive()
        await bench.asking.stop(timedelta(seconds=5))

    asyncio.run(play())


def test_nothing_is_done_before_everything_is_known() -> None:
    """A credential that is not there yet may be on its way: who is asked is chosen after the first list."""

    async def scene(bench: Bench) -> None:
        bench.hear()
        await bench.quiet()
        assert bench.saved == []
        bench.cache.put(look(manifest()))
        bench.asking.touched(ORDERS)
        bench.asking.synced()
        await bench.quiet()
        assert bench.said() == ["Pending"]
        assert bench.credentials.depth() == {Lane.DEADLINE: 1}, "the credential learns of it"

    played(scene)


def test_from_beginning_to_end() -> None:
    """Chosen, answered, told, kept for a day, deleted, forgotten."""

    async def scene(bench: Bench) -> None:
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.hear()
        await bench.quiet()
        bench.answer(30, "Running")
        await bench.quiet()
        bench.answer(31)
        await bench.quiet()
        assert bench.said() == ["Pending", "Running", "Succeeded"]
        assert bench.next() == NOON + timedelta(days=1)
        bench.asking.touched(ORDERS)
        await bench.quiet()
        assert len(bench.saved) == 3
        bench.clock.time = NOON + timedelta(days=1)
        bench.asking._timer._fire()
        await bench.quiet()
        assert bench.deleted == 1
        assert len(bench.book) == 0
        assert bench.next() is None

    played(scene)


def test_whoever_is_not_there_is_waited_for() -> None:
    """For a minute; a credential that comes is taken at once."""

    async def scene(bench: Bench) -> None:
        bench.asking.synced()
        bench.hear()
        await bench.quiet()
        assert bench.next() == NOON + timedelta(minutes=1)
        bench.cache.put(look(manifest("other")))
        bench.asking.touched(Key("shop", "other"))
        await bench.quiet()
        bench.cache.put(look(manifest()))
        bench.asking.touched(ORDERS)
        await bench.quiet()
        assert bench.said() == ["NothingFound", "Pending"]

    played(scene)


@pytest.mark.parametrize("error", [Conflict("changed"), NotFound("gone")], ids=["changed", "replaced"])
def test_a_request_that_is_another_one_by_now(error: Exception) -> None:
    """It is read anew and looked at again, at once."""

    async def scene(bench: Bench) -> None:
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.failures = [error]
        bench.hear()
        await bench.quiet()
        assert bench.said() == ["Pending"]

    played(scene)


def test_a_request_that_is_gone() -> None:
    """It is forgotten, and whom it asked learns of it."""

    async def scene(bench: Bench) -> None:
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.hear()
        await bench.quiet()
        work = await bench.credentials.take()
        assert work is not None
        bench.credentials.done(work.key)
        bench.asking.withdrawn(KEY, 99)
        await bench.quiet()
        assert len(bench.book) == 0
        assert bench.credentials.depth() == {Lane.DEADLINE: 1}
        assert bench.next() is None

    played(scene)


def test_a_failure_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    """One line says so; then it succeeds."""

    async def scene(bench: Bench) -> None:
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.failures = [Retryable("the API server is busy", retry_after=7)]
        bench.hear()
        await bench.quiet()
        assert bench.saved == []
        assert bench.next() == NOON + timedelta(seconds=7)
        bench.clock.time = NOON + timedelta(seconds=7)
        bench.asking._timer._fire()
        await bench.quiet()
        assert bench.said() == ["Pending"]

    with caplog.at_level(logging.INFO):
        played(scene)
    assert [record.message for record in caplog.records] == ["a request will be looked at again"]


def test_what_cannot_be_understood_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A field of a later release: one line names it, and the request stays as it is."""

    async def scene(bench: Bench) -> None:
        bench.asking.synced()
        bench.asking.heard(asked(whim=True))
        await bench.quiet()
        assert bench.saved == []
        assert len(bench.book) == 0

    played(scene)
    (record,) = caplog.records
    assert record.message == "a request cannot be understood and is left alone"
    assert "shop/now: whim" in str(vars(record)["error"])


def test_a_request_about_many_is_written_now_and_then() -> None:
    """What comes soon after a write waits for the next one; of one credential everything is told at once."""

    async def scene(bench: Bench) -> None:
        for name in ("a", "b"):
            bench.cache.put(look(manifest(name, metadata__labels={"tier": "web"})))
        bench.asking.synced()
        bench.hear(selector={"matchLabels": {"tier": "web"}})
        await bench.quiet()
        for version, name in ((30, "a"), (31, "b")):
            bench.answer(version, "Running", name)
            await bench.quiet()
        assert bench.said() == ["Pending"]
        assert bench.next() == NOON + PAUSE
        bench.clock.time = NOON + PAUSE
        bench.asking._timer._fire()
        await bench.quiet()
        assert bench.said() == ["Pending", "Running"]

    played(scene)


def test_an_open_request_is_read_anew_now_and_then() -> None:
    """Its deletion may have gone unheard: then it is forgotten after a while."""

    async def scene(bench: Bench) -> None:
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.hear()
        await bench.quiet()
        bench.stored = None
        bench.clock.time = NOON + timedelta(minutes=10)
        bench.asking._timer._fire()
        await bench.quiet()
        assert len(bench.book) == 0

    played(scene)


@pytest.mark.parametrize("leads", [True, False], ids=["by who leads", "by who leads later"])
def test_after_a_restore_of_etcd_requests_are_read_anew(leads: bool) -> None:  # noqa: FBT001
    """One that was over is carried out again if its end was undone; one that never was is forgotten."""

    async def scene(bench: Bench) -> None:
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.hear(60)
        await bench.quiet()
        bench.answer(70)
        await bench.quiet()
        assert bench.said() == ["Pending", "Succeeded"]
        bench.stored = parse(asked(40))
        bench.cache.forget(ORDERS)
        bench.cache.put(look(manifest(version=41)))
        bench.leads = leads
        bench.asking.rewind()
        await bench.quiet()
        bench.leads = True
        bench.asking.resume()
        await bench.quiet()
        assert bench.said() == ["Pending", "Succeeded", "Pending"]
        bench.stored = None
        bench.asking.rewind()
        await bench.quiet()
        assert len(bench.book) == 0

    played(scene)


def test_only_who_leads_writes() -> None:
    """What is heard meanwhile is kept; when our term begins open requests are read anew, for others worked on them."""

    async def scene(bench: Bench) -> None:
        bench.leads = False
        bench.cache.put(look(manifest()))
        bench.asking.synced()
        bench.hear()
        await bench.quiet()
        assert bench.saved == []
        assert len(bench.book) == 1
        assert bench.next() is None
        bench.leads = True
        bench.stored = parse(asked(40))
        bench.asking.resume()
        await bench.quiet()
        assert bench.said() == ["Pending"]
        assert bench.stored is not None
        assert bench.stored.resource_version == "41"

    played(scene)
