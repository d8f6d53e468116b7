"""Rotations of credentials whose users are counted, which are run again and again with the plug pulled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rekey.core.usage import Reading
from tests.engine.lives import Pause, Scenario, Step
from tests.engine.scenarios import HOUR, MINUTE, both, spec
from tests.sim.world import World

SEEN: dict[str, Any] = {"usage": {"prometheus": {"url": "https://prometheus.orders.svc"}}}


def _apply(trigger: str | None = None) -> Step:
    return lambda world: world.apply("api", spec(trigger, **SEEN))


def _for(length: timedelta, *samples: float) -> Step:
    """Have it answered so for a time; without a sample nobody answers."""

    def step(world: World) -> None:
        world.metrics = lambda _: Reading(samples or None, "no connection")

    return both(step, Pause(length))


USAGE: dict[str, Scenario] = {
    "an old version that is still used, of which nobody can tell for a while": Scenario(
        (_apply(), both(_apply("a"), _for(HOUR, 1.0), _for(MINUTE), _for(MINUTE, 0.0)))
    ),
}
