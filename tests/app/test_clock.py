"""The operator's time is the API server's: its `Date` is heard, and carried on by a clock that nobody sets."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rekey.app.clock import ServerClock

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HEARD: dict[str, tuple[list[tuple[float, timedelta]], float, timedelta]] = {
    "it goes on by itself": ([(0, 0 * SECOND)], 5, 5 * SECOND),
    "a later instant is taken": ([(0, 0 * SECOND), (1, 3 * SECOND)], 2, 4 * SECOND),
    "a slow answer takes nothing back": ([(0, 0 * SECOND), (20, 1 * SECOND)], 20, 20 * SECOND),
    "the server's clock is set back": ([(0, 0 * SECOND), (1, -3600 * SECOND)], 1, -3600 * SECOND),
    "the server's clock is set ahead": ([(0, 0 * SECOND), (1, 3600 * SECOND)], 1, 3600 * SECOND),
}


@pytest.mark.parametrize("title", HEARD)
def test_the_servers_time_is_told(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers at moments of the steady clock, the moment of the question, and what time it is then after noon."""
    answers, asked, after_noon = HEARD[title]
    steady, heard = [0.0], ServerClock()
    monkeypatch.setattr("rekey.app.clock.ticks", lambda: steady[0])
    for at, told in answers:
        steady[0] = at
        heard.hear(format_datetime(NOON + told, usegmt=True))
    steady[0] = asked
    assert heard.now() == NOON + after_noon


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_what_is_no_date_changes_nothing(date: str) -> None:
    """Until an instant is heard the machine's clock counts."""
    heard = ServerClock()
    heard.hear(date)
    assert abs(heard.now() - datetime.now(UTC)) < timedelta(minutes=1)
