"""The map of shards: how long it is good, and who waits when a namespace moves."""

import asyncio
from collections.abc import Collection

import pytest

from rekey.app.shard_map import ShardMap
from rekey.core.election import Pace
from rekey.errors import Retryable
from tests.app.eventually import eventually

PACE = Pace(duration=15, deadline=10, retry=0.001)


class Cluster:
    """Namespaces with labels, and a clock."""

    def __init__(self, **labels: str) -> None:
        self.labels = labels
        self.time = 100.0
        self.map = ShardMap(4, PACE, lambda: self.time)
        self.told: list[tuple[tuple[str, ...], bool]] = []
        self.trouble: Exception | None = None
        self.takes = 0.0
        self.reads = 0

    async def take(self) -> dict[str, str]:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        self.time, self.takes = self.time + self.takes, 0.0
        return dict(self.labels)

    async def read(self) -> ShardMap:
        """Read the map once, and return it."""
        await self.map.read(self.take)
        return self.map

    def settled(self, arrived: Collection[str], *, lapsed: bool) -> None:
        if arrived or lapsed:
            self.told.append((tuple(arrived), lapsed))


def test_a_map_is_good_for_a_deadline_from_before_it_was_asked_for() -> None:
    """However long the answer took; and nobody works by one that was never read."""

    async def show() -> None:
        cluster = Cluster(bank="2")
        assert cluster.map.remaining("bank") <= 0
        cluster.takes = 4.0
        found = await cluster.read()
        assert (found.of("bank"), found.of("shop")) == (2, 0)
        assert found.remaining("bank") == found.remaining("shop") == 6
        cluster.time += 7
        assert found.remaining("bank") < 0

    asyncio.run(show())


def test_it_stands_for_election_when_nobody_can_go_by_an_older_map() -> None:
    """A process that has just begun may not know that a namespace moved a moment ago: it waits as all do."""

    async def show() -> None:
        cluster = Cluster()
        assert not cluster.map.is_settled()
        await cluster.read()
        cluster.time += 14.9
        assert not cluster.map.is_settled()
        cluster.time += 0.1
        assert cluster.map.is_settled()

    asyncio.run(show())


MOVES: dict[str, tuple[dict[str, str], dict[str, str], set[str]]] = {
    "nothing changed": ({"bank": "2"}, {"bank": "2"}, set()),
    "another number": ({"bank": "2"}, {"bank": "3"}, {"bank"}),
    "a label that was put on": ({}, {"bank": "3"}, {"bank"}),
    "a label that was taken off": ({"bank": "2"}, {}, {"bank"}),
    "another word for the same shard": ({"bank": "0"}, {"bank": "blue"}, set()),
    "a new namespace in shard 0": ({}, {"new": "0"}, set()),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_namespace_that_moves_is_left_alone_for_a_duration(name: str) -> None:
    """Its new shard is known at once, so who had it stops; who has it now waits until the other must know."""
    before, after, moved = MOVES[name]

    async def show() -> None:
        cluster = Cluster(**before)
        await cluster.read()
        cluster.time += 5
        cluster.labels = after
        found = await cluster.read()
        spaces = before.keys() | after.keys()
        assert {space for space in spaces if found.remaining(space) <= 0} == moved
        following = asyncio.create_task(found.follow(cluster.take, cluster.settled))
        cluster.time += 9
        await eventually(lambda: cluster.reads > 4)
        assert cluster.told == []
        cluster.time += 6
        read = cluster.reads
        await eventually(lambda: cluster.reads > read + 1)
        assert {space for space in spaces if found.remaining(space) <= 0} == set()
        assert {space for arrived, _ in cluster.told for space in arrived} == moved
        following.cancel()

    asyncio.run(show())


def test_what_was_left_alone_while_the_map_was_no_good_is_looked_at() -> None:
    """Labels that could not be read for longer than a deadline stop everything; the next reading says so."""

    async def show() -> None:
        cluster = Cluster(bank="2")
        await cluster.read()
        cluster.trouble = Retryable("busy")
        following = asyncio.create_task(cluster.map.follow(cluster.take, cluster.settled))
        cluster.time += 11
        read = cluster.reads
        await eventually(lambda: cluster.reads > read + 1)
        assert cluster.map.remaining("bank") <= 0
        assert cluster.told == []
        cluster.trouble = None
        await eventually(lambda: cluster.told)
        assert cluster.told[0] == ((), True)
        assert cluster.map.remaining("bank") > 0
        following.cancel()

    asyncio.run(show())
