"""The queue: one worker per key, nothing lost, lanes and namespaces in turn."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rekey.app.queue import COURTESY, Lane, Queue, Work
from rekey.core.facts import Key

A1, A2, A3, B1, C1 = Key("a", "1"), Key("a", "2"), Key("a", "3"), Key("b", "1"), Key("c", "1")
KEYS = [A1, A2, A3, B1, C1]


class Seconds:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def at_once(work: Coroutine[Any, Any, Work | None]) -> Work | None:
    """Return what a coroutine gives that does not have to wait."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Work | None = done.value
        return result
    except RuntimeError as error:  # there is no event loop to wait on
        raise AssertionError("it had to wait") from error
    raise AssertionError("it had to wait")


def taken(queue: Queue) -> Work:
    """Take a key that waits."""
    work = at_once(queue.take())
    assert work is not None
    return work


Adds = list[tuple[Key, Lane]]
ORDERS: dict[str, tuple[Adds, list[Key]]] = {
    "first in, first out in one namespace": ([(A1, Lane.CHANGE), (A2, Lane.CHANGE)], [A1, A2]),
    "changes go before deadlines, and those before resyncs": (
        [(A1, Lane.RESYNC), (A2, Lane.DEADLINE), (A3, Lane.CHANGE)],
        [A3, A2, A1],
    ),
    "namespaces take turns": (
        [(A1, Lane.CHANGE), (A2, Lane.CHANGE), (A3, Lane.CHANGE), (B1, Lane.CHANGE), (C1, Lane.CHANGE)],
        [A1, B1, C1, A2, A3],
    ),
    "a key added twice comes once": ([(A1, Lane.CHANGE), (A1, Lane.CHANGE), (A2, Lane.CHANGE)], [A1, A2]),
    "a key that is added to a better lane moves there": (
        [(A1, Lane.RESYNC), (B1, Lane.DEADLINE), (A1, Lane.CHANGE)],
        [A1, B1],
    ),
    "a key that is added to a worse lane stays where it is": (
        [(A1, Lane.CHANGE), (B1, Lane.DEADLINE), (A1, Lane.RESYNC)],
        [A1, B1],
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_keys_come_in_order(name: str) -> None:
    """What was added comes out in the order that lanes and namespaces give it, each once."""
    adds, order = ORDERS[name]
    queue = Queue(Seconds())
    for key, lane in adds:
        queue.add(key, lane)
    assert [taken(queue).key for _ in order] == order
    assert not queue.depth()


def test_the_lowest_lane_does_not_starve() -> None:
    """However many changes there are, a resync comes within eight turns."""
    queue = Queue(Seconds())
    queue.add(A1, Lane.RESYNC)
    for number in range(100):
        queue.add(Key("b", str(number)), Lane.CHANGE)
    lanes = [taken(queue).lane for _ in range(COURTESY)]
    assert lanes.count(Lane.RESYNC) == 1


def test_the_middle_lane_does_not_starve() -> None:
    """With changes and resyncs without an end, what is due comes all the same."""
    queue = Queue(Seconds())
    for number in range(100):
        queue.add(Key("b", str(number)), Lane.CHANGE)
        queue.add(Key("c", str(number)), Lane.RESYNC)
    queue.add(A1, Lane.DEADLINE)
    lanes = [taken(queue).lane for _ in range(2 * COURTESY)]
    assert [lanes.count(lane) for lane in Lane] == [2 * COURTESY - 2, 1, 1]


def test_what_arrives_during_the_work_comes_again_right_after() -> None:
    """A key that is being worked on is handed out again only once its work is done, with the best lane."""
    queue = Queue(Seconds())
    queue.add(A1, Lane.CHANGE)
    taken(queue)
    queue.add(A1, Lane.RESYNC, check=True)
    queue.add(A1, Lane.DEADLINE)
    with pytest.raises(AssertionError, match="had to wait"):
        taken(queue)
    queue.done(A1)
    again = taken(queue)
    assert (again.key, again.lane, again.check) == (A1, Lane.DEADLINE, True)


def test_ages_are_told() -> None:
    """The wait of a key counts from its first addition; so do the age of its lane and the time of its work."""
    seconds = Seconds()
    queue = Queue(seconds)
    queue.add(A1, Lane.CHANGE)
    seconds.now = 3.0
    queue.add(A1, Lane.CHANGE)
    assert queue.oldest()[Lane.CHANGE] == 3.0
    assert taken(queue).waited == 3.0
    seconds.now = 5.0
    assert queue.longest_work() == 2.0
    queue.done(A1)
    assert queue.longest_work() == 0.0


def test_a_key_that_becomes_urgent_waits_since_then() -> None:
    """What stood in the last lane for half an hour, as it was allowed to, is not half an hour late."""
    seconds = Seconds()
    queue = Queue(seconds)
    queue.add(A1, Lane.RESYNC)
    seconds.now = 1800.0
    queue.add(A1, Lane.DEADLINE)
    seconds.now = 1801.0
    queue.add(A1, Lane.RESYNC)
    assert queue.oldest()[Lane.DEADLINE] == 1.0
    assert taken(queue).waited == 1.0


def test_a_waiting_worker_is_woken_and_closing_wakes_all() -> None:
    """Workers that wait get a key each as it comes, and None when the queue is closed, though keys may wait."""

    async def play() -> list[Work | None]:
        queue = Queue(Seconds())
        waiting = [asyncio.create_task(queue.take()) for _ in range(3)]
        await asyncio.sleep(0)
        queue.add(A1, Lane.CHANGE)
        await asyncio.sleep(0)
        queue.close()
        queue.add(A2, Lane.CHANGE)
        return [*await asyncio.gather(*waiting), await queue.take()]

    works = asyncio.run(play())
    assert [work and work.key for work in works] == [A1, None, None, None]


def test_a_cancelled_worker_loses_no_key() -> None:
    """A worker that is cancelled just as it is woken passes the wake-up on."""

    async def play() -> Work | None:
        queue = Queue(Seconds())
        first = asyncio.create_task(queue.take())
        second = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        queue.add(A1, Lane.CHANGE)
        first.cancel()
        async with asyncio.timeout(5):
            return await second

    work = asyncio.run(play())
    assert work is not None
    assert work.key == A1


class Workshop(RuleBasedStateMachine):
    """Any order of additions, takes and ends, compared with what is owed to each key."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(Seconds())
        self.owed: set[Key] = set()
        self.working: set[Key] = set()

    @rule(key=st.sampled_from(KEYS), lane=st.sampled_from(Lane), check=st.booleans())
    def add(self, key: Key, lane: Lane, check: bool) -> None:  # noqa: FBT001  hypothesis names it
        """Somebody wants a key to be worked on."""
        self.queue.add(key, lane, check=check)
        self.owed.add(key)

    @precondition(lambda self: self.owed - self.working)
    @rule()
    def take(self) -> None:
        """A worker takes a key: one that is owed, and that nobody works on."""
        key = taken(self.queue).key
        assert key not in self.working
        assert key in self.owed
        self.owed.remove(key)
        self.working.add(key)

    @precondition(lambda self: self.working)
    @rule(choice=st.integers(0, 10))
    def done(self, choice: int) -> None:
        """A worker ends."""
        key = sorted(self.working, key=str)[choice % len(self.working)]
        self.queue.done(key)
        self.working.remove(key)

    @invariant()
    def nothing_is_lost(self) -> None:
        """The queue holds exactly what is owed."""
        assert self.queue.depth().total() == len(self.owed)
        assert {key for key in KEYS if self.queue.is_working(key)} == self.working

    def teardown(self) -> None:
        """In the end every key that is owed comes out, once."""
        for key in self.working:
            self.queue.done(key)
        rest = Counter(taken(self.queue).key for _ in range(len(self.owed)))
        assert rest == Counter(self.owed)


TestAnyOrder = Workshop.TestCase
