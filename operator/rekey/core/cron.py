"""When a cron expression fires, in its time zone: before a moment, after it, how densely, or why never.

1. An answer is in UTC and every argument carries its zone; no zone named means UTC.
2. A time of day that the clocks skip fires when they have been put forward; one that they repeat fires the
   first time. Expressions with `*` in minutes or hours follow elapsed time instead (as Debian's cron has it).
3. The functions are pure, so answers that are asked for again and again are remembered.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS: Final = 5
_SAMPLES: Final = 48
_BEFORE_EVERY_CLOCK_CHANGE: Final = (datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 9, 10, tzinfo=UTC))
_REPEATED_HOUR: Final = timedelta(hours=3)


def following(expression: str, zone: str | None, moment: datetime) -> datetime:
    """Return the first firing after *moment*."""
    return _following(expression, zone, moment.astimezone(UTC))


def preceding(expression: str, zone: str | None, moment: datetime) -> datetime:
    """Return the last firing at or before *moment*."""
    return _preceding(expression, zone, moment.astimezone(UTC))


@lru_cache(maxsize=2_048)
def _following(expression: str, zone: str | None, moment: datetime) -> datetime:
    return next(_firings(expression, zone, moment))


@lru_cache(maxsize=2_048)
def _preceding(expression: str, zone: str | None, moment: datetime) -> datetime:
    local = moment.astimezone(_zone(zone))
    # CronSim counts back on the wall clock: in a repeated hour it would miss what fired the first time round.
    start = (moment + _REPEATED_HOUR).astimezone(local.tzinfo) if local.fold else local
    # With a microsecond to take off, its first step back is to the start itself: "at or before".
    found = CronSim(expression, start.replace(microsecond=1), reverse=True)
    return next(firing for firing in (each.astimezone(UTC) for each in found) if firing <= moment)


@lru_cache(maxsize=4_096)
def smallest_gap(expression: str, zone: str | None) -> timedelta:
    """Return the shortest time between two firings, as far as some dozens around the clock changes show."""
    gaps = (
        later - earlier
        for start in _BEFORE_EVERY_CLOCK_CHANGE
        for earlier, later in pairwise(islice(_firings(expression, zone, start), _SAMPLES))
    )
    return min(gaps, default=timedelta.max)


def at_most_daily(expression: str) -> bool:
    """Tell by one glance whether it fires once a day at most."""
    minute, hour, *_ = expression.split()
    return minute.isdecimal() and hour.isdecimal()


@lru_cache(maxsize=4_096)
def fault_of(expression: str) -> str | None:
    """Return what is wrong with an expression, or None when it fires some day."""
    fields = expression.split()
    if len(fields) != FIELDS:
        return f"{expression!r} has {len(fields)} fields; five are needed: minute hour day month weekday"
    try:
        next(CronSim(expression, _BEFORE_EVERY_CLOCK_CHANGE[0]))
    except StopIteration:
        return f"{expression!r} never fires"
    except CronSimError as error:
        if fields[3] != "*" and fault_of(" ".join((*fields[:3], "*", fields[4]))) is None:
            return f"{expression!r} never fires: no month it names has such a day"
        return f"{expression!r} is not a cron expression: {str(error).lower()}"
    return None


def is_zone(name: str) -> bool:
    """Tell whether a time zone of that name exists."""
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, or the name of a folder
        return False
    return True


def _zone(name: str | None) -> tzinfo:
    return UTC if name is None or name == "UTC" else ZoneInfo(name)


def _firings(expression: str, zone: str | None, after: datetime) -> Iterator[datetime]:
    """Yield the firings after *after*; in a repeated hour CronSim would begin with one that is past."""
    found = (each.astimezone(UTC) for each in CronSim(expression, after.astimezone(_zone(zone))))
    return (firing for firing in found if firing > after)
