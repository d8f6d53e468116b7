"""Stories of refresh tokens at a server that forgives nothing: it takes the newest one only, and that once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import pytest

from rekey.core.material import Material
from rekey.engine.unstored import MOST, Unstored
from rekey.errors import Forbidden, Rejected, Retryable
from rekey.ports.backend import Claim, Granted, Traits
from tests.engine.scenarios_of_backends import GRANTED, consented
from tests.engine.telling import HOUR, MINUTE, states, verdict
from tests.engine.test_stories_of_keeping import granted
from tests.sim.world import World

RENEWAL = timedelta(minutes=29)
T = TypeVar("T")


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


TROUBLE = {
    "an API server that is busy three times in a row": (Retryable("the API server is busy", retry_after=1.0), 3),
    "an API server that is away for long": (Retryable("no connection"), 12),
    "a quota, or a policy of somebody else's, that forbids it": (Forbidden("create", "secrets", "shop"), 5),
    "a webhook that refuses it": (Rejected("BackendRefused", "admission webhook denied the request"), 5),
}


@pytest.mark.parametrize(("error", "times"), TROUBLE.values(), ids=TROUBLE)
def test_what_was_told_once_is_kept_until_it_is_stored(error: Exception, times: int) -> None:
    """The server is asked once, and the chain goes on; a key that was wrapped anew seals what it told."""
    world = strict()
    left = unstorable(world, error, times)
    with suppress(Retryable):
        world.run(RENEWAL)
    for _ in range(times):
        with suppress(Retryable):
            world.run(MINUTE)
    assert not left
    assert world.backend.calls["issue"] == 2
    assert states(world)[2] == "Active"
    world.run(2 * HOUR)
    assert world.backend.calls["issue"] == len(world.backend.refreshed) > 4
    assert verdict(world, "Stalled")[0] == "False"


def unstorable(world: World, error: Exception, times: int) -> list[int]:
    """Have the API server not store the second version, so many times; return what is left of them."""
    call, left = world.call, list(range(times))

    def refusing(name: str, effect: Callable[[], T], *, write: bool = False) -> T:
        if name == "secrets.create" and world.backend.calls["issue"] > 1 and left:
            left.pop()
            raise error
        return call(name, effect, write=write)

    world.call = refusing  # type: ignore[method-assign]
    return left


def test_what_is_not_stored_is_of_one_version_of_a_credential_and_of_so_many_only() -> None:
    """What was told of the version before is forgotten, and the oldest of too many; none of it can be printed."""
    unstored, granted = Unstored(), Granted(Material({"access_token": b"canary"}))
    claims = [Claim(f"uid-{number}", "shop", "api", 1) for number in range(MOST + 1)]
    for claim in claims:
        unstored.keep(claim, granted)
    assert unstored.of(claims[0]) is None
    assert unstored.of(claims[1]) is granted
    assert "canary" not in repr(granted)
    later = Claim("uid-1", "shop", "api", 2)
    assert unstored.of(later) is None
    unstored.keep(later, granted)
    assert unstored.of(claims[1]) is None
    unstored.forget("uid-1")
    assert unstored.of(later) is None
