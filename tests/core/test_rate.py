"""What servers say of their own limits, in each of the ways in which they write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core.rate import Rate, asked_wait, rate

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=30)
EPOCH = int(SOON.timestamp())

SAID: dict[str, tuple[dict[str, str], Rate | None]] = {
    "nothing": ({}, None),
    "three headers of nobody's standard": (
        {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "30"},
        Rate(100, 7, SOON),
    ),
    "the same with another hyphen": ({"x-rate-limit-limit": "600", "x-rate-limit-remaining": "0"}, Rate(600, 0)),
    "seconds since 1970": ({"x-ratelimit-reset": str(EPOCH)}, Rate(reset=SOON)),
    "milliseconds since 1970": ({"x-ratelimit-reset": str(EPOCH * 1000)}, Rate(reset=SOON)),
    "three headers of a draft": (
        {"ratelimit-limit": "100", "ratelimit-remaining": "7", "ratelimit-reset": "30"},
        Rate(100, 7, SOON),
    ),
    "a limit with its policies": ({"ratelimit-limit": "100, 100;w=60, 5000;w=3600"}, Rate(100)),
    "one header of a draft": ({"ratelimit": "limit=100, remaining=7, reset=30"}, Rate(100, 7, SOON)),
    "two headers of a later draft": (
        {"ratelimit": '"default";r=7;t=30', "ratelimit-policy": '"default";q=100;w=60'},
        Rate(100, 7, SOON),
    ),
    "words": ({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-1"}, None),
    "a number that no calendar has": ({"x-ratelimit-limit": "9" * 30}, None),
}


@pytest.mark.parametrize("case", SAID)
def test_what_a_server_says_of_its_limit(case: str) -> None:
    """All ways come to the same three."""
    headers, found = SAID[case]
    assert rate(headers, NOW) == found


WAITS: dict[str, tuple[dict[str, str], bool, float | None]] = {
    "nothing": ({}, True, None),
    "seconds": ({"retry-after": "120"}, True, 120.0),
    "seconds, though it is not its limit": ({"retry-after": "120"}, False, 120.0),
    "seconds with a fraction": ({"retry-after": "1.5"}, True, 1.5),
    "zero": ({"retry-after": "0"}, True, 0.0),
    "a date": ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, True, 30.0),
    "a date, by a clock that is an hour ahead": (
        {"retry-after": "Sat, 21 Nov 2026 13:00:30 GMT", "date": "Sat, 21 Nov 2026 13:00:00 GMT"},
        True,
        30.0,
    ),
    "a date that is over": ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, True, 0.0),
    "a year": ({"retry-after": "31536000"}, True, 86_400.0),
    "a date in a year": ({"retry-after": "Sun, 21 Nov 2027 12:00:00 GMT"}, True, 86_400.0),
    "words": ({"retry-after": "soon"}, True, None),
    "a date that no calendar has": ({"retry-after": "Sat, 99 Nov 2026 12:00:30 GMT"}, True, None),
    "when its limit begins anew": ({"x-ratelimit-reset": "30"}, True, 30.0),
    "when its limit begins anew, though it is not reached": ({"x-ratelimit-reset": "30"}, False, None),
}


@pytest.mark.parametrize("case", WAITS)
def test_how_long_a_server_asks_us_to_wait(case: str) -> None:
    """A day at most, whatever it says."""
    headers, busy, seconds = WAITS[case]
    assert asked_wait(headers, NOW, busy=busy) == seconds


@given(text=st.text(max_size=40), reset=st.text("0123456789.,;= t", max_size=20))
def test_any_header_is_read(text: str, reset: str) -> None:
    """None raises, and none has us wait for more than a day."""
    wait = asked_wait({"retry-after": text, "ratelimit-reset": reset, "ratelimit": reset}, NOW, busy=True)
    assert wait is None or 0 <= wait <= 86_400
