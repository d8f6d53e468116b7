"""A rotation begins when it is due, in its window, once; tables in sentences, then properties."""

from datetime import UTC, datetime, timedelta

import pytest

from rekey.core import schedule
from rekey.core.schedule import StartReason
from rekey.core.spec import Rotation

BERLIN = "Europe/Berlin"
SEED = "5f7c1c7e-6d39-4c39-9d6a-2f6f0a4e2a11:7"
DAILY = {"schedule": "0 2 * * *", "duration": "2h"}
TUESDAYS = {"schedule": "0 2 * * TUE", "duration": "1h"}
SUNDAYS = {"schedule": "0 2 * * SUN", "duration": "2h"}
"""In November 2026 the 1st, 8th, 15th, 22nd and 29th are Sundays."""


def at(text: str) -> datetime:
    """Return `11-21 02:00` of 2026, or a full date, as an instant in UTC."""
    return datetime.fromisoformat(text if text[4] == "-" else f"2026-{text}").replace(tzinfo=UTC)


def rotation(**fields: object) -> Rotation:
    """Return the part of a manifest, without jitter unless it says so."""
    return Rotation.model_validate({"jitterPercent": 0, **fields})


def every(interval: str, *windows: dict[str, str], **fields: object) -> Rotation:
    """Return a rotation by interval."""
    return rotation(interval=interval, windows=windows, **fields)


def cron(expression: str, *windows: dict[str, str], **fields: object) -> Rotation:
    """Return a rotation by schedule."""
    return rotation(schedule=expression, windows=windows, **{"urgentBefore": "2h", **fields})


DUE: dict[str, tuple[Rotation, str, str]] = {
    "an interval later": (every("720h"), "11-01 10:00", "12-01 10:00"),
    "the year ends in between": (every("720h"), "12-20 10:00", "2027-01-19 10:00"),
    "a leap day lies in between": (every("48h"), "2028-02-28 00:00", "2028-03-01 00:00"),
    "an interval is elapsed time, whatever the clocks do": (every("24h"), "03-28 12:00", "03-29 12:00"),
    "the next firing of the schedule": (cron("0 3 * * 1"), "11-21 10:00", "11-23 03:00"),
    "a firing that was made is not due again": (cron("0 3 * * 1"), "11-23 03:00", "11-30 03:00"),
    "begun a little late, the next is still the next": (cron("0 3 * * 1"), "11-23 03:07", "11-30 03:00"),
    "in the schedule's own zone": (cron("0 3 * * 1", timeZone=BERLIN), "11-21 10:00", "11-23 02:00"),
    "spring: a skipped time fires when the clocks have changed": (
        *(cron("30 2 * * *", timeZone=BERLIN), "03-28 12:00"),
        "03-29 01:00",
    ),
    "autumn: a repeated time fires the first time": (
        *(cron("30 2 * * *", timeZone=BERLIN), "10-24 12:00"),
        "10-25 00:30",
    ),
    "autumn: and not the second time": (cron("30 2 * * *", timeZone=BERLIN), "10-25 00:31", "10-26 01:30"),
    "the leap day": (cron("0 0 29 2 *"), "2026-03-01 00:00", "2028-02-29 00:00"),
    "jitter has no say in a schedule": (cron("0 3 * * 1", jitterPercent=50), "11-21 10:00", "11-23 03:00"),
}


@pytest.mark.parametrize("situation", DUE)
def test_the_next_version_is_due(situation: str) -> None:
    """Interval and schedule give this moment after the last rotation."""
    asked, last, expected = DUE[situation]
    assert schedule.due(asked, at(last), SEED) == at(expected)


START: dict[str, tuple[Rotation, str, str, str, StartReason]] = {
    "without windows: when due": (
        every("720h"),
        "11-01 10:00",
        "11-02 00:00",
        "12-01 10:00",
        StartReason.DUE,
    ),
    "without windows, overdue: it stays the moment it was due": (
        *(every("720h"), "11-01 10:00", "12-24 00:00"),
        *("12-01 10:00", StartReason.DUE),
    ),
    "the last window before the interval ends": (
        *(every("336h", SUNDAYS), "11-03 10:00", "11-04 00:00"),
        *("11-15 02:00", StartReason.WINDOW),
    ),
    "an earlier window is open now: not that one": (
        *(every("336h", SUNDAYS), "11-03 10:00", "11-08 03:00"),
        *("11-15 02:00", StartReason.WINDOW),
    ),
    "the last window is open now: its opening": (
        *(every("336h", SUNDAYS), "11-03 10:00", "11-15 03:59"),
        *("11-15 02:00", StartReason.WINDOW),
    ),
    "the last window was missed: when windows are ignored": (
        *(every("336h", SUNDAYS), "11-03 10:00", "11-15 04:00"),
        *("11-16 10:00", StartReason.URGENT),
    ),
    "missed, under Prefer: when due": (
        *(every("336h", SUNDAYS, windowPolicy="Prefer"), "11-03 10:00", "11-15 04:00"),
        *("11-17 10:00", StartReason.DUE),
    ),
    "a window that opens as the interval ends is in time": (
        *(every("336h", SUNDAYS), "11-08 02:00", "11-09 00:00"),
        *("11-22 02:00", StartReason.WINDOW),
    ),
    "the window of the last rotation, still open, is not the next one": (
        *(every("168h", SUNDAYS), "11-08 02:30", "11-08 02:31"),
        *("11-15 02:00", StartReason.WINDOW),
    ),
    "no window opens in time: when windows are ignored": (
        *(every("96h", SUNDAYS), "11-08 02:30", "11-09 00:00"),
        *("11-11 02:30", StartReason.URGENT),
    ),
    "no window opens in time, under Prefer: when due": (
        *(every("96h", SUNDAYS, windowPolicy="Prefer"), "11-08 02:30", "11-09 00:00"),
        *("11-12 02:30", StartReason.DUE),
    ),
    "under Prefer a window in time is used": (
        *(every("336h", SUNDAYS, windowPolicy="Prefer"), "11-03 10:00", "11-04 00:00"),
        *("11-15 02:00", StartReason.WINDOW),
    ),
    "a daily window within the urgent day: still in the window": (
        *(every("720h", DAILY), "11-01 10:00", "12-01 00:00"),
        *("12-01 02:00", StartReason.WINDOW),
    ),
    "a daily window missed within the urgent day: when it closed": (
        *(every("720h", DAILY), "11-01 10:00", "12-01 05:00"),
        *("12-01 04:00", StartReason.URGENT),
    ),
    "of two windows the one that opens last in time": (
        *(
            every("336h", SUNDAYS, {"schedule": "0 22 * * MON", "duration": "1h"}),
            "11-03 10:00",
            "11-04 00:00",
        ),
        *("11-16 22:00", StartReason.WINDOW),
    ),
    "a window across midnight is still open after it": (
        *(every("336h", {"schedule": "0 23 * * SAT", "duration": "4h"}), "11-03 10:00", "11-15 02:30"),
        *("11-14 23:00", StartReason.WINDOW),
    ),
    "the window is read in its zone": (
        *(every("336h", {**SUNDAYS, "timeZone": BERLIN}), "11-03 10:00", "11-04 00:00"),
        *("11-15 01:00", StartReason.WINDOW),
    ),
    "down for months: windows are ignored, since when is remembered": (
        *(every("336h", SUNDAYS), "11-03 10:00", "2027-03-01 00:00"),
        *("11-16 10:00", StartReason.URGENT),
    ),
    "the last to open has closed, one that opened before it is still open: no window was missed": (
        *(
            every("336h", {"schedule": "0 0 * * TUE", "duration": "9h"}, TUESDAYS),
            "11-03 10:00",
            "11-17 05:00",
        ),
        *("11-17 02:00", StartReason.WINDOW),
    ),
    "a schedule without windows: when it fires": (
        *(cron("0 3 * * 1"), "11-21 10:00", "11-21 11:00"),
        *("11-23 03:00", StartReason.DUE),
    ),
    "a schedule that fires in an open window: then": (
        *(cron("0 3 * * 7", SUNDAYS), "11-16 00:00", "11-17 00:00"),
        *("11-22 03:00", StartReason.WINDOW),
    ),
    "a schedule that fires outside: the next opening": (
        *(cron("0 3 * * 1", SUNDAYS), "11-21 00:00", "11-21 01:00"),
        *("11-29 02:00", StartReason.WINDOW),
    ),
    "fired, waiting for the window that is open now": (
        *(cron("0 3 * * 1", SUNDAYS), "11-21 00:00", "11-29 03:30"),
        *("11-29 02:00", StartReason.WINDOW),
    ),
    "fired, two windows are open: the later opening": (
        *(
            cron("0 3 * * 1", {"schedule": "0 0 * * 7", "duration": "9h"}, SUNDAYS),
            "11-21 00:00",
            "11-29 03:00",
        ),
        *("11-29 02:00", StartReason.WINDOW),
    ),
    "fired, its window missed, the next firing near: windows are ignored": (
        *(cron("0 3 * * 1", SUNDAYS), "11-21 00:00", "11-29 05:00"),
        *("11-30 01:00", StartReason.URGENT),
    ),
    "fired in a window that was missed: the next opening": (
        *(
            cron("0 3 * * *", DAILY, {"schedule": "0 20 * * *", "duration": "1h"}),
            "11-21 04:00",
            "11-22 04:00",
        ),
        *("11-22 20:00", StartReason.WINDOW),
    ),
    "a schedule under Prefer: the next opening, if the schedule does not fire before": (
        *(cron("0 3 1 * *", SUNDAYS, windowPolicy="Prefer"), "11-21 00:00", "11-21 01:00"),
        *("12-06 02:00", StartReason.WINDOW),
    ),
    "a schedule under Prefer that fires again as a window opens: when due": (
        *(cron("0 2 * * 3,7", SUNDAYS, windowPolicy="Prefer"), "11-22 03:00", "11-23 05:00"),
        *("11-25 02:00", StartReason.DUE),
    ),
    "a schedule under Prefer that fires again before a window opens: when due": (
        *(cron("0 3 * * *", SUNDAYS, windowPolicy="Prefer"), "11-23 04:00", "11-23 05:00"),
        *("11-24 03:00", StartReason.DUE),
    ),
}


@pytest.mark.parametrize("situation", START)
def test_it_begins(situation: str) -> None:
    """Interval or schedule, windows, policy and the present give this moment, for this reason."""
    asked, last, now, expected, why = START[situation]
    assert schedule.start_at(asked, at(last), at(now), SEED) == schedule.Start(at(expected), why)


NOW = "now"
REQUESTED: dict[str, tuple[Rotation, str, str, StartReason]] = {
    "without windows: now": (every("336h"), "11-10 12:00", NOW, StartReason.REQUESTED),
    "in an open window: now": (every("336h", SUNDAYS), "11-08 03:00", NOW, StartReason.REQUESTED),
    "outside, under Prefer: now": (
        *(every("336h", SUNDAYS, windowPolicy="Prefer"), "11-10 12:00"),
        *(NOW, StartReason.REQUESTED),
    ),
    "outside: the next opening": (every("336h", SUNDAYS), "11-04 12:00", "11-08 02:00", StartReason.WINDOW),
    "outside, windows soon ignored: then": (
        *(every("336h", {"schedule": "0 2 1 * *", "duration": "1h"}), "11-10 12:00"),
        *("11-16 10:00", StartReason.URGENT),
    ),
    "outside, windows ignored already: since then": (
        *(every("336h", SUNDAYS), "11-16 12:00"),
        *("11-16 10:00", StartReason.URGENT),
    ),
    "outside, in a schedule: the next opening": (
        *(cron("0 3 1 * *", SUNDAYS), "11-10 12:00"),
        *("11-15 02:00", StartReason.WINDOW),
    ),
    "due anyway: the reason is still that somebody asked": (
        *(every("336h"), "11-17 12:00"),
        *(NOW, StartReason.REQUESTED),
    ),
}


@pytest.mark.parametrize("situation", REQUESTED)
def test_it_begins_on_request(situation: str) -> None:
    """What a person asks for begins now where windows permit, and never later than it would have anyway."""
    asked, now, expected, why = REQUESTED[situation]
    last, moment = at("11-03 10:00"), at(now)
    start = schedule.start_at(asked, last, moment, SEED, requested=True)
    assert start == schedule.Start(moment if expected == NOW else at(expected), why)
    assert max(start.at, moment) <= max(schedule.start_at(asked, last, moment, SEED).at, moment)


SPRING = {"schedule": "30 2 * * *", "duration": "1h", "timeZone": BERLIN}
MIDNIGHT = {"schedule": "30 23 * * *", "duration": "1h"}
OPEN: dict[str, tuple[tuple[dict[str, str], ...], str, bool, str | None]] = {
    "without windows always": ((), "11-21 12:00", True, None),
    "a second before it opens": ((DAILY,), "11-21 01:59:59", False, "11-21 02:00"),
    "when it opens": ((DAILY,), "11-21 02:00", True, "11-22 02:00"),
    "a second before it closes": ((DAILY,), "11-21 03:59:59", True, "11-22 02:00"),
    "when it closes": ((DAILY,), "11-21 04:00", False, "11-22 02:00"),
    "across midnight, after it": ((MIDNIGHT,), "11-22 00:15", True, "11-22 23:30"),
    "across midnight, closed": ((MIDNIGHT,), "11-22 00:30", False, "11-22 23:30"),
    "across the end of the year": ((MIDNIGHT,), "2027-01-01 00:15", True, "2027-01-01 23:30"),
    "in one of two": ((DAILY, MIDNIGHT), "11-21 23:45", True, "11-22 02:00"),
    "in none of two": ((DAILY, MIDNIGHT), "11-21 12:00", False, "11-21 23:30"),
    "longer than the time to the next: never closed": (
        *(({"schedule": "0 * * * *", "duration": "2h"},), "11-21 12:59"),
        *(True, "11-21 13:00"),
    ),
    "spring: it opens when the skipped hour is over": ((SPRING,), "03-29 01:00", True, "03-30 00:30"),
    "spring: not before": ((SPRING,), "03-29 00:59", False, "03-29 01:00"),
    "spring: it is open for its whole length": ((SPRING,), "03-29 01:59", True, "03-30 00:30"),
    "autumn: it opens in the first of the two hours": ((SPRING,), "10-25 00:30", True, "10-26 01:30"),
    "autumn: and closes after its length": ((SPRING,), "10-25 01:30", False, "10-26 01:30"),
}


@pytest.mark.parametrize("situation", OPEN)
def test_a_window_is_open(situation: str) -> None:
    """At this moment a window is open or not, and the next one opens then."""
    windows, now, expected, opening = OPEN[situation]
    asked = every("720h", *windows)
    assert schedule.window_open(asked, at(now)) is expected
    assert schedule.next_opening(asked, at(now)) == (at(opening) if opening else None)


CATCH_UP: dict[str, tuple[str, str, timedelta, str, str]] = {
    "due after the start: when due": (
        "11-21 12:01",
        "11-21 12:00",
        timedelta(minutes=15),
        "11-21 12:01",
        "11-21 12:01",
    ),
    "due before, spread: within it": (
        "11-01 00:00",
        "11-21 12:00",
        timedelta(minutes=15),
        "11-21 12:00",
        "11-21 12:15",
    ),
    "due at the very start: spread too": (
        *("11-21 12:00", "11-21 12:00", timedelta(minutes=15)),
        *("11-21 12:00", "11-21 12:15"),
    ),
    "due before, not spread: at once": (
        "11-01 00:00",
        "11-21 12:00",
        timedelta(0),
        "11-21 12:00",
        "11-21 12:00",
    ),
}


@pytest.mark.parametrize("situation", CATCH_UP)
def test_what_was_missed_is_made_up_for(situation: str) -> None:
    """What fell due while nobody was there begins between these moments, always the same one for a seed."""
    when_due, started, within, earliest, latest = CATCH_UP[situation]
    moments = [schedule.catch_up(at(when_due), at(started), within, f"uid:{number}") for number in range(50)]
    assert at(earliest) <= min(moments) <= max(moments) <= at(latest)
    assert (len(set(moments)) > 40) is (earliest != latest)


BEGIN: dict[str, tuple[Rotation, str, str, str, str]] = {
    "due after the start of the process: when due": (
        *(every("1h", jitterPercent=10), "11-21 12:00", "11-21 12:30"),
        *("11-21 12:54", "11-21 13:00"),
    ),
    "due before: within the jitter's share after the start": (
        *(every("1h", jitterPercent=10), "11-21 12:00", "11-23 12:00"),
        *("11-23 12:00", "11-23 12:06"),
    ),
    "due before, without jitter: at the start": (
        *(every("1h"), "11-21 12:00", "11-23 12:00"),
        *("11-23 12:00", "11-23 12:00"),
    ),
    "its window opens after the start: when it opens, whatever the jitter": (
        *(every("336h", SUNDAYS, jitterPercent=10), "11-03 10:00", "11-14 00:00"),
        *("11-15 02:00", "11-15 02:00"),
    ),
    "its window is open at the start: spread, in the window": (
        *(every("336h", SUNDAYS, jitterPercent=10), "11-03 10:00", "11-15 03:00"),
        *("11-15 03:00", "11-15 03:15"),
    ),
    "its window is about to close: not after it has": (
        *(every("336h", SUNDAYS, jitterPercent=10), "11-03 10:00", "11-15 03:58"),
        *("11-15 03:58", "11-15 04:00"),
    ),
    "its window was missed: when windows are ignored": (
        *(every("336h", SUNDAYS, jitterPercent=10), "11-03 10:00", "11-15 05:00"),
        *("11-16 10:00", "11-16 10:00"),
    ),
}


@pytest.mark.parametrize("situation", BEGIN)
def test_after_downtime_it_begins(situation: str) -> None:
    """Fifty credentials in this situation begin between these moments, from the start of the process on."""
    asked, last, started, earliest, latest = BEGIN[situation]
    begun = at(started)
    starts = [schedule.begin_at(asked, at(last), begun, begun, f"uid-{number}:7") for number in range(50)]
    moments = [start.at for start in starts]
    assert at(earliest) <= min(moments) <= max(moments) <= at(latest)
    again = [schedule.begin_at(asked, at(last), start.at, begun, f"uid-{n}:7") for n, start in enumerate(starts)]
    assert again == starts


SPREADS: dict[str, tuple[Rotation, timedelta]] = {
    "a tenth of an hour": (every("1h", jitterPercent=10), timedelta(minutes=6)),
    "never more than a quarter of an hour": (every("720h", jitterPercent=10), timedelta(minutes=15)),
    "nothing without jitter": (every("720h", jitterPercent=0), timedelta(0)),
    "a tenth of the time to the next firing": (cron("0 * * * *", jitterPercent=10), timedelta(minutes=6)),
}


@pytest.mark.parametrize("situation", SPREADS)
def test_overdue_rotations_are_spread_over(situation: str) -> None:
    """The jitter's share of the interval, or of the time between two firings."""
    asked, expected = SPREADS[situation]
    assert schedule.spread(asked, at("11-21 12:00")) == expected
