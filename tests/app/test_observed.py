"""What is noted of what the engine reads and saves."""

import asyncio
import logging

import pytest

from rekey.app.seen import look
from rekey.core.facts import Key
from rekey.core.status import Status
from rekey.kube.credentials import Parser
from tests.app.bench import KEY, Bench, hold
from tests.app.credentials import manifest, settled

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


READ = {
    "older than what was heard": (7, True),
    "what was heard": (10, False),
    "newer than what was heard": (12, False),
}


@pytest.mark.parametrize("name", READ)
def test_a_read_that_is_older_than_what_was_heard_tells_of_a_restore(name: str) -> None:
    """Storage never goes back by itself: then nothing that was heard counts any more, of any credential."""
    version, restored = READ[name]

    async def play() -> None:
        bench, rewound = Bench(hold), []
        bench.cache.put(look(manifest(version=10)))
        bench.cache.put(look(manifest("other", version=11)))
        bench.cache.tell_of_rewinds(lambda: rewound.append(True))
        bench.store.objects[KEY] = manifest(version=version)
        await bench.credentials.read(KEY)
        assert bool(rewound) == restored
        assert bench.cache.newest(KEY) == version
        assert bench.cache.is_behind(Key("shop", "other")) == restored
        assert not bench.cache.is_behind(KEY)

    asyncio.run(play())
