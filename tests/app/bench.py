"""Everything between the ear and the engine, with an engine that a test writes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rekey.app.cache import Cache
from rekey.app.drift import Drift
from rekey.app.intake import Intake
from rekey.app.observed import Observed
from rekey.app.queue import Lane, Queue
from rekey.app.seen import look
from rekey.app.workers import Workers
from rekey.core.facts import Credential, Key, Problem
from rekey.core.reasons import Reason
from rekey.core.status import Status
from rekey.engine.reconcile import Result
from rekey.errors import NotLeading
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest
from tests.app.eventually import eventually

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = Key("shop", "orders")
Turn = Callable[["Bench", Credential], Awaitable[Result]]


class Clock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOON


class Store:
    """The API server's credentials, for reads and writes."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.reads: list[Key] = []
        self.refused: list[Key] = []

    async def read(self, key: Key) -> Credential | None:
        self.reads.append(key)
        found = self.objects.get(key)
        return None if found is None else Parser().parse(found)

    async def save(self, credential: Credential, status: Status) -> Credential:
        return replace(credential, status=status, resource_version=str(int(credential.resource_version) + 1))

    async def finalize(self, credential: Credential, present: bool) -> Credential | None:  # noqa: FBT001  the port's
        return replace(credential, resource_version=str(int(credential.resource_version) + 1)) if present else None

    async def refuse(self, key: Key) -> int | None:
        self.refused.append(key)
        return 12


class NobodyAsks:
    """Nobody keeps requests."""

    def heard(self, found: Mapping[str, Any]) -> None:
        raise AssertionError("there are no requests here")

    def withdrawn(self, key: Key, version: int) -> None:
        raise AssertionError("there are no requests here")

    def touched(self, key: Key) -> None:
        pass

    def synced(self) -> None:
        pass


class Bench:
    """Everything between the ear and the engine, with an engine that a test writes."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.leads = True
        self.is_lost = False
        self.done: list[tuple[Key, bool]] = []
        self.failures: list[str] = []
        self.saved: list[Status] = []
        self.problems: tuple[Problem, ...] = ()
        self.store = Store()
        self.cache = Cache(Parser().parse, 5, 20)
        self.queue = Queue(asyncio.get_running_loop().time)
        self.credentials = Observed(
            self.store, self.cache, [lambda _, after: self.saved.append(after)], self.store.refuse
        )
        self.workers = Workers(self.queue, self.cache, self.credentials, self, Clock(), self, self, self)
        check = timedelta(hours=1)
        self.drift = Drift(Clock(), check, 50, lambda key: self.queue.add(key, Lane.RESYNC, check=True))
        self.deaf = 0
        self.cache.tell(entered=self.drift.follow, left=self.drift.drop)
        self.intake = Intake(self.cache, self.queue, self.workers.timer, NobodyAsks(), self._deafened)

    async def reconcile(self, credential: Credential, *, check: bool = False) -> Result:
        self.done.append((credential.key, check))
        return await self.turn(self, credential)

    def begin(self, namespace: str) -> None:
        if not self.leads:
            raise NotLeading("another process acts")

    def worked(self, lane: Lane, waited: float, seconds: float) -> None:
        pass

    def failed(self, error: str) -> None:
        self.failures.append(error)

    def hear(self, found: dict[str, Any]) -> None:
        """Have the watch tell of an object."""
        self.intake.take(look(found))

    async def quiet(self) -> None:
        """Wait until nobody waits and nobody works."""
        await eventually(lambda: not self.queue.depth() and not self.queue._working)

    def next(self) -> datetime | None:
        """Return when something is looked at next."""
        return self.workers.timer._deadlines.next()

    def _deafened(self) -> None:
        self.deaf += 1


async def hold(_: Bench, credential: Credential) -> Result:
    """Have nothing to do for an hour."""
    return Result(credential, NOON + timedelta(hours=1), Reason.ACTIVE, "")


async def hold_for_good(_: Bench, credential: Credential) -> Result:
    """Have nothing to do until something changes."""
    return Result(credential, None, Reason.SUSPENDED, "")


async def gone(_: Bench, __: Credential) -> Result:
    """End the credential."""
    return Result(None, None, Reason.DELETING, "")


async def write(bench: Bench, credential: Credential) -> Result:
    """Save a status; the watch tells of it before the save returns."""
    bench.hear(manifest(version=int(credential.resource_version) + 1))
    stored = await bench.credentials.save(credential, Status())
    return Result(stored, None, Reason.ACTIVE, "")


def failing(error: Exception) -> Turn:
    """Return an engine that fails."""

    async def fail(_: Bench, __: Credential) -> Result:
        raise error

    return fail


def played(turn: Turn, scene: Callable[[Bench], Awaitable[None]], workers: int = 4) -> None:
    """Play a scene with workers running."""

    async def play() -> None:
        bench = Bench(turn)
        bench.workers.start(workers)
        await scene(bench)
        bench.drift.stop()
        assert await bench.workers.stop(timedelta(seconds=5)) == 0

    asyncio.run(play())
