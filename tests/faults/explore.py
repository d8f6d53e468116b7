"""A whole exploration: learn the calls from runs without faults, plan, live every case, and tell what came of it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.handle import Cluster
from tests.faults import plan, theatre
from tests.faults.calls import Point
from tests.faults.lives import LIVES
from tests.faults.matrix import Kind
from tests.faults.plan import Plan
from tests.faults.theatre import Run, Theatre

REFERENCES = 5
LIVES_OF_A_CASE = (1, 1, 20, 40)
"""How many lives an open case has in each round."""
SELDOM = 0.5
STAGES = 3
SIZES = {"mortal": 14, "impatient": 20, "curious": 20, "plain": 40}


@dataclass
class Outcome:
    """What came of it: the calls of each life, the cases that were met, and what is wrong."""

    points: dict[str, list[Point]] = field(default_factory=dict)
    whole: list[Plan] = field(default_factory=list)
    chosen: list[Plan] = field(default_factory=list)
    met: list[Plan] = field(default_factory=list)
    unmet: list[Plan] = field(default_factory=list)
    chance: list[Plan] = field(default_factory=list)
    """Not met either, but the call is none of the life: see `came_by_chance`."""
    wrong: list[str] = field(default_factory=list)
    attempts: int = 0
    lived: Counter[tuple[str, Point]] = field(default_factory=Counter)
    """How many lives were lived for a fault at each call."""
    seen: Counter[tuple[str, Point]] = field(default_factory=Counter)
    """In how many lives with a fault elsewhere each call came."""

    def text(self) -> str:
        """Return it for people."""
        calls = ", ".join(f"{life} {len(points)}" for life, points in self.points.items())
        lines = [
            f"{len(self.met)} cases of {len(self.whole)} (calls: {calls})",
            f"{self.attempts} lives, {len(self.unmet)} calls not met, {len(self.wrong)} wrong",
            *(f"not met: {self._told(one)}" for one in self.unmet),
            *(f"by chance: {self._told(one)}" for one in self.chance),
            plan.histogram(self.met),
        ]
        return "\n".join(lines)

    def came_by_chance(self, one: Plan) -> bool:
        """Tell whether a call that all references made was made in few of the lives with a fault elsewhere.

        It is a read then, or news of a watch, that depends on who was quicker. What is written never depends on that.
        """
        came, lives = self._often(one)
        return one.point.kind not in {Kind.WRITE, Kind.EVENT} and came < SELDOM * lives

    def count(self, run: Run) -> None:
        """Take note of a life with a fault."""
        assert run.plan is not None
        name, point = run.plan.life, run.plan.point
        self.attempts += 1
        self.wrong += [f"{run.plan}: {text}" for text in run.wrong]
        self.lived[name, point] += 1
        self.seen.update((name, other) for other in {*theatre.points_of(run)} - {point})

    def _often(self, one: Plan) -> tuple[int, int]:
        """Return in how many lives with a fault elsewhere its call came, and how many there were."""
        lives = sum(number for (life, point), number in self.lived.items() if life == one.life and point != one.point)
        return self.seen[one.life, one.point], lives

    def _told(self, one: Plan) -> str:
        return "{}: the call came in {} of {} lives with a fault elsewhere".format(one, *self._often(one))


async def explore(
    cluster: Cluster, directory: Path, choose: Callable[[list[Plan]], list[Plan]], lives: Collection[str] = tuple(LIVES)
) -> Outcome:
    """Live those cases that are chosen of all that there are."""
    outcome = Outcome()
    async with theatre.opened(cluster, directory) as here:
        wanted = await _references(here, lives, outcome)
        outcome.whole = plan.product(outcome.points)
        outcome.chosen = open_cases = choose(outcome.whole)
        for often in LIVES_OF_A_CASE:
            # What a crash of another case cut off is tried again in other company. A call that comes by chance, such as
            # the read of a credential whose watch is late, gets many lives at once: it comes where much is going on.
            open_cases = await _round(here, open_cases * often, wanted, outcome)
        outcome.chance = [one for one in open_cases if outcome.came_by_chance(one)]
        outcome.unmet = [one for one in open_cases if one not in outcome.chance]
        outcome.wrong += here.unexpected
    return outcome


async def _references(here: Theatre, lives: Collection[str], outcome: Outcome) -> dict[str, dict[str, Any]]:
    found = await asyncio.gather(*(here.reference(life, REFERENCES) for life in lives))
    wanted = {}
    for life, runs in zip(lives, found, strict=True):
        assert [run.wrong for run in runs] == [()] * REFERENCES, f"{life}, without faults"
        assert all(run.end == runs[0].end for run in runs), f"{life} does not end alike"
        wanted[life] = runs[0].end or {}
        outcome.points[life] = plan.stable(theatre.points_of(run) for run in runs)
    return wanted


async def _round(here: Theatre, cases: list[Plan], wanted: dict[str, dict[str, Any]], outcome: Outcome) -> list[Plan]:
    """Live these cases; return those whose call did not come."""
    gate = asyncio.Semaphore(STAGES)

    async def played(operator: str, plans: list[Plan]) -> list[Run]:
        async with gate:
            runs = await here.batch(operator, plans, wanted)
        # Seen with `pytest -s`, and when this fails.
        print(f"{operator}: {len(runs)} lives, {sum(run.case.met for run in runs)} faults met", flush=True)
        for run in runs:
            if run.wrong:
                print(f"{run.case.namespace}: {run.plan}: {run.wrong}"[:1500], flush=True)
        return runs

    met: dict[Plan, bool] = dict.fromkeys(cases, False)
    for runs in await asyncio.gather(*(played(*batch) for batch in plan.batches(cases, SIZES))):
        for run in runs:
            assert run.plan is not None
            outcome.count(run)
            met[run.plan] |= run.case.met
    outcome.met += [one for one, was_met in met.items() if was_met]
    return [one for one, was_met in met.items() if not was_met]
