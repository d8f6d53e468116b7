"""What is noted of what the engine reads and saves."""

import asyncio
import logging

import pytest

from rekey.core.status import Status
from rekey.kube.credentials import Parser
from tests.app.bench import KEY, Bench, hold
from tests.app.credentials import settled

ARRIVALS: dict[str, tuple[int | None, int | None, list[str]]] = {
    "the first": (None, 1, ["the first version is current"]),
    "the next": (1, 2, ["another version is current"]),
    "the one before, after a failure": (3, 2, ["an earlier version is current again"]),
    "the same": (2, 2, []),
}


@pytest.mark.parametrize("name", ARRIVALS)
def test_arrivals_are_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A save that changes the current version says which way."""
    before, after, wanted = ARRIVALS[name]

    async def play() -> None:
        bench = Bench(hold)
        credential = Parser().parse(settled(), Status(current_version=before))
        await bench.credentials.save(credential, Status(current_version=after))

    with caplog.at_level(logging.INFO):
        asyncio.run(play())
    assert [record.message for record in caplog.records if record.name == "rekey.app.observed"] == wanted


@pytest.mark.parametrize("is_ours", [True, False], ids=["is kept", "of a shard that ended does not come back"])
def test_a_credential_that_is_read(*, is_ours: bool) -> None:
    """What a read finds is known from then on, but for what is another process's by now."""

    async def play() -> None:
        bench = Bench(hold)
        bench.cache.keeps = lambda _: is_ours
        bench.store.objects[KEY] = settled(version=11)
        assert await bench.credentials.read(KEY) is not None
        assert bench.cache.versions() == ({KEY: 11} if is_ours else {})

    asyncio.run(play())
