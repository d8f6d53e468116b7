"""Promises of the schedule that hold for every interval, cron, window, zone and moment."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rekey.core import schedule
from rekey.core.schedule import StartReason
from rekey.core.spec import Rotation


def rotation(**fields: object) -> Rotation:
    """Return the part of a manifest."""
    return Rotation.model_validate(fields)


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # st wants it so
INTERVALS = st.timedeltas(timedelta(hours=30), timedelta(days=400))
SEEDS = st.text(max_size=40)
WINDOWS = st.lists(
    st.builds(
        lambda cron, hours, zone: {"schedule": cron, "duration": f"{hours}h", "timeZone": zone},
        st.sampled_from(["0 2 * * *", "30 2 * * SUN", "0 23 * * SAT", "0 1 1 * *", "30 1 29 2 *"]),
        st.integers(1, 30),
        st.sampled_from(["Europe/Berlin", "UTC", "America/New_York"]),
    ),
    max_size=3,
)
WHEN = st.one_of(
    st.fixed_dictionaries({"interval": INTERVALS, "jitterPercent": st.integers(0, 50)}),
    st.fixed_dictionaries({"schedule": st.sampled_from(["0 3 * * 1", "30 2 * * *", "0 0 L * *", "0 0 1 1 *"])}),
)
ROTATIONS = st.builds(
    lambda when, windows, policy: rotation(**when, windows=windows, windowPolicy=policy, urgentBefore="20h"),
    WHEN,
    WINDOWS,
    st.sampled_from(["Require", "Prefer"]),
)


@given(INSTANTS, INTERVALS, st.integers(0, 50), SEEDS)
def test_due_lies_within_the_interval(last: datetime, interval: timedelta, jitter: int, seed: str) -> None:
    """Due is after the last rotation, at most the jitter's share early, never late, and always the same."""
    asked = rotation(interval=interval, jitterPercent=jitter)
    when_due = schedule.due(asked, last, seed)
    assert last < when_due <= last + interval
    assert when_due >= last + interval * (1 - jitter / 100) - timedelta(milliseconds=1)
    assert when_due == schedule.due(asked, last, seed)


@given(ROTATIONS, INSTANTS, st.timedeltas(timedelta(seconds=1), timedelta(days=900)), SEEDS)
def test_due_is_monotone(asked: Rotation, last: datetime, later: timedelta, seed: str) -> None:
    """What was rotated later is never due earlier."""
    assert schedule.due(asked, last, seed) <= schedule.due(asked, last + later, seed)


def test_jitter_spreads_evenly() -> None:
    """Over many credentials the whole share is used, and no tenth of it much more than another."""
    asked, last = rotation(interval="100h", jitterPercent=10), datetime(2026, 11, 1, tzinfo=UTC)
    tenths = [0] * 10
    for number in range(5000):
        early = last + timedelta(hours=100) - schedule.due(asked, last, f"uid-{number}:1")
        tenths[int(early / timedelta(hours=1))] += 1
    assert min(tenths) > 400
    assert max(tenths) < 600


@given(ROTATIONS, INSTANTS, SEEDS, st.booleans())
def test_one_due_starts_once(asked: Rotation, last: datetime, seed: str, requested: bool) -> None:  # noqa: FBT001  # given
    """Right after a rotation began the next one lies in the future: no due is served twice."""
    start = schedule.start_at(asked, last, last, seed)
    assert start.at > last
    begun = max(start.at, last)
    assert schedule.start_at(asked, begun, begun, seed).at > begun
    if requested:
        assert schedule.start_at(asked, last, last, seed, requested=True).at <= start.at


@given(ROTATIONS, INSTANTS, SEEDS)
def test_waiting_until_the_start_is_enough(asked: Rotation, last: datetime, seed: str) -> None:
    """Whoever sleeps until the moment finds that it has come, for the same reason, in a window or urgent."""
    start = schedule.start_at(asked, last, last, seed)
    assert schedule.start_at(asked, last, start.at, seed) == start
    if start.why is StartReason.WINDOW:
        assert schedule.window_open(asked, start.at)
    if start.why is StartReason.URGENT:
        assert start.at >= schedule.urgent_at(asked, last)
    if asked.interval is not None:
        assert start.at <= last + asked.interval


@given(ROTATIONS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=900)), SEEDS)
def test_nothing_waits_for_ever(asked: Rotation, last: datetime, away: timedelta, seed: str) -> None:
    """However long nobody was there, following the answers leads to a start."""
    now = last + away
    for _ in range(5):
        now = max(now, schedule.start_at(asked, last, now, seed).at)
    assert schedule.start_at(asked, last, now, seed).at <= now
    if asked.interval is not None:
        assert now <= max(last + away, last + asked.interval + timedelta(hours=30))


@given(ROTATIONS.filter(lambda asked: asked.windows), INSTANTS)
def test_a_window_opens_next_and_was_closed_before(asked: Rotation, now: datetime) -> None:
    """A window is open at the next opening; and it is the next: in between none opens."""
    opening = schedule.next_opening(asked, now)
    assert opening is not None
    assert opening > now
    assert schedule.window_open(asked, opening)
    if not schedule.window_open(asked, now):
        assert not schedule.window_open(asked, opening - timedelta(microseconds=1))
