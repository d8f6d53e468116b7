"""The backend in memory keeps what its port promises, in each of its kinds, and its faults are what they are called."""

import asyncio
from datetime import UTC, datetime

import pytest

from rekey.core.spec_provide import Provide
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.ports.backend import Backend, Claim, Held, Traits
from tests.sim.backends import FakeBackend, Fault, name_of
from tests.sim.conformance_of_backends import (
    OURS,
    BackendConformance,
    Bench,
    ListableConformance,
    MadeHereConformance,
    MadeThereConformance,
    Play,
)
from tests.sim.conformance_of_telling import TellingConformance

HERE, THERE, UNLISTED, TELLING = KINDS = (
    "values are made here",
    "the backend makes them",
    "the backend makes them and lists nothing",
    "the backend makes them and tells of use",
)
TRAITS = {
    HERE: Traits(makes_value=False, listable=True),
    THERE: Traits(makes_value=True, listable=True),
    UNLISTED: Traits(makes_value=True, listable=False),
    TELLING: Traits(makes_value=True, listable=True, tells_use=True),
}


class FakeBench(Bench):
    """The backend in memory."""

    wanted = Provide.model_validate({"ref": {"name": "store"}, "postgresql": {"role": "orders"}})

    def __init__(self, traits: Traits) -> None:
        self.backend: FakeBackend = FakeBackend(traits, clock=lambda: datetime.now(UTC))

    async def accepted(self, held: Held) -> bool:
        return self.backend.accepts(held.material)

    def things(self) -> list[str]:
        return [repr(thing) for thing in self.backend.things.values()]

    def stranger(self, name_of_: Claim) -> None:
        self.backend.put(name_of(name_of_), None, b"theirs")

    def away(self) -> Backend:
        return FakeBackend(self.backend.traits, fault=Fault.AWAY)

    def locked_out(self) -> Backend:
        return FakeBackend(self.backend.traits, fault=Fault.REAUTH)


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Play:
    """Play a scene at a fresh backend of the kind that the class names."""
    return lambda scene: asyncio.run(scene(FakeBench(TRAITS[request.param])))


@pytest.mark.parametrize("play", KINDS, indirect=True)
class TestBackend(BackendConformance):
    """The backend in memory, of each kind."""


@pytest.mark.parametrize("play", [HERE, THERE, TELLING], indirect=True)
class TestListable(ListableConformance):
    """The backend in memory, if it can be listed."""


@pytest.mark.parametrize("play", [HERE], indirect=True)
class TestMadeHere(MadeHereConformance):
    """The backend in memory, if it does not make values."""


@pytest.mark.parametrize("play", [THERE, UNLISTED, TELLING], indirect=True)
class TestMadeThere(MadeThereConformance):
    """The backend in memory, if it makes values."""


@pytest.mark.parametrize("play", [TELLING], indirect=True)
class TestTelling(TellingConformance):
    """The backend in memory, if it tells of use."""


FAULTS: dict[Fault, tuple[type[RekeyError], int, int]] = {
    Fault.AWAY: (Retryable, 0, 0),
    Fault.BUSY: (Retryable, 0, 0),
    Fault.REFUSED: (Rejected, 0, 0),
    Fault.REAUTH: (Rejected, 0, 0),
    Fault.LOST: (NoAnswer, 1, 1),
    Fault.LATE: (NoAnswer, 0, 1),
}
"""What is raised, and how many versions are there then, and when all is settled."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_a_fault_befalls_one_call(fault: Fault) -> None:
    """A fault raises what it should, has done what it says, and the next call is as ever."""
    raised, at_once, in_the_end = FAULTS[fault]
    bench = FakeBench(TRAITS[HERE])
    bench.backend.faults.append(fault)

    async def scene() -> None:
        intent = bench.intent()
        made = bench.backend.make(intent)
        with pytest.raises(raised):
            await bench.backend.issue(intent, made)
        assert len(bench.things()) == at_once
        bench.backend.settle()
        assert len(bench.things()) == in_the_end
        await bench.backend.prove(await bench.issue(intent, made))
        assert len(await bench.backend.find(OURS)) == 1
        assert bench.backend.calls == {"issue": 2, "prove": 1, "find": 1}

    asyncio.run(scene())
