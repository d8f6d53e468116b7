"""Who keeps the keys of the simulated world keeps what `rekey.ports.key_encryption` promises."""

import asyncio
from typing import cast

import pytest

from tests.sim.conformance_of_key_encryption import KeyEncryptionConformance, Meet
from tests.sim.keeping import WorldKeeper
from tests.sim.outside import RememberedKeeper
from tests.sim.promises import Promises
from tests.sim.world import World
from tests.sim.world_stage import Unwatched, WorldStage


@pytest.fixture
def meet() -> Meet:
    """Play a scene with the keys of a fresh world."""
    world = World()
    world.promises = cast("Promises", Unwatched())
    return lambda scene: asyncio.run(scene(WorldKeeper(world)))


class TestKeys(KeyEncryptionConformance):
    """Keys in memory."""


class TestOutsideKeys(KeyEncryptionConformance):
    """Keys that a service outside the cluster keeps, in memory."""

    @pytest.fixture
    def meet(self) -> Meet:
        """Play a scene with the keys of a fresh service."""
        return lambda scene: asyncio.run(scene(RememberedKeeper(WorldStage())))
