"""Durations are read as Kubernetes reads them and written as a person would."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import duration

READ = {
    "0s": timedelta(0),
    "90s": timedelta(seconds=90),
    "720h": timedelta(days=30),
    "1h30m": timedelta(minutes=90),
    "1m1h": timedelta(minutes=61),
    "1h1h": timedelta(hours=2),
    "250ms": timedelta(milliseconds=250),
    "1h2m3s4ms": timedelta(hours=1, minutes=2, seconds=3, milliseconds=4),
    "007s": timedelta(seconds=7),
    "999999h999999h99999h": timedelta(hours=2_099_997),
}
REFUSED = {
    "nothing": "",
    "a number without a unit": "90",
    "a unit without a number": "h",
    "days": "30d",
    "a fraction": "1.5h",
    "a sign": "-1h",
    "a space between": "1h 30m",
    "a space behind": "1h ",
    "a line's end behind": "1h\n",
    "five terms": "1h1h1h1h1h",
    "seven digits": "1000000h",
    "more than Go can hold": "999999h999999h999999h",
    "digits of another script": "٣h",
    "the long s": "1\u017f",
}
SHOWN = {
    timedelta(0): "0s",
    timedelta(days=30): "720h",
    timedelta(seconds=90): "1m30s",
    timedelta(hours=1, milliseconds=5): "1h5ms",
    timedelta(microseconds=999): "0s",
    timedelta(seconds=1, microseconds=1999): "1s1ms",
    -timedelta(seconds=90): "-1m30s",
}


@pytest.mark.parametrize("text", READ)
def test_a_duration_is_the_sum_of_its_terms(text: str) -> None:
    """Every term counts, whatever their order."""
    assert duration.parse(text) == READ[text]


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_duration_is_refused_with_advice(case: str) -> None:
    """The error quotes what was written and says how to write it."""
    with pytest.raises(ValueError, match="is not a duration: write whole numbers") as caught:
        duration.parse(REFUSED[case])
    assert repr(REFUSED[case])[:10] in str(caught.value)


def test_the_error_quotes_no_more_than_the_beginning() -> None:
    """A novel in the field does not become a novel in a condition."""
    with pytest.raises(ValueError, match="is not a duration") as caught:
        duration.parse("x" * 10_000)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("value", SHOWN, ids=str)
def test_a_duration_is_shown_in_its_largest_units(value: timedelta) -> None:
    """Terms of zero are left out, and what is below a millisecond is dropped."""
    assert duration.show(value) == SHOWN[value]


@given(st.integers(0, 10**12))
def test_what_is_shown_can_be_read(milliseconds: int) -> None:
    """Every duration of whole milliseconds up to 31 years survives being written."""
    value = timedelta(milliseconds=milliseconds)
    assert duration.parse(duration.show(value)) == value


@given(st.from_regex(duration.PATTERN, fullmatch=True))
def test_what_the_pattern_admits_is_read(text: str) -> None:
    """The API server and this module agree on every text of the pattern, and on the longest sum."""
    if len(text) > duration.MAX_LENGTH or not text.isascii() or not re.match(duration.PATTERN, text):
        return
    assert timedelta(0) <= duration.parse(text) <= timedelta(hours=2_562_047)  # the most Go can hold
