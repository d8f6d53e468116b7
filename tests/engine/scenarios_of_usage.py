"""Rotations of credentials whose users are counted, which are run again and again with the plug pulled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rekey.core.usage import Reading
from rekey.errors import Retryable
from rekey.ports.backend import Traits
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


HELD: dict[str, Any] = {
    "provider": {"ref": {"name": "store"}, "awsAccessKey": {"userName": "orders"}},
    "usage": {"quiet": "6h", "backend": {}},
}
"""A credential whose backend is asked when its versions were last used."""


def held(trigger: str | None = None, **changes: Any) -> Step:
    """Return that it is applied."""
    wish = {name: part for name, part in spec(trigger, **HELD, **changes).items() if name != "generate"}
    return lambda world: world.apply("api", wish)


def telling(world: World) -> None:
    """Let the backend make values, and tell of their use."""
    world.backend.traits = Traits(makes_value=True, listable=True, tells_use=True)


def use(world: World, version: int = 1) -> None:
    """Let somebody use a version now."""
    world.backend.used |= {
        thing.id: world.time for thing in world.backend.things.values() if thing.claim and thing.claim.number == version
    }


def _away(call: str) -> Exception | None:
    return Retryable("no connection") if call == "last_used" else None


def _leave(world: World) -> None:
    world.backend.trouble = _away


def _come_back(world: World) -> None:
    world.backend.trouble = lambda _: None


USAGE: dict[str, Scenario] = {
    "an old version of which its backend says that it is used, and nothing for a while": Scenario(
        (
            both(telling, held()),
            both(held("a"), Pause(2 * HOUR), use, _leave, Pause(7 * HOUR), use, _come_back, Pause(6 * HOUR)),
        )
    ),
    "an old version that is still used, of which nobody can tell for a while": Scenario(
        (_apply(), both(_apply("a"), _for(HOUR, 1.0), _for(MINUTE), _for(MINUTE, 0.0)))
    ),
}
