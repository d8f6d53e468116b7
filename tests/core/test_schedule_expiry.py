"""A rotation begins before the version expires, early enough for its overlap, windows or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rekey.core import schedule, start
from rekey.core.schedule import Start, StartReason
from rekey.core.spec import RotatedCredentialSpec

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUE, EXPIRES, WINDOW = StartReason.DUE, StartReason.EXPIRES, StartReason.WINDOW
SUNDAYS = {"schedule": "0 2 * * SUN", "duration": "2h"}
WINDOWS: dict[str, Any] = {"windows": [SUNDAYS], "urgentBefore": "48h"}


def spec(overlap: dict[str, str] | None = None, **rotation: Any) -> RotatedCredentialSpec:
    """Return a spec of which only the times matter, without jitter."""
    times = {"interval": "240h", "jitterPercent": 0, **rotation}
    return RotatedCredentialSpec.model_validate(
        {"generate": {"token": {}}, "rotation": times, "overlap": {"duration": "2h", **(overlap or {})}}
    )


SITUATIONS: dict[str, tuple[RotatedCredentialSpec, float, Start, Start]] = {
    "due long before": (spec(), 300, Start(NOON, DUE), Start(NOON, DUE)),
    "due when the overlap just fits": (spec(), 2, Start(NOON, DUE), Start(NOON, DUE)),
    "due too late for the overlap": (spec(), 1, Start(NOON, DUE), Start(NOON - HOUR, EXPIRES)),
    "due too late for overlap and propagation": (
        spec({"propagation": "1h"}),
        *(2, Start(NOON, DUE), Start(NOON - HOUR, EXPIRES)),
    ),
    "due after it has expired": (spec(), -5, Start(NOON, DUE), Start(NOON - 7 * HOUR, EXPIRES)),
    "in a window that opens in time": (spec(**WINDOWS), 48, Start(NOON, WINDOW), Start(NOON, WINDOW)),
    "in a window that opens when windows are ignored already": (
        *(spec(**WINDOWS), 47, Start(NOON, WINDOW)),
        Start(NOON - HOUR, EXPIRES),
    ),
    "in a preferred window: only the overlap must fit": (
        *(spec(**WINDOWS, windowPolicy="Prefer"), 2, Start(NOON, WINDOW)),
        Start(NOON, WINDOW),
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_it_begins_in_time(situation: str) -> None:
    """A start that leaves too little time before the version expires is put forward, and no other."""
    asked, hours, start, expected = SITUATIONS[situation]
    assert schedule.in_time(start, asked, NOON + hours * HOUR) == expected


SHORT: dict[str, tuple[float, float, Start]] = {
    "as long as an overlap takes": (-1, 1, Start(NOON, EXPIRES)),
    "a minute": (-1 / 60, 0, Start(NOON - HOUR / 120, EXPIRES)),
    "longer than an overlap takes": (-1, 1.5, Start(NOON - HOUR / 2, EXPIRES)),
    "a second longer than an overlap takes": (0, 2 + 1 / 3600, Start(NOON + HOUR + HOUR / 7200, EXPIRES)),
    "longer by a little less than an eighth of it": (0, 2.25, Start(NOON + 1.125 * HOUR, EXPIRES)),
    "longer by an eighth of it": (0, 16 / 7, Start(NOON + 16 / 7 * HOUR - 2 * HOUR, EXPIRES)),
    "over before it was made": (0, -1, Start(NOON - 3 * HOUR, EXPIRES)),
}


@pytest.mark.parametrize("situation", SHORT)
def test_a_version_that_is_given_little_time(situation: str) -> None:
    """It is used for half of it, if an overlap of two hours leaves less than an eighth: no storm of rotations."""
    issued, expires, expected = SHORT[situation]
    due, made, ends = Start(NOON + 100 * HOUR, DUE), NOON + issued * HOUR, NOON + expires * HOUR
    assert start.in_time(due, spec(), made, ends) == expected
    soon = Start(NOON - 50 * HOUR, DUE)
    assert start.in_time(soon, spec(), made, ends) == soon


def test_what_never_expires_puts_nothing_forward() -> None:
    """Without an end the start is what it was."""
    assert schedule.in_time(Start(NOON, DUE), spec(), None) == Start(NOON, DUE)


@given(st.integers(3, 400), st.integers(1, 100), st.integers(0, 50), st.integers(0, 24), st.booleans())
def test_no_version_expires_in_its_overlap(life: int, overlap: int, jitter: int, urgent: int, windows: bool) -> None:  # noqa: FBT001
    """Whatever the times, the next version begins in time; it is warned of after that, and before the end."""
    rules = {"lifetime": f"{life}h", "schedule": "0 3 1 * *", "interval": None, "jitterPercent": jitter}
    more = {"windows": [SUNDAYS] if windows else [], "urgentBefore": f"{urgent}h"}
    asked = spec({"duration": f"{overlap}h"}, **rules, **more)
    assume(not schedule.problems(asked))
    expires = NOON + life * HOUR
    start = schedule.in_time(schedule.start_at(asked.rotation, NOON, NOON, "seed"), asked, expires)
    assert NOON < start.at <= expires - overlap * HOUR
    assert start.at <= schedule.expiring_at(asked, NOON, expires, "seed") <= expires
