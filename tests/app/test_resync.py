"""The comparison of the list with what was heard finds what was missed, and only that."""

import asyncio
from datetime import timedelta

import pytest

from rekey.app.cache import Cache
from rekey.app.queue import Queue
from rekey.app.resync import Resync, differences
from rekey.app.seen import look
from rekey.core.facts import Key
from rekey.kube.census import Census
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest

A, B, FAR = Key("shop", "a"), Key("shop", "b"), Key("far", "a")
CASES: dict[str, tuple[dict[Key, int], Census, dict[Key, int]]] = {
    "the same": ({A: 10}, Census(None, 50, {A: 10}), {}),
    "one that was never heard of": ({}, Census(None, 50, {A: 10}), {A: 10}),
    "one that changed unheard": ({A: 10}, Census(None, 50, {A: 12}), {A: 12}),
    "one that is newer than the list": ({A: 12}, Census(None, 50, {A: 10}), {}),
    "one that was deleted unheard": ({A: 10, B: 11}, Census(None, 50, {B: 11}), {A: 50}),
    "one that was made after the list": ({A: 60}, Census(None, 50, {}), {}),
    "one of another namespace is not judged by this list": ({FAR: 10}, Census("shop", 50, {}), {}),
}


def filled(known: dict[Key, int]) -> Cache:
    """Return a cache that has heard of these."""
    cache = Cache(Parser().parse, 1, 1)
    for key, version in known.items():
        cache.put(look(manifest(key.name, key.namespace, version)))
    return cache


@pytest.mark.parametrize("name", CASES)
def test_differences(name: str) -> None:
    """What differs is found, with the version from which on it does."""
    known, census, wanted = CASES[name]
    assert dict(differences(census, filled(known))) == wanted


def test_what_arrives_by_itself_is_not_read_again() -> None:
    """Of two credentials that the list has newer, only the one whose event does not come is read anew."""

    async def play() -> None:
        cache, queue = filled({A: 10, B: 11}), Queue(asyncio.get_running_loop().time)

        async def take() -> tuple[Census, ...]:
            asyncio.get_running_loop().call_soon(cache.put, look(manifest("a", "shop", 20)))
            return (Census(None, 50, {A: 20, B: 21}),)

        resync = Resync(take, cache, queue, timedelta(minutes=10), "x")
        await resync.compare(arrival=0.01)
        assert queue.depth().total() == 1
        work = await queue.take()
        assert work is not None
        assert work.key == B
        assert cache.is_behind(B)
        assert resync.missed == 1

    asyncio.run(play())


RESTORED = {
    "the list is older than what was seen": Census(None, 50, {A: 40, B: 41}),
    "the list is newer by now, but one credential is older": Census(None, 90, {A: 40, B: 61}),
}


@pytest.mark.parametrize("name", RESTORED)
def test_after_a_restore_of_etcd_everything_is_read_anew(name: str) -> None:
    """No event is taken for one that came late, and every credential is looked at."""

    async def play() -> None:
        cache, queue = filled({A: 60, B: 61}), Queue(asyncio.get_running_loop().time)

        async def take() -> tuple[Census, ...]:
            return (RESTORED[name],)

        rewound: list[bool] = []
        cache.tell_of_rewinds(lambda: rewound.append(True))
        resync = Resync(take, cache, queue, timedelta(minutes=10), "x")
        await resync.compare(arrival=0.01)
        assert rewound == [True]
        assert queue.depth().total() == 2
        assert cache.is_behind(A)
        assert cache.put(look(manifest("a", "shop", 51)))

    asyncio.run(play())
