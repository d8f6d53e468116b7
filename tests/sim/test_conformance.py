"""The ports of the simulated world keep what `rekey.ports` promises."""

import asyncio
from typing import cast

import pytest

from rekey.core.usage import Reading
from tests.sim.conformance import CredentialsConformance, SecretsConformance
from tests.sim.conformance_of_meters import Call, MeterConformance, Office
from tests.sim.conformance_of_probers import VALUE, Desk, ProberConformance, Visit
from tests.sim.conformance_of_requests import RequestsConformance
from tests.sim.conformance_of_workloads import PodsConformance, WorkloadsConformance
from tests.sim.promises import Promises
from tests.sim.stage import Play, Scene
from tests.sim.world import World
from tests.sim.world_stage import Unwatched, WorldStage


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


class WorldDesk(Desk):
    """The service of the world."""

    def __init__(self) -> None:
        self.world = World()
        self.world.promises = cast("Promises", Unwatched())
        self.prober = self.world.engine.ports.prober
        self.url = "http://till.orders.svc/whoami"
        self.seen: list[bytes] = []

    def answers(self, status: int | None) -> None:
        def answer(value: bytes) -> int | None:
            self.seen.append(value)
            return 401 if status is not None and value != VALUE else status

        self.world.service = answer

    def shown(self) -> list[bytes]:
        return self.seen


@pytest.fixture
def visit() -> Visit:
    """Play a scene at the desk of a fresh world."""
    return lambda scene: asyncio.run(scene(WorldDesk()))


class TestProber(ProberConformance):
    """The service of the world."""


class WorldOffice(Office):
    """The metrics of the world."""

    def __init__(self) -> None:
        self.world = World()
        self.meter = self.world.engine.ports.meter
        self.url = "http://prometheus.orders.svc:9090/below"
        self.heard: list[str] = []

    def answers(self, *samples: float, partial: bool = False) -> None:
        self._say(Reading(samples, partial=partial))

    def away(self) -> None:
        self._say(Reading(trouble="no connection"))

    def _say(self, reading: Reading) -> None:
        def answer(expression: str) -> Reading:
            self.heard.append(expression)
            return reading

        self.world.metrics = answer

    def asked(self) -> list[str]:
        return self.heard


@pytest.fixture
def call() -> Call:
    """Play a scene at the office of a fresh world."""
    return lambda scene: asyncio.run(scene(WorldOffice()))


class TestMeter(MeterConformance):
    """The metrics of the world."""
