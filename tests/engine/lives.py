"""The lives of a scenario: one that nothing disturbs, and those that branch off it where something does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.sim.forking import fork
from tests.sim.world import Plug, World

Step = Callable[[World], None]


@dataclass(frozen=True)
class Pause:
    """Time in which only the operator does something."""

    lasts: timedelta

    def __call__(self, world: World) -> None:
        """Let it pass."""
        world.run(self.lasts)


@dataclass(frozen=True)
class Steps:
    """Several steps as one."""

    steps: tuple[Step, ...]

    def __call__(self, world: World) -> None:
        """Take them."""
        for step in self.steps:
            step(world)

    def flat(self) -> Iterator[Step]:
        """Return the single steps."""
        for step in self.steps:
            if isinstance(step, Steps):
                yield from step.flat()
            else:
                yield step


@dataclass(frozen=True)
class Moment:
    """Where a scenario can be taken up: before a step, or within a pause that has an `end`."""

    step: int = 0
    end: datetime | None = None


@dataclass(frozen=True)
class Scenario:
    """What happens to the credential `api`, and after how long everything has settled."""

    steps: tuple[Step, ...]
    lasts: timedelta = timedelta(hours=2)

    def play(self, world: World, since: Moment = Moment(), note: Callable[[Moment], None] = lambda _: None) -> None:
        """Drive the world through it from a moment on; every moment that is reached is noted."""
        settled = Pause(self.lasts)
        steps = tuple(Steps(tuple(one for step in self.steps for one in (step, settled))).flat())
        for number, step in enumerate(steps[since.step :], since.step):
            end = since.end if number == since.step else None
            if not isinstance(step, Pause):
                note(Moment(number))
                step(world)
                continue
            end = end or world.time + step.lasts
            while world.time < end:
                note(Moment(number, end))
                world.turn(end)


class Watched(Plug):
    """Nothing is pulled; it tells the calls at which it should be."""

    POLLS = 2

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.polls: Counter[tuple[str, int]] = Counter()
        self.points: list[int] = []

    def before(self, name: str) -> None:
        """Count a call. One that is repeated while nothing is written is a poll: the first two stand for all."""
        self.calls.append(name)
        poll = (name, self.world.writes.total())
        self.polls[poll] += 1
        if self.polls[poll] <= self.POLLS:
            self.points.append(len(self.calls) - 1)


class Reference:
    """The life that nothing disturbs, and the world as it was at each moment of it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.world = World()
        self.world.plug = self.watched = Watched(self.world)
        self.moments: list[tuple[Moment, World]] = []
        scenario.play(self.world, note=self._note)

    def _note(self, moment: Moment) -> None:
        if self.moments and len(self.moments[-1][1].plug.calls) == len(self.watched.calls):
            self.moments.pop()
        self.moments.append((moment, fork(self.world)))

    def otherwise(self, at: int, plug: Callable[[int, World], Plug]) -> World:
        """Return the world after a life with this plug for call `at`, lived from the last moment before that on."""
        moment, then = next(one for one in reversed(self.moments) if len(one[1].plug.calls) <= at)
        world = fork(then)
        calls, world.plug = world.plug.calls, plug(at, world)
        world.plug.calls += calls
        self.scenario.play(world, moment)
        return world
