"""The adapter of AWS keeps what its port promises, with moto's server over HTTP, which checks signatures and rights."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import Rejected
from rekey.ports.backend import Backend, Claim, Held
from tests.cluster import ports
from tests.providers.aws import Aws, aws, wanted
from tests.sim.conformance_of_backends import (
    OTHERS,
    OURS,
    BackendConformance,
    Bench,
    ListableConformance,
    MadeThereConformance,
    Play,
)
from tests.sim.conformance_of_telling import TellingConformance

pytestmark = pytest.mark.xdist_group("aws")
__all__ = ["aws"]


class RealBench(Bench):
    """A user of moto's, who has nothing yet."""

    secret_key = "aws_secret_access_key"
    told = ("aws_access_key_id",)

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.user = aws.user()
        self.backend = aws.adapter(self.user)
        self.wanted = wanted(self.user)

    async def accepted(self, held: Held) -> bool:
        return self.aws.lets_in(held.material)

    def things(self) -> list[str]:
        keys = self.aws.keys(self.user)
        alone = [text for text in self.aws.tags(self.user).values() if not any(key in text for key in keys)]
        return [*(f"{key} {status}" for key, status in keys.items()), *alone]

    def stranger(self, name_of: Claim) -> None:
        self.aws.key(self.user)

    def away(self) -> Backend:
        return self.aws.adapter(self.user, url=f"http://127.0.0.1:{ports.free(1)[0]}")

    def locked_out(self) -> Backend:
        return self.aws.adapter(self.user, Material({**self.aws.login.reveal(), self.secret_key: b"another"}))


@pytest.fixture
def play(aws: Aws) -> Play:
    """Play a scene with a fresh user."""

    def played(scene: object) -> None:
        asyncio.run(scene(RealBench(aws)))  # type: ignore[operator]

    return played


class TestAws(BackendConformance, ListableConformance, MadeThereConformance, TellingConformance):
    """The adapter over boto3. Where a user has no room for what is tried, it says what holds instead."""

    def test_expired(self, play: Play) -> None:
        """A key does not end by itself: none is said to."""

        async def scene(bench: Bench) -> None:
            granted = await bench.backend.issue(bench.intent(expires=datetime.now(UTC) + timedelta(hours=1)), None)
            assert granted.expires is None

        play(scene)

    def test_listed(self, play: Play) -> None:
        """What is ours is listed, the oldest first; what is of nobody we know is not."""

        async def scene(bench: Bench) -> None:
            for number in (10, 2):
                await bench.issue(bench.intent(number))
            assert await bench.backend.find(OURS) == tuple(bench.intent(number).claim for number in (2, 10))
            assert await bench.backend.find(OTHERS) == ()

        play(scene)

    def test_a_user_of_two_credentials(self, play: Play) -> None:
        """Each has a user of its own: the second is refused, and the first is left as it is."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            before = bench.things()
            with pytest.raises(Rejected, match="orders/db") as refused:
                await bench.issue(bench.intent(owner=OTHERS))
            assert refused.value.reason == Reason.NAME_TAKEN
            await bench.backend.revoke(Held(bench.intent(owner=OTHERS).claim, bench.wanted))
            assert bench.things() == before
            await bench.backend.prove(one)

        play(scene)
