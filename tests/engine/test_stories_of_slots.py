"""A backend that takes two versions, as AWS does: no third is begun, so what makes room is not held up."""

from __future__ import annotations

from typing import Any

import pytest

from rekey.core.reasons import Reason
from rekey.core.spec_provide import KINDS
from rekey.errors import Rejected
from rekey.ports.backend import Traits
from tests.engine.scenarios_of_backends import HELD
from tests.engine.telling import HOUR, MINUTE, condition, outcome, states, verdict
from tests.sim.world import World

SPEC: dict[str, Any] = HELD | {"provider": {"ref": {"name": "store"}, "awsAccessKey": {"userName": "orders"}}}
FULL = Rejected(Reason.BACKEND_REFUSED, "user orders has as many access keys as AWS allows")


def wanted(world: World, trigger: str, **changes: Any) -> None:
    """Apply the credential, and so ask for another version."""
    world.apply("api", SPEC | changes | {"rotation": {**HELD["rotation"], "trigger": trigger}})


def twice(**changes: Any) -> World:
    """Return a world whose credential was just rotated, so that its backend takes no more."""
    world = World()
    world.backend.traits = Traits(makes_value=True, listable=True)
    world.backend.trouble = lambda call: FULL if call == "issue" and len(world.backend.things) > 1 else None
    world.apply("api", SPEC | changes)
    world.run(HOUR)
    wanted(world, "a", **changes)
    world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    return world


@pytest.mark.parametrize("revoke", ["AfterRollout", "Immediately"])
def test_a_compromise_while_an_older_version_is_still_accepted(revoke: str) -> None:
    """It waits for the end of that overlap, and says so; then the compromised version is replaced, and goes."""
    world = twice()
    world.ask("leak", "Compromise", revoke=revoke)
    world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert verdict(world, "Stalled")[0] == "True"
    said = condition(world, "Stalled").message
    assert said.startswith("version 1 is accepted until")
    assert said.endswith("a RotationRequest with `reason: Revoke` ends that")
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}
    assert outcome(world, "leak") == ("Succeeded", 2, 3)
    assert verdict(world, "Stalled")[0] == "False"


def test_a_person_ends_that_overlap() -> None:
    """Nobody holds the older version, so it goes at once, and the compromised one is replaced."""
    world = twice()
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(MINUTE)
    world.ask("room", "Revoke", version=1)
    world.run(MINUTE)
    assert states(world)[3] == "Active"
    assert outcome(world, "room")[0] == "Succeeded"


@pytest.mark.parametrize("policy", ["Manual", "Never"])
@pytest.mark.parametrize("why", ["a new trigger", "a compromise"])
def test_an_old_version_that_the_policy_keeps(policy: str, why: str) -> None:
    """Nothing is reserved, the condition says what to do, and whoever revokes the old version has the next made."""
    world = twice(revocationPolicy=policy)
    world.run(HOUR)
    if why == "a compromise":
        world.ask("leak", "Compromise", revoke="AfterRollout")
    else:
        wanted(world, "b", revocationPolicy=policy)
    world.run(HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert verdict(world, "Stalled") == ("True", "TooManyVersions")
    assert "has versions 1, 2" in condition(world, "Stalled").message
    world.ask("room", "Revoke", version=1)
    world.run(HOUR)
    assert (states(world)[1], states(world)[3]) == ("Revoked", "Active")


def test_a_value_that_is_lost_in_the_overlap() -> None:
    """The older version may be the last that somebody can use: it goes at a person's word only, and makes room."""
    world = twice()
    world.promises.excused = True
    for name in ("api", "api-v2"):
        del world.secrets[name]
    while world.reconcile("api", check=True) is None:
        pass
    world.run(HOUR)
    assert states(world) == {1: "Retiring", 2: "Active", 3: "Reserved"}
    assert verdict(world, "Stalled") == ("True", "BackendRefused")
    world.ask("room", "Revoke", version=1)
    world.run(HOUR)
    assert (states(world)[1], states(world)[3]) == ("Revoked", "Active")


def test_only_aws_counts_versions() -> None:
    """Whatever else is made there is made beside any number of old ones."""
    assert {name: kind.slots for name, kind in KINDS.items() if kind.slots is not None} == {"awsAccessKey": 2}
