"""The watchdog: what is due and nobody looks at is an alarm; what waits for a reason, or is not ours to do, is none."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.app.cache import Cache
from rekey.app.queue import Lane, Queue
from rekey.app.seen import look
from rekey.app.watchdog import PATIENCE, Watchdog
from rekey.core.facts import Key
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest

KEY = Key("shop", "orders")
DUE = datetime(2026, 12, 20, 8, tzinfo=UTC)
START = DUE - timedelta(days=1)
LATE = DUE + PATIENCE + timedelta(seconds=1)


def rested(**changes: Any) -> dict[str, Any]:
    """Return a credential at rest whose next rotation falls due at DUE."""
    ready = {"type": "Ready", "status": "True", "reason": "Active"}
    status = {"observedGeneration": 1, "nextRotationTime": DUE.isoformat(), "conditions": [ready]}
    return manifest(**{"status": status, **changes})


def stalled() -> dict[str, Any]:
    """Return the same, stalled."""
    found = rested()
    found["status"]["conditions"].append({"type": "Stalled", "status": "True", "reason": "NameTaken"})
    return found


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()


class Scene:
    """A cache, a queue and a watchdog that looks at them; it acts since START."""

    def __init__(self, acting: datetime | None = START) -> None:
        self.clock = Clock()
        self.cache = Cache(Parser().parse, 5, 5)
        self.queue = Queue(self.clock.seconds)
        self.dog = Watchdog(self.cache, self.queue, self.clock, lambda: acting)


CASES: dict[str, tuple[dict[str, Any], datetime | None, datetime, datetime | None, bool]] = {
    "due, and nobody looked for longer than patience": (rested(), START, LATE, None, True),
    "due, and last looked at before": (rested(), START, LATE, DUE - timedelta(hours=1), True),
    "due, and looked at since": (rested(), START, LATE, DUE, False),
    "due, but not for long": (rested(), START, DUE + PATIENCE, None, False),
    "not due yet": (rested(), START, DUE - timedelta(seconds=1), None, False),
    "suspended": (rested(spec__suspend=True), START, LATE, None, False),
    "stalled": (stalled(), START, LATE, None, False),
    "being deleted": (rested(metadata__deletionTimestamp="2026-12-19T08:00:00Z"), START, LATE, None, False),
    "new, without a status": (manifest(), START, LATE, None, False),
    "another process acts": (rested(), None, LATE, None, False),
    "we act since a moment only": (rested(), LATE - PATIENCE, LATE, None, False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rotation_that_nobody_takes_up(name: str) -> None:
    """Only a credential at rest that is due, and that nobody took up though we act, is an alarm; it is named."""
    found, acting, now, looked, is_wrong = CASES[name]
    scene = Scene(acting)
    scene.cache.put(look(found))
    if looked is not None:
        scene.cache.looked(KEY, looked)
    scene.cache.put(look({**found, "metadata": found["metadata"] | {"resourceVersion": "99"}}))
    scene.clock.at = now
    wrong = scene.dog.nothing_is_forgotten()
    assert (wrong is not None) is is_wrong
    assert wrong is None or str(KEY) in wrong


Steps = Callable[[Scene], None]


def waits(scene: Scene) -> None:
    """Let a credential wait."""
    scene.queue.add(KEY, Lane.CHANGE)


def passes(scene: Scene) -> None:
    """Let more time pass than patience has."""
    scene.clock.at += PATIENCE + timedelta(seconds=1)


def done(scene: Scene) -> None:
    """Let a worker get done with another credential."""
    scene.queue.add(Key("shop", "first"), Lane.CHANGE)
    asyncio.run(take(scene, Key("shop", "first")))


async def take(scene: Scene, key: Key) -> None:
    """Take keys until it is that one, and end the work on it."""
    work = await scene.queue.take()
    assert work is not None
    scene.queue.done(work.key)
    if work.key != key:
        scene.queue.add(work.key, Lane.CHANGE)
        await take(scene, key)


WORK: dict[str, tuple[tuple[Steps, ...], bool]] = {
    "nothing waits": ((passes,), False),
    "it waits, and nothing has ended for long": ((waits, passes), True),
    "it waits, but work ended a moment ago": ((waits, passes, done), False),
    "it waits, and the last work ended long ago": ((done, waits, passes), True),
    "it has just begun to wait": ((waits,), False),
    "it has just begun to wait, and nothing was to be done for long": ((passes, waits), False),
}


@pytest.mark.parametrize("name", WORK)
def test_workers_that_get_nothing_done(name: str) -> None:
    """Credentials that wait while no work ends are an alarm."""
    steps, is_wrong = WORK[name]
    scene = Scene()
    for step in steps:
        step(scene)
    assert (scene.dog.work_gets_done() is not None) is is_wrong
