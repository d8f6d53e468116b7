"""What is looked at when a term begins, in which order, and what is read anew first."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.app.cache import Cache
from rekey.app.queue import Lane, Queue
from rekey.app.seen import look
from rekey.app.takeover import Takeover
from rekey.core.facts import Key
from rekey.kube.census import Census
from rekey.kube.credentials import Parser
from tests.app.bench import KEY
from tests.app.credentials import settled


class Then:
    """A clock before the next rotation."""

    def now(self) -> datetime:
        return datetime(2026, 12, 11, tzinfo=UTC)


TAKEN: dict[str, tuple[dict[str, Any], Census, list[tuple[str, Lane]], set[str]]] = {
    "one that rests is looked at among the last": (
        settled(version=10, status__conditions=[{"type": "Ready", "status": "True"}]),
        Census(None, 50, {KEY: 10}),
        [("orders", Lane.RESYNC)],
        set(),
    ),
    "one that is in the middle of something goes first": (
        settled(version=10),
        Census(None, 50, {KEY: 10}),
        [("orders", Lane.DEADLINE)],
        set(),
    ),
    "one that another wrote meanwhile is read anew": (
        settled(version=10),
        Census(None, 50, {KEY: 12}),
        [("orders", Lane.DEADLINE)],
        {"orders"},
    ),
    "one that is gone is read anew": (
        settled(version=10),
        Census(None, 50, {}),
        [("orders", Lane.DEADLINE)],
        {"orders"},
    ),
    "one that went back to an older state, as etcd restored from a copy has it, is read anew": (
        settled(version=60),
        Census(None, 90, {KEY: 40}),
        [("orders", Lane.DEADLINE)],
        {"orders"},
    ),
    "one that was made after the copy which etcd was restored from is read anew": (
        settled(version=60),
        Census(None, 50, {}),
        [("orders", Lane.DEADLINE)],
        {"orders"},
    ),
    "one that was never heard of is read": (
        settled(version=10),
        Census(None, 50, {KEY: 10, Key("shop", "new"): 40}),
        [("new", Lane.DEADLINE), ("orders", Lane.DEADLINE)],
        {"new"},
    ),
}


class Askers:
    """Who keeps requests."""

    def __init__(self) -> None:
        self.resumed = 0

    def resume(self) -> None:
        self.resumed += 1


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_looked_at_when_a_term_begins(name: str) -> None:
    """Everything, in this order, and these are read anew first."""
    known, census, wanted, behind = TAKEN[name]

    async def show() -> None:
        cache, queue, synced = Cache(Parser().parse, 5, 20), Queue(lambda: 0.0), asyncio.Event()

        async def take() -> tuple[Census, ...]:
            return (census,)

        askers = Askers()
        takeover = Takeover(take, cache, queue, askers, Then(), synced)
        learning = asyncio.create_task(takeover.learn(0))
        await asyncio.sleep(0)
        assert not learning.done(), "the first list comes first"
        cache.put(look(known))
        synced.set()
        takeover.enqueue(0, await learning)
        assert askers.resumed == 1
        found = []
        while queue.depth():
            work = await queue.take()
            assert work is not None
            found.append((work.key.name, work.lane))
            assert cache.is_behind(work.key) == (work.key.name in behind)
            assert not work.only_change, "a change of our own would be skipped"
            queue.done(work.key)
        assert sorted(found) == wanted

    asyncio.run(show())
