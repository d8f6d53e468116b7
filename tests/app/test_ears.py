"""Listening to shards: what is open is heard, what is closed is not."""

import asyncio

from rekey.app.clock import ticks
from rekey.app.contact import Contact
from rekey.app.ears import Ears
from rekey.app.heard import Heard
from rekey.app.preflight import Preflight
from tests.app.credentials import manifest
from tests.app.eventually import eventually
from tests.app.test_kopf_shell import World
from tests.kube.answering import answering


def test_nothing_is_taken_of_a_shard_that_was_closed() -> None:
    """Its thread has listed more than was taken: what is left would stay for ever, as nobody tells of its end."""

    async def play() -> tuple[list[Heard], bool]:
        taken: list[Heard] = []
        world = World([[manifest() for _ in range(50)]])
        async with answering(world.answer) as server:

            def take(heard: Heard) -> None:
                taken.append(heard)
                ears.close(1)

            preflight = Preflight(Contact(ticks))
            ears = Ears(server.access(), 4, take, lambda _key, _version: False, preflight, lambda _key, _version: None)
            synced = ears.open(1)
            await eventually(lambda: taken, seconds=30)
            await ears.stop()
            return taken, synced.is_set()

    taken, is_synced = asyncio.run(play())
    assert len(taken) == 1
    assert not is_synced
