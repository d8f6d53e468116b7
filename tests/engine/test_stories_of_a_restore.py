"""etcd is restored from a copy while the operator runs: what it remembers of the undone part, nobody else knows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rekey.core.facts import Credential
from rekey.ports.secrets import SecretView
from tests.engine.scenarios import HOUR, MINUTE, lose_status, spec
from tests.engine.scenarios_of_backends import HELD
from tests.sim.cluster import Shown
from tests.sim.world import LOOP, World


@dataclass(frozen=True)
class Copy:
    """What the API server stores, at one moment."""

    secrets: dict[str, SecretView]
    credentials: dict[str, Credential]
    history: dict[str, list[Shown]]

    def put_back(self, world: World) -> None:
        """Undo whatever happened since."""
        world.secrets = dict(self.secrets)
        world.credentials = dict(self.credentials)
        world.history = {name: list(shown) for name, shown in self.history.items()}


def copy(world: World) -> Copy:
    """Return a copy of what is stored now."""
    history = {name: list(shown) for name, shown in world.history.items()}
    return Copy(dict(world.secrets), dict(world.credentials), history)


def states(world: World) -> dict[int, str]:
    """Return the states of the versions on record."""
    return {version.number: version.state.value for version in world.credentials["api"].status.versions}


UNDONE = {
    "an overlap began": (MINUTE, {1: "Retiring", 2: "Active"}),
    "a rotation came to its end": (2 * HOUR, {1: "Revoked", 2: "Active"}),
}


@pytest.mark.parametrize("name", UNDONE)
@pytest.mark.parametrize("check", [True, False], ids=["the drift check", "a deadline"])
def test_who_acts_on_what_was_undone_leaves_no_trace(name: str, check: bool) -> None:  # noqa: FBT001
    """A look at the old ledger ends with the stored one: nothing is made, shown or deleted, and rotations go on."""
    lasts, remembered = UNDONE[name]
    world = World()
    world.apply("api", spec())
    world.run(HOUR)
    kept = copy(world)
    world.apply("api", spec("a"))
    world.run(lasts)
    assert states(world) == remembered
    undone = world.credentials["api"]
    kept.put_back(world)
    world.time += HOUR
    LOOP.run_until_complete(world.engine.reconcile(undone, check=check))
    assert states(world) == {1: "Active"}
    assert set(world.secrets) == {"api", "api-v1"}
    world.apply("api", spec("b"))
    world.run(2 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert set(world.secrets) == {"api", "api-v2"}


def test_what_somebody_wrote_over_when_a_version_ends() -> None:
    """A ledger that is rebuilt from it goes on: nobody is stuck with what cannot be read."""
    world, rotation = World(), {**HELD["rotation"], "lifetime": "480h"}
    world.apply("api", HELD | {"rotation": rotation})
    world.run(HOUR)
    view = world.secrets["api-v1"]
    world.secrets["api-v1"] = replace(view, annotations={**view.annotations, "rekey.dev/expires": "soon"})
    lose_status(world)
    world.run(HOUR)
    assert states(world) == {1: "Active"}
    world.apply("api", HELD | {"rotation": {**rotation, "trigger": "a"}})
    world.run(2 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
