"""Which credentials are given the number of their shard: those that lack it, and no others."""

import asyncio
from collections import Counter

import pytest

from rekey.app.cache import Cache
from rekey.app.clock import SystemClock, ticks
from rekey.app.deadlines import Timer
from rekey.app.queue import Queue
from rekey.app.shard_map import ShardMap
from rekey.app.sharding import Known, Sharding
from rekey.core.election import Pace
from rekey.core.shards import LABEL
from rekey.kube.api import CREDENTIALS, GET, LIST, MERGE, Path
from rekey.kube.client import Client
from rekey.kube.credentials import Parser
from rekey.kube.shard_labels import give, labelled
from tests.app.eventually import eventually
from tests.kube.stage import KubeStage
from tests.sim.stage import Play, Stage

pytestmark = pytest.mark.kube

PACE = Pace(duration=15, deadline=10, retry=0.1)
NUMBER, OTHER, OWN = 40, 31, 30
"""Of the other tests on this API server none uses such high shards: nothing of theirs is labelled here."""


class Nobody:
    """Who keeps no requests."""

    def resume(self) -> None: ...


async def labelling(client: Client, held: tuple[int, ...]) -> Sharding:
    """Return what is responsible for these shards, and has begun to look through each."""
    clock = SystemClock()
    known = Known(
        Cache(Parser().parse, 1, 1),
        Queue(asyncio.get_running_loop().time),
        Timer(clock, lambda _: None),
        Nobody(),
    )
    atlas = ShardMap(NUMBER, PACE, ticks)
    await atlas.read(lambda: labelled(client))
    sharding = Sharding(client, atlas, known, rollouts=4)
    for shard in held:
        await sharding.learn(shard)
    for shard in held:
        sharding.enqueue(shard, ())
    return sharding


def test_only_what_lacks_its_number_is_written(play: Play) -> None:
    """A process with two shards does not take what is in the one for a stray of the other."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        here = stage.namespace
        namespace = Path(f"/api/v1/namespaces/{here}", "namespaces")
        await stage.client.request(MERGE, namespace, body={"metadata": {"labels": {LABEL: str(OWN)}}})
        done = await stage.credential("done")
        await give(stage.client, done.key, done.resource_version, OWN)
        await stage.credential("new")
        asked: Counter[tuple[str, str, int]] = Counter()
        client = Client(stage.client.access, observe=lambda *what: asked.update([what]))
        patched, listed = (MERGE.name, CREDENTIALS.plural, 200), (LIST.name, CREDENTIALS.plural, 200)
        async with client:
            following = asyncio.create_task((await labelling(client, (OTHER, OWN))).follow())
            # The shards are looked through one after the other, each in as many pages as others' tests fill.
            await eventually(lambda: asked[listed] >= 2 and asked[patched], seconds=60)
            following.cancel()
        assert asked[patched] == 1
        found = await stage.client.request(GET, CREDENTIALS.one(here, "new"))
        assert found["metadata"]["labels"] == {LABEL: str(OWN)}

    play(scene)
