"""Cron expressions fire when people expect it, also when the clocks change and at the ends of years."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import cron

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    """Return `2026-03-29 01:30` as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FIRINGS: dict[str, tuple[str, str | None, str, list[str]]] = {
    "without a zone it is read in UTC": ("30 2 * * *", None, "2026-03-28 12:00", ["2026-03-29 02:30"]),
    "in winter Berlin is an hour ahead": ("30 2 * * *", BERLIN, "2026-01-10 12:00", ["2026-01-11 01:30"]),
    "in summer it is two hours ahead": ("30 2 * * *", BERLIN, "2026-07-10 12:00", ["2026-07-11 00:30"]),
    "a firing is never the moment itself": ("0 3 * * *", None, "2026-05-01 03:00", ["2026-05-02 03:00"]),
    "spring: 02:30 does not exist, it fires at 03:00, once": (
        *("30 2 * * *", BERLIN, "2026-03-28 12:00"),
        ["2026-03-29 01:00", "2026-03-30 00:30", "2026-03-31 00:30"],
    ),
    "spring: two times of which one is skipped do not fire twice": (
        *("0 2,3 * * *", BERLIN, "2026-03-28 12:00"),
        ["2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 01:00"],
    ),
    "spring: every hour stays every hour": (
        *("0 * * * *", BERLIN, "2026-03-28 23:30"),
        ["2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"],
    ),
    "autumn: 02:30 comes twice, it fires the first time only": (
        *("30 2 * * *", BERLIN, "2026-10-24 12:00"),
        ["2026-10-25 00:30", "2026-10-26 01:30"],
    ),
    "autumn: asked between the two 02:30s, the next is tomorrow's": (
        *("30 2 * * *", BERLIN, "2026-10-25 01:10"),
        ["2026-10-26 01:30"],
    ),
    "autumn: asked at the first 02:30 exactly, the next is tomorrow's": (
        *("30 2 * * *", BERLIN, "2026-10-25 00:30"),
        ["2026-10-26 01:30"],
    ),
    "autumn: every half hour stays every half hour": (
        *("*/30 * * * *", BERLIN, "2026-10-25 00:10"),
        ["2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-25 02:00"],
    ),
    "the year ends": ("0 0 1 1 *", BERLIN, "2026-12-31 12:00", ["2026-12-31 23:00", "2027-12-31 23:00"]),
    "the leap day comes every four years": (
        *("0 0 29 2 *", None, "2026-01-01 00:00"),
        ["2028-02-29 00:00", "2032-02-29 00:00"],
    ),
    "Monday is 1 and Sunday both 0 and 7": (
        *("0 0 * * 1,7", None, "2026-11-21 00:00"),
        ["2026-11-22 00:00", "2026-11-23 00:00", "2026-11-29 00:00"],
    ),
    "a day and a weekday mean either": (
        *("0 0 13 * FRI", None, "2026-11-01 00:00"),
        ["2026-11-06 00:00", "2026-11-13 00:00", "2026-11-20 00:00"],
    ),
    "the last day of the month": (
        "0 0 L * *",
        None,
        "2028-02-01 00:00",
        ["2028-02-29 00:00", "2028-03-31 00:00"],
    ),
}


@pytest.mark.parametrize("situation", FIRINGS)
def test_it_fires(situation: str) -> None:
    """Each expression fires at these instants, one after the other."""
    expression, zone, after, expected = FIRINGS[situation]
    moment, found = at(after), []
    for _ in expected:
        moment = cron.following(expression, zone, moment)
        found.append(moment)
    assert found == [at(text) for text in expected]


PRECEDING: dict[str, tuple[str, str | None, str, str]] = {
    "a firing at the very moment counts": ("0 3 * * *", None, "2026-05-02 03:00", "2026-05-02 03:00"),
    "a second earlier it is yesterday's": ("0 3 * * *", None, "2026-05-02 02:59:59", "2026-05-01 03:00"),
    "half a second later it is that one": ("0 3 * * *", None, "2026-05-02 03:00:00.5", "2026-05-02 03:00"),
    "spring: the skipped time fired at 03:00": ("30 2 * * *", BERLIN, "2026-03-29 01:00", "2026-03-29 01:00"),
    "spring: before that it was yesterday": ("30 2 * * *", BERLIN, "2026-03-29 00:59", "2026-03-28 01:30"),
    "autumn: between the two 02:30s": ("30 2 * * *", BERLIN, "2026-10-25 01:10", "2026-10-25 00:30"),
    "autumn: at the second 02:30": ("30 2 * * *", BERLIN, "2026-10-25 01:30", "2026-10-25 00:30"),
    "autumn: at the first 02:30": ("30 2 * * *", BERLIN, "2026-10-25 00:30", "2026-10-25 00:30"),
    "autumn: just before the first 02:30": ("30 2 * * *", BERLIN, "2026-10-25 00:29", "2026-10-24 00:30"),
    "last year": ("0 0 31 12 *", None, "2026-11-21 00:00", "2025-12-31 00:00"),
}


@pytest.mark.parametrize("situation", PRECEDING)
def test_it_fired_last(situation: str) -> None:
    """Each expression fired last at this instant."""
    expression, zone, moment, expected = PRECEDING[situation]
    assert cron.preceding(expression, zone, at(moment)) == at(expected)


EXPRESSIONS = st.sampled_from(
    [
        "30 2 * * *",
        "0 2,3 * * *",
        "*/20 * * * *",
        "15 1-3 * * *",
        "0 */2 * * *",
        "59 23 * * SUN",
        "45 1 * * *",
        "0 0 L * *",
    ]
)
ZONES = st.sampled_from([None, "UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
AROUND_CHANGES = st.sampled_from(["2026-03-29", "2026-10-25", "2026-11-01", "2026-04-05", "2026-12-31", "2028-02-28"])
MOMENTS = st.builds(
    lambda day, offset: at(f"{day} 00:00") + offset,
    AROUND_CHANGES,
    st.timedeltas(timedelta(hours=-20), timedelta(hours=30)),
)


@given(EXPRESSIONS, ZONES, MOMENTS)
def test_before_and_after_agree(expression: str, zone: str | None, moment: datetime) -> None:
    """What fired last before a moment is followed by what fires next after it, with nothing between."""
    before, after = cron.preceding(expression, zone, moment), cron.following(expression, zone, moment)
    assert before <= moment < after
    assert cron.following(expression, zone, before) == after
    assert cron.preceding(expression, zone, after - timedelta(microseconds=1)) == before


@given(EXPRESSIONS.filter(cron.at_most_daily), ZONES, MOMENTS)
def test_no_gap_is_shorter_than_the_smallest(expression: str, zone: str | None, moment: datetime) -> None:
    """Firings of once a day around any change of the clocks are at least the smallest gap apart."""
    firings = [moment]
    for _ in range(6):
        firings.append(cron.following(expression, zone, firings[-1]))
    gaps = [later - earlier for earlier, later in pairwise(firings[1:])]
    assert min(gaps) >= cron.smallest_gap(expression, zone)


GAPS: dict[str, tuple[str, str | None, timedelta]] = {
    "every day in UTC": ("0 3 * * *", None, timedelta(hours=24)),
    "every day in Berlin: one day has 23 hours": ("0 3 * * *", BERLIN, timedelta(hours=23)),
    "every day in Sydney: that day comes in October": ("0 3 * * *", "Australia/Sydney", timedelta(hours=23)),
    "every week in Berlin": ("0 3 * * 1", BERLIN, timedelta(days=7) - timedelta(hours=1)),
    "twice a month, once close together": ("0 0 1,3 * *", None, timedelta(days=2)),
    "each leap day": ("0 0 29 2 *", None, timedelta(days=1461)),
}


@pytest.mark.parametrize("situation", GAPS)
def test_the_smallest_gap_is(situation: str) -> None:
    """The shortest time between two firings is found, the hour that a clock change takes included."""
    expression, zone, expected = GAPS[situation]
    assert cron.smallest_gap(expression, zone) == expected


FAULTS: dict[str, tuple[str, str | None]] = {
    "every Monday is fine": ("0 3 * * 1", None),
    "names are fine": ("0 3 * JAN,FEB MON-FRI", None),
    "the leap day is fine": ("0 0 29 2 *", None),
    "minute 60": ("60 * * * *", "not a cron expression: bad minute"),
    "a range that runs backwards": ("0 5-3 * * *", "not a cron expression: bad hour"),
    "a step of nothing": ("*/0 * * * *", "not a cron expression: bad minute"),
    "a weekday nobody knows": ("0 0 * * FOO", "not a cron expression: bad day-of-week"),
    "30 February": ("0 0 30 2 *", "never fires: no month it names has such a day"),
    "31 April and June": ("0 0 31 4,6 *", "never fires: no month it names has such a day"),
    "a fifth Monday that is the first of February": ("0 0 */40 2 MON#5", "never fires"),
    "six fields": ("0 0 3 * * 1", "has 6 fields"),
    "a nickname": ("@daily", "has 1 fields"),
    "nothing": ("", "has 0 fields"),
}


@pytest.mark.parametrize("situation", FAULTS)
def test_the_fault_is_named(situation: str) -> None:
    """An expression that cannot be used is quoted with what is wrong; the others have no fault."""
    expression, expected = FAULTS[situation]
    fault = cron.fault_of(expression)
    if expected is None:
        assert fault is None
    else:
        assert fault is not None
        assert repr(expression) in fault
        assert expected in fault


SOUND = st.sampled_from(["*", "*/2", "1", "1-3", "0,5", "L", "LW", "MON#2", "5L", "*/7", "29", "30", "2", "FEB"])
FIELD = SOUND | st.text("0123456789*,/#-LWMONJAx", min_size=1, max_size=6)


@given(st.lists(FIELD, min_size=5, max_size=5).map(" ".join))
def test_whatever_admission_lets_through_is_judged(expression: str) -> None:
    """Any text of the admitted shape has a fault or fires: it never breaks the operator."""
    if cron.fault_of(expression) is None:
        firing = cron.following(expression, BERLIN, at("2026-11-21 00:00"))
        assert cron.preceding(expression, BERLIN, firing) == firing
        assert cron.smallest_gap(expression, BERLIN) >= timedelta(minutes=1)


ZONE_NAMES = {
    **dict.fromkeys(["UTC", BERLIN, "America/Argentina/Buenos_Aires", "Etc/GMT+5"], True),
    **dict.fromkeys(["Mars/Base", "europe/berlin", "Europe", "../etc/passwd", "/etc/localtime", "Berlin", ""], False),
}


@pytest.mark.parametrize("name", ZONE_NAMES)
def test_a_zone_exists_or_not(name: str) -> None:
    """Only names of the time zone database are zones; a folder or a path of it is none."""
    assert cron.is_zone(name) is ZONE_NAMES[name]


def test_at_most_daily_is_never_said_of_more() -> None:
    """What is said to fire once a day at most never fires twice within 22 hours."""
    for expression in ("0 3 * * *", "30 2 * * 1", "59 23 31 12 *"):
        assert cron.at_most_daily(expression)
        assert cron.smallest_gap(expression, BERLIN) > timedelta(hours=22)
    for expression in ("0 3,4 * * *", "*/5 3 * * *", "0 */12 * * *", "0-1 3 * * *", "* * * * *"):
        assert not cron.at_most_daily(expression)
