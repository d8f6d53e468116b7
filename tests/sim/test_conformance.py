"""The ports of the simulated world keep what `rekey.ports` promises."""

import asyncio

import pytest

from tests.sim.conformance import CredentialsConformance, SecretsConformance
from tests.sim.conformance_of_requests import RequestsConformance
from tests.sim.conformance_of_workloads import PodsConformance, WorkloadsConformance
from tests.sim.stage import Play, Scene
from tests.sim.world_stage import WorldStage


@pytest.fixture
def play() -> Play:
    """Play a scene in a fresh world."""

    def played(scene: Scene) -> None:
        asyncio.run(scene(WorldStage()))

    return played


class TestSecrets(SecretsConformance):
    """Secrets of the world."""


class TestCredentials(CredentialsConformance):
    """RotatedCredentials of the world."""


class TestWorkloads(WorkloadsConformance):
    """Workloads of the world."""


class TestPods(PodsConformance):
    """Pods of the world."""


class TestRequests(RequestsConformance):
    """RotationRequests of the world."""
