"""What servers say of their own limits, in each of the ways in which they write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
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
    "a moment that no calendar has": ({"x-ratelimit-reset": "500000000000"}, None),
    "a moment that no calendar has, and what is left": (
        {"x-ratelimit-remaining": "7", "x-ratelimit-reset": "999999999999"},
        Rate(remaining=7),
    ),
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
    "the last date of all, by a clock that is behind": (
        {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "Sat, 01 Jan 2000 00:00:00 GMT"},
        True,
        86_400.0,
    ),
    "the first date of all, by a clock that is ahead": (
        {"retry-after": "Mon, 01 Jan 0001 00:00:00 GMT", "date": "Fri, 31 Dec 9999 23:59:59 GMT"},
        True,
        0.0,
    ),
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


WAYS = ("ratelimit", "x-ratelimit", "x-rate-limit")
NAMES = (
    *("retry-after", "date", "ratelimit", "ratelimit-policy"),
    *(f"{way}-{what}" for way in WAYS for what in ("limit", "remaining", "reset")),
)
DATES = st.datetimes(timezones=st.just(UTC)).map(format_datetime)
SAYINGS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789.,;= trqlimeans", max_size=24),
    st.integers(0, 10**14).map(str),
    st.integers(0, 10**14).map("limit={0};r=1;t={0}".format),
    DATES,
    st.builds("{}{:+03d}{:02d}".format, DATES.map(lambda text: text[:-5]), st.integers(-99, 99), st.integers(0, 99)),
)


@given(headers=st.dictionaries(st.sampled_from(NAMES), SAYINGS), busy=st.booleans())
@example(headers={"x-ratelimit-reset": "500000000000"}, busy=False)
@example(headers={"retry-after": "Fri, 31 Dec 9999 23:59:59 -0100"}, busy=True)
@example(
    headers={"retry-after": "Mon, 01 Jan 0001 00:00:00 +0100", "date": "Fri, 31 Dec 9999 23:59:59 -0100"}, busy=True
)
def test_any_headers_are_read(headers: dict[str, str], busy: bool) -> None:  # noqa: FBT001  drawn
    """None raises, however they stand together: what came with them would be lost; and no wait is longer than a day."""
    rate(headers, NOW)
    wait = asked_wait(headers, NOW, busy=busy)
    assert wait is None or 0 <= wait <= 86_400
