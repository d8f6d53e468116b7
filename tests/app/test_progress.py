"""The progress of a mass rotation: what has yet to move, how fast it goes, how long it will take."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.app.cache import Cache
from rekey.app.progress import WINDOW, Progress
from rekey.app.queue import Lane, Queue
from rekey.app.seen import look
from rekey.core.facts import Key
from rekey.core.status import Cause, Rotation, Status, Step
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(step: Step | None, current: int | None = 2) -> Status:
    """Return a status at that step of a rotation."""
    rotation = Rotation(id="x", number=2, cause=Cause.SCHEDULE, step=step, started_time=NOON) if step else None
    return Status(current_version=current, rotation=rotation)


@dataclass
class Scene:
    """A cache, a queue, and a progress that looks at them, with a clock that is set."""

    time: float = 1000.0

    def __post_init__(self) -> None:
        self.cache = Cache(Parser().parse, 5, 5)
        self.queue = Queue(lambda: self.time)
        self.progress = Progress(self.cache, self.queue, lambda: self.time)

    def figures(self) -> tuple[float, float, float]:
        """Return backlog, speed and the time it will take."""
        backlog, speed, eta = (family.samples[0].value for family in self.progress.collect())
        return backlog, speed, eta

    def moves(self, number: int, seconds: float) -> None:
        """Let that many credentials move, evenly in that time."""
        for _ in range(number):
            self.time += seconds / number
            self.progress.saved(at(None, 1), at(Step.OVERLAP))


MOVES: dict[str, tuple[Status, Status, bool]] = {
    "a first version": (at(None, None), at(None, 1), True),
    "a rotation without consumers": (at(None, 1), at(Step.OVERLAP), True),
    "the last consumer has moved": (at(Step.ROLLING_OUT), at(Step.OVERLAP), True),
    "consumers have yet to move": (at(None, 1), at(Step.ROLLING_OUT), False),
    "the overlap goes on": (at(Step.OVERLAP), at(Step.OVERLAP), False),
    "the overlap ends": (at(Step.OVERLAP), at(Step.REVOKING), False),
    "a renewal, which is over at once": (at(Step.ISSUING, 1), at(None, 2), True),
    "a rollback that is over": (at(Step.ROLLING_BACK, 1), at(None, 1), False),
    "a rollback": (at(Step.ROLLING_OUT), at(Step.ROLLING_BACK, 1), False),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves(name: str) -> None:
    """A credential has moved when it has its first version, or when all its consumers use a new one."""
    before, after, counts = MOVES[name]
    scene = Scene()
    scene.progress.saved(before, after)
    assert (scene.progress.speed() > 0) is counts


def rotating(name: str, reason: str) -> dict[str, Any]:
    """Return a credential whose Rotating condition has that reason."""
    conditions = [{"type": "Rotating", "status": "True", "reason": reason}]
    return manifest(name, status={"observedGeneration": 1, "conditions": conditions})


def test_the_backlog() -> None:
    """What is new, being made or rolling out has yet to move; so has what waits because of a change, or in its time."""
    scene = Scene()
    for found in (manifest("new"), rotating("a", "RollingOut"), rotating("b", "Issuing"), rotating("c", "OverlapOpen")):
        scene.cache.put(look(found))
    assert scene.progress.backlog() == 3
    for name, lane in (("a", Lane.CHANGE), ("c", Lane.RESYNC)):
        scene.queue.add(Key("shop", name), lane)
    assert scene.progress.backlog() == 3
    scene.queue.add(Key("shop", "c"), Lane.DEADLINE)
    assert scene.progress.backlog() == 4


def test_the_time_it_will_take() -> None:
    """It is what is left by the speed of late; without a speed nobody knows, and without a backlog it is none."""
    scene = Scene()
    assert scene.figures() == (0, 0, 0)
    for number in range(50):
        scene.cache.put(look(manifest(f"c{number}")))
    assert scene.figures() == (50, 0, math.inf)
    scene.moves(100, 10.0)
    backlog, speed, eta = scene.figures()
    assert backlog == 50
    assert speed == pytest.approx(10, rel=0.05)
    assert eta == pytest.approx(5, rel=0.05)


def test_old_moves_do_not_count() -> None:
    """The speed is that of the last minute in which anything moved."""
    scene = Scene()
    scene.moves(1000, 10.0)
    scene.time += WINDOW
    scene.moves(20, 10.0)
    assert scene.progress.speed() == pytest.approx(2, rel=0.1)
    scene.time += 3600
    assert scene.progress.speed() == pytest.approx(2, rel=0.1)
