"""When a token is renewed, and when it is tried again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core.renewal import FIRST_PAUSE, LONGEST_AFTER, LONGEST_BEFORE, renew_at, try_again_at

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SEEDS = st.text(max_size=20)

BEFORE: dict[str, tuple[timedelta, timedelta, timedelta]] = {
    "of an hour": (HOUR, 3 * MINUTE, MINUTE),
    "of a day": (24 * HOUR, 3 * MINUTE, MINUTE),
    "of twelve minutes": (12 * MINUTE, 3 * MINUTE, MINUTE),
    "of six minutes": (6 * MINUTE, 90 * SECOND, 30 * SECOND),
    "of one minute": (MINUTE, 15 * SECOND, 5 * SECOND),
    "of four seconds": (4 * SECOND, SECOND, SECOND / 3),
    "of nothing": (timedelta(), timedelta(), timedelta()),
}


@pytest.mark.parametrize("case", BEFORE)
def test_a_life_is_renewed(case: str) -> None:
    """A thousand of them are spread over all of that time, none before and none after."""
    life, earliest, latest = BEFORE[case]
    ends = NOW + life
    moments = sorted(renew_at(NOW, ends, f"uid-{number}/7") for number in range(1000))
    assert ends - earliest <= moments[0] <= moments[-1] <= ends - latest
    tenth = (earliest - latest) / 10
    crowds = [
        sum(ends - earliest + tenth * n <= one < ends - earliest + tenth * (n + 1) for one in moments)
        for n in range(10)
    ]
    assert not tenth or max(crowds) < 140


def test_ten_thousand_that_end_in_the_same_second() -> None:
    """They are spread over two minutes: no second has much more than its share, and all are ahead by a minute."""
    ends = NOW + HOUR
    moments = [renew_at(NOW, ends, f"uid-{number}/7") for number in range(10_000)]
    seconds = Counter(int((ends - moment).total_seconds()) for moment in moments)
    assert (min(seconds), max(seconds)) == (60, 179)
    assert max(seconds.values()) < 1.5 * 10_000 / 120


def test_the_same_seed_gives_the_same_moment() -> None:
    """A restart moves nothing, and another version has another moment."""
    assert renew_at(NOW, NOW + HOUR, "a/1") == renew_at(NOW, NOW + HOUR, "a/1") != renew_at(NOW, NOW + HOUR, "a/2")


def test_a_token_that_ended_is_renewed_at_once() -> None:
    """Its moment is in the past."""
    assert renew_at(NOW - 2 * HOUR, NOW - HOUR, "a/1") < NOW


@given(life=st.timedeltas(timedelta(), timedelta(days=400)), seed=SEEDS)
def test_it_is_renewed_in_the_last_quarter_of_its_life(life: timedelta, seed: str) -> None:
    """And not later than a twelfth, or a minute, before its end."""
    ahead = NOW + life - renew_at(NOW, NOW + life, seed)
    slack = timedelta(microseconds=2)
    assert min(life / 12, MINUTE) - slack <= ahead <= min(life / 4, 3 * MINUTE) + slack


PAUSES: dict[str, tuple[timedelta, int, float | None, timedelta]] = {
    "the first": (HOUR, 1, None, SECOND),
    "the fourth": (HOUR, 4, None, 8 * SECOND),
    "the tenth, with an hour left": (HOUR, 11, None, 15 * MINUTE),
    "the tenth, with two minutes left": (2 * MINUTE, 11, None, 30 * SECOND),
    "any, with a second left": (SECOND, 11, None, SECOND),
    "the tenth, after its end": (-HOUR, 11, None, 1024 * SECOND),
    "the hundredth, after its end": (-HOUR, 100, None, 24 * HOUR),
    "one for which the server asked": (2 * MINUTE, 1, 600.0, 600 * SECOND),
    "one for which the server asked too long": (2 * MINUTE, 1, 1e9, 24 * HOUR),
    "one of no failure": (HOUR, 0, None, SECOND),
}


@pytest.mark.parametrize("case", PAUSES)
def test_a_pause(case: str) -> None:
    """It is half of that at least, and all of it at most; who was asked for one waits as long as that."""
    left, failures, asked, longest = PAUSES[case]
    pauses = [try_again_at(NOW, NOW + left, failures, f"uid-{n}/7", asked) - NOW for n in range(100)]
    assert longest / 2 <= min(pauses) <= max(pauses) <= longest
    assert asked is None or min(pauses) == longest


@given(left=st.timedeltas(timedelta(seconds=4), timedelta(days=9)), failures=st.integers(0, 10**6), seed=SEEDS)
def test_there_is_time_for_more_tries_before_the_end(left: timedelta, failures: int, seed: str) -> None:
    """No pause is longer than a quarter of what is left, or 15 minutes."""
    pause = try_again_at(NOW, NOW + left, failures, seed) - NOW
    assert FIRST_PAUSE / 2 <= pause <= max(FIRST_PAUSE, min(left / 4, LONGEST_BEFORE))


@given(since=st.timedeltas(timedelta(), timedelta(days=9)), failures=st.integers(0, 10**6), seed=SEEDS)
def test_after_the_end_it_is_tried_for_ever(since: timedelta, failures: int, seed: str) -> None:
    """Once a day at least, and never in a loop."""
    pause = try_again_at(NOW, NOW - since, failures, seed) - NOW
    assert FIRST_PAUSE / 2 <= pause <= LONGEST_AFTER
