"""What the benchmark asks of the API server itself: credentials, triggers, a watch of their progress, raw rates."""

import asyncio
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import orjson

from rekey.errors import Retryable
from rekey.kube.api import CREATE, CREDENTIALS, GET, MERGE, REQUESTS, SECRETS, Path
from rekey.kube.client import Client

IN_FLIGHT = 64
LABELS = {"app": "orders"}
_RAW = 2_000
_LINE = 1 << 20
Test = Callable[[dict[str, Any]], bool]
Named = tuple[str, str]
"""A credential: its namespace and its name."""


async def each(numbers: Iterable[int], do: Callable[[int], Awaitable[object]]) -> float:
    """Do it for every number, 64 at a time, and return how many seconds that took."""
    todo = iter(numbers)

    async def work() -> None:
        for number in todo:
            await do(number)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - began


async def create(client: Client, spaces: Sequence[str], count: int, overlap: str, **more: object) -> float:
    """Create that many credentials without consumers; return how many seconds that took. `more` goes into the spec."""
    spec = {
        "generate": {"token": {"prefix": "ord_"}},
        "rotation": {"interval": "720h"},
        "overlap": {"duration": overlap},
        **more,
    }

    async def one(number: int) -> None:
        body = {
            "apiVersion": CREDENTIALS.api_version,
            "kind": CREDENTIALS.kind,
            "metadata": {"name": name(number), "labels": LABELS},
            "spec": spec,
        }
        await client.request(CREATE, CREDENTIALS.all(space(spaces, number)), body=body)

    return await each(range(count), one)


async def trigger(client: Client, spaces: Sequence[str], count: int, word: str) -> float:
    """Ask for one rotation of each; return how many seconds the asking took."""
    body = {"spec": {"rotation": {"trigger": word}}}

    async def one(number: int) -> None:
        await client.request(MERGE, CREDENTIALS.one(space(spaces, number), name(number)), body=body)

    return await each(range(count), one)


async def trickle(client: Client, spaces: Sequence[str], count: int, rate: float) -> dict[Named, float]:
    """Ask for one rotation after another, so many a second, of credentials that may be suspended until then.

    Returns when each was asked for, just before that was sent.
    """
    asked: dict[Named, float] = {}
    began = time.perf_counter()

    async def one(number: int) -> None:
        await asyncio.sleep(began + number / rate - time.perf_counter())
        body = {"spec": {"suspend": False, "rotation": {"trigger": "trickle"}}}
        namespace = space(spaces, number)
        asked[namespace, name(number)] = time.perf_counter()
        await client.request(MERGE, CREDENTIALS.one(namespace, name(number)), body=body)

    await asyncio.gather(*(one(number) for number in range(count)))
    return asked


async def chains(client: Client, namespace: str, count: int, rate: float) -> list[float]:
    """Do what a rotation asks of the API server, by hand, so many a second: a trigger, a new Secret, two patches.

    Each write is sent when the one before it is answered. Returns how long each chain took, in order of length. What
    the credentials of this namespace are asked for nobody does: no operator may run.
    """
    value = b64encode(secrets.token_bytes(48)).decode()
    began = time.perf_counter()
    taken: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(began + number / rate - time.perf_counter())
        at, credential = time.perf_counter(), CREDENTIALS.one(namespace, name(number))
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name(number)}, "data": {"token": value}}
        await client.request(MERGE, credential, body={"spec": {"rotation": {"trigger": "by-hand"}}})
        await client.request(CREATE, SECRETS.all(namespace), body=made)
        await client.request(MERGE, SECRETS.one(namespace, name(number)), body={"data": {"previous.token": value}})
        await client.request(MERGE, credential, body={"metadata": {"annotations": {"by": "hand"}}})
        taken.append(time.perf_counter() - at)

    await asyncio.gather(*(one(number) for number in range(count)))
    return sorted(taken)


async def request(client: Client, namespace: str) -> None:
    """Ask for one rotation of every credential of the namespace by one RotationRequest."""
    body = {
        "apiVersion": REQUESTS.api_version,
        "kind": REQUESTS.kind,
        "metadata": {"name": "all"},
        "spec": {"reason": "Manual", "selector": {"matchLabels": LABELS}},
    }
    await client.request(CREATE, REQUESTS.all(namespace), body=body)


def space(spaces: Sequence[str], number: int) -> str:
    """Return the namespace of one credential: they are dealt out one by one."""
    return spaces[number % len(spaces)]


def name(number: int) -> str:
    """Return the name of one credential."""
    return f"orders-api-key-{number:05}"


class Progress:
    """When each credential of some namespaces was first seen to pass the test, by `time.perf_counter`."""

    def __init__(self, spaces: Sequence[str], wanted: int, test: Test) -> None:
        self._spaces = frozenset(spaces)
        self._wanted = wanted
        self._test = test
        self.seen: dict[Named, float] = {}
        self._all = asyncio.Event()
        self._broken: BaseException | None = None

    def look(self, obj: dict[str, Any]) -> None:
        """Take note of one credential."""
        known = obj["metadata"]["namespace"], obj["metadata"]["name"]
        if known[0] in self._spaces and known not in self.seen and self._test(obj.get("status") or {}):
            self.seen[known] = time.perf_counter()
            if len(self.seen) >= self._wanted:
                self._all.set()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Take note that the watch is over."""
        if not task.cancelled():
            self._broken = task.exception()
            self._all.set()

    async def complete(self, seconds: float) -> list[float]:
        """Wait until all have passed and return the moments, in order."""
        try:
            async with asyncio.timeout(seconds):
                await self._all.wait()
        except TimeoutError:
            pass
        if len(self.seen) < self._wanted:
            missing = f"{len(self.seen)} of {self._wanted} in {seconds:g} s"
            raise RuntimeError(f"not every credential got there: {missing}") from self._broken
        return sorted(self.seen.values())

    def late(self, asked: Mapping[Named, float], share: float) -> float:
        """Return in how many seconds that share of them got there, since each was asked for."""
        return within(sorted(self.seen[known] - moment for known, moment in asked.items()), share)


def within(taken: Sequence[float], share: float) -> float:
    """Return the time within which that share of them was done; they are in order."""
    return round(taken[min(len(taken) - 1, int(share * len(taken)))], 3)


@asynccontextmanager
async def watching(
    client: Client, spaces: Sequence[str], wanted: int, test: Test, selector: str = ""
) -> AsyncIterator[Progress]:
    """Follow the credentials of these namespaces, those with a label if one is given; entered when that is open."""
    progress = Progress(spaces, wanted, test)
    path = CREDENTIALS.all(spaces[0]) if len(spaces) == 1 else CREDENTIALS.everywhere
    is_open = asyncio.Event()

    async def follow() -> None:
        # The API server ends watches of a kind whose CRD is new as it likes, and is busy with what is measured.
        while True:
            with suppress(Retryable):
                await _follow(client, path, {"labelSelector": selector}, progress, is_open)

    task = asyncio.create_task(follow())
    task.add_done_callback(progress.ended)
    try:
        await is_open.wait()
        yield progress
    finally:
        task.cancel()


async def _follow(
    client: Client, path: Path, which: Mapping[str, str], progress: Progress, is_open: asyncio.Event
) -> None:
    """List, page by page, then watch until the API server ends it."""
    version = ""
    async for page in client.pages(path, which):
        version = page["metadata"]["resourceVersion"]
        for obj in page["items"]:
            progress.look(obj)
    query = {**which, "watch": "1", "resourceVersion": version}
    forever = aiohttp.ClientTimeout(total=None)
    async with (
        client.open_session() as session,
        session.get(f"{client.access.server}{path.url}", params=query, timeout=forever, read_bufsize=_LINE) as answer,
    ):
        answer.raise_for_status()
        is_open.set()
        async for line in answer.content:
            event = orjson.loads(line)
            if event["type"] in ("ADDED", "MODIFIED"):
                progress.look(event["object"])


def is_active(number: int) -> Test:
    """Return the test that version `number` is current and its status says so."""
    return lambda status: status.get("currentVersion") == number


def is_over(number: int) -> Test:
    """Return the test that the rotation to `number` is over: the version before it is revoked."""
    return lambda status: (
        status.get("currentVersion") == number
        and "rotation" not in status
        and any(version["state"] == "Revoked" for version in status["versions"])
    )


async def raw_rates(client: Client, namespace: str) -> dict[str, float]:
    """Return what the API server does a second for one client with 64 requests in flight, and nothing beside."""
    value = b64encode(secrets.token_bytes(48)).decode()
    everything = SECRETS.all(namespace)

    async def make(number: int) -> None:
        metadata = {"name": name(number), "labels": {"app.kubernetes.io/managed-by": "rekey"}}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"token": value}}
        await client.request(CREATE, everything, body=body)

    async def change(number: int) -> None:
        body = {"data": {"token": value, "version": b64encode(b"%d" % number).decode()}}
        await client.request(MERGE, SECRETS.one(namespace, name(number)), body=body)

    async def get(number: int) -> None:
        await client.request(GET, SECRETS.one(namespace, name(number)))

    work = {"creates": make, "merge patches": change, "gets": get}
    return {what: round(_RAW / await each(range(_RAW), do), 1) for what, do in work.items()}
