"""Deadlines, back-off and the turns of the drift check: when each credential is looked at next."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.app.backoff import FIRST, LONGEST, Backoff, Endless, delay
from rekey.app.deadlines import LONGEST_SLEEP, Deadlines, Timer
from rekey.app.drift import READS, Drift, turn
from rekey.core.facts import Key

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEYS = [Key("a", str(number)) for number in range(4)]
A, B = KEYS[:2]


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


Step = tuple[str, Key, int]
STEPS = st.lists(st.tuples(st.sampled_from(["set", "drop", "pop"]), st.sampled_from(KEYS), st.integers(0, 50)))


@given(STEPS)
def test_the_heap_keeps_one_instant_for_each_key(steps: list[Step]) -> None:
    """Whatever is set, dropped and popped: what comes up is what a plain mapping would give, in order."""
    heap, model = Deadlines(), dict[Key, datetime]()
    for what, key, offset in steps:
        at = NOON + offset * SECOND
        if what == "set":
            heap.set(key, at)
            model[key] = at
        elif what == "drop":
            heap.drop(key)
            model.pop(key, None)
        else:
            due = heap.pop(at)
            assert [model[key] for key in due] == sorted(when for when in model.values() if when <= at)
            model = {key: when for key, when in model.items() if when > at}
        assert heap.next() == min(model.values(), default=None)
        assert len(heap) == len(model)


def test_the_heap_does_not_grow_with_what_was_replaced() -> None:
    """A key whose instant is set ten thousand times takes the room of a few."""
    heap = Deadlines()
    for number in range(10_000):
        heap.set(A, NOON + number * SECOND)
    assert len(heap._heap) < 100
    assert heap.next() == NOON + 9_999 * SECOND


def test_the_timer_tells_at_the_instant_and_never_before() -> None:
    """Keys are told when their instant has come by the clock, and a new instant replaces the old one."""

    async def play() -> list[Key]:
        told: list[Key] = []
        all_told = asyncio.Event()

        def tell(key: Key) -> None:
            told.append(key)
            if len(told) == 2:
                all_told.set()

        clock = Clock()
        timer = Timer(clock, tell)
        timer.set(A, NOON + timedelta(days=400))
        timer.set(B, NOON + SECOND)
        timer._fire()
        assert told == []
        clock.time += SECOND
        timer._fire()
        assert told == [B]
        assert timer._handle is not None
        assert timer._handle.when() - asyncio.get_running_loop().time() <= LONGEST_SLEEP
        timer.set(A, clock.now())
        async with asyncio.timeout(5):
            await all_told.wait()
        timer.stop()
        return told

    assert asyncio.run(play()) == [B, A]


@given(st.text(max_size=8), st.integers(0, 100))
def test_a_wait_lies_between_a_second_and_five_minutes(seed: str, attempt: int) -> None:
    """Whoever fails how often: the wait is in bounds, at least half of the doubled one before the bound."""
    wait = delay(seed, attempt)
    assert FIRST <= wait <= LONGEST
    assert wait >= min(FIRST * 2 ** min(attempt, 20), LONGEST / 2)


def test_waits_are_not_in_step() -> None:
    """A hundred credentials that fail at once are not tried again at once."""
    assert len({delay(f"a/{number}", 3) for number in range(100)}) == 100


def test_a_backoff_counts_for_each_key_and_heeds_what_was_asked_for() -> None:
    """Failures add up for a key alone, success forgets them, and Retry-After is a lower bound, itself bounded."""
    backoff = Backoff()
    first = backoff.failed(A)
    assert backoff.failed(A) > first
    assert backoff.failed(B) < 2 * FIRST
    assert backoff.failed(A, at_least=200.0) == timedelta(seconds=200)
    assert (backoff.failures(A), backoff.failures(B), backoff.stuck(1), backoff.stuck(3)) == (3, 1, 2, 1)
    backoff.succeeded(A)
    assert backoff.failed(A) == first
    backoff.succeeded(A)
    backoff.succeeded(B)
    assert len(backoff) == 0


@pytest.mark.parametrize("asked", [86_400.0, 1e15, float("inf"), float("nan")])
def test_nobody_waits_for_ever_because_somebody_asked(asked: float) -> None:
    """A proxy that asks for a day, or for nonsense, gets five minutes."""
    assert Backoff().failed(A, at_least=asked) == LONGEST


def test_endless_patience_begins_anew_each_time() -> None:
    """A library keeps one instance for all requests: every iteration starts with the short waits."""
    patience = Endless("kopf", timedelta(seconds=0.1), timedelta(seconds=30))
    first, second = iter(patience), iter(patience)
    waits = [next(first) for _ in range(30)]
    assert next(second) == waits[0]
    assert 0.1 <= waits[0] <= 0.2
    assert 15 <= waits[-1] <= 30


@pytest.mark.parametrize("days", [0, 1, 400])
def test_a_turn_is_the_same_place_in_every_interval(days: int) -> None:
    """A credential's turn lies within the next interval and does not depend on when the operator was started."""
    hour = timedelta(hours=1)
    now = NOON + timedelta(days=days, minutes=17)
    at = turn(A, now, hour)
    assert now < at <= now + hour
    assert (at - turn(A, NOON, hour)) % hour < timedelta(milliseconds=1) or (
        hour - (at - turn(A, NOON, hour)) % hour
    ) < timedelta(milliseconds=1)


def test_turns_are_spread_over_the_interval() -> None:
    """Of a thousand credentials between 5 and 15 % have their turn in each tenth of the interval."""
    hour = timedelta(hours=1)
    tenths = [int((turn(Key("a", str(n)), NOON, hour) - NOON) / hour * 10) for n in range(1000)]
    assert all(50 <= tenths.count(tenth) <= 150 for tenth in range(10))


def test_checks_keep_to_the_limit_of_reads() -> None:
    """A hundred turns at one instant are spread so that no more reads are made than allowed, and none is lost."""

    async def play() -> list[tuple[datetime, Key]]:
        clock = Clock()
        done: list[tuple[datetime, Key]] = []
        drift = Drift(clock, timedelta(hours=1), 30, lambda key: done.append((clock.now(), key)))
        keys = [Key("a", str(number)) for number in range(100)]
        for key in keys:
            drift._timer.set(key, NOON)
        for _ in range(12):
            drift._timer._fire()
            clock.time += SECOND
        drift.stop()
        assert {key for _, key in done} == set(keys)
        return done

    done = asyncio.run(play())
    per_second = [sum(1 for when, _ in done if when == NOON + n * SECOND) for n in range(12)]
    assert max(per_second) <= 30 / READS + 1
