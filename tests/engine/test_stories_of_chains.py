"""Stories of refresh tokens at a server that forgives nothing: it takes the newest one only, and that once."""

from __future__ import annotations

from datetime import timedelta

from rekey.ports.backend import Traits
from tests.engine.scenarios_of_backends import GRANTED, consented
from tests.engine.telling import HOUR, MINUTE, states, verdict
from tests.engine.test_stories_of_keeping import granted
from tests.sim.world import World

RENEWAL = timedelta(minutes=29)


def strict() -> World:
    """Return a world with a token by consent, whose server forgives nothing."""
    world = granted()
    world.backend.forgives = False
    return world


def test_a_refused_version_is_not_given_up_with_the_only_refresh_token_in_it() -> None:
    """It is tried for as long as it is good, which is said; the version after it is got by what it kept."""
    world = strict()
    world.backend.unknown = frozenset({2})
    world.run(RENEWAL + 15 * MINUTE)
    assert states(world) == {1: "Active", 2: "Issued"}
    assert verdict(world, "Stalled") == ("True", "ValidationRefused")
    world.run(30 * MINUTE)
    assert states(world)[2] == "Discarded"
    assert states(world)[3] == "Active"
    assert verdict(world, "Stalled")[0] == "False"
    world.run(3 * HOUR)
    assert world.backend.calls["issue"] == len(world.backend.refreshed) > 5


def test_a_refused_version_that_is_accepted_later_becomes_current() -> None:
    """A service that knows it only after a while is waited for."""
    world = strict()
    world.backend.unknown = frozenset({2})
    world.run(RENEWAL + 15 * MINUTE)
    world.backend.unknown = frozenset()
    world.run(6 * MINUTE)
    assert states(world)[2] == "Active"


def test_a_first_version_that_is_refused_is_followed_when_it_ends() -> None:
    """There is no version before it."""
    world = World()
    world.backend.traits = Traits(makes_value=True, listable=False)
    world.backend.forgives = False
    world.backend.unknown = frozenset({1, 2})
    consented(world)
    world.apply("api", GRANTED)
    world.run(25 * MINUTE)
    assert states(world) == {1: "Issued"}
    world.run(2 * HOUR)
    assert states(world)[3] in {"Active", "Retiring", "Revoked"}
    assert verdict(world, "Stalled")[0] == "False"
