"""When a rotation may begin: interval or cron, jitter, windows, urgency, catching up. Time is an argument.

1. The same arguments give the same moment, before and after a restart: chance comes from a seed.
2. A moment is after the last rotation, and one that lies in the past keeps its value until something happens.
3. With windows and an interval a rotation begins in the last window that opens before the interval ends. If
   that was missed, or none opens in time, windows are ignored: from `urgentBefore` on or, under `Prefer`,
   when due.
4. Where a version expires, the next begins so early that the old one's overlap ends before, windows or not.
5. A spec is judged first: the other functions may take it that `problems` found none.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rekey.core import cron, duration
from rekey.core.chance import chance
from rekey.core.facts import Problem
from rekey.core.spec import RotatedCredentialSpec, Rotation, Window, WindowPolicy

CATCH_UP_WITHIN: Final = timedelta(minutes=15)
_SHORTEST_DAY: Final = timedelta(hours=22)


class StartReason(StrEnum):
    """Why a rotation begins at its moment and not at another."""

    DUE = "Due"
    WINDOW = "Window"
    URGENT = "Urgent"
    EXPIRES = "Expires"
    REQUESTED = "Requested"


@dataclass(frozen=True, slots=True)
class Start:
    """The moment at which a rotation may begin; one that is not after `now` means: at once."""

    at: datetime
    why: StartReason


def problems(spec: RotatedCredentialSpec) -> tuple[Problem, ...]:
    """Return what admission could not judge because it takes a calendar."""
    rotation = spec.rotation
    if spec.renews:
        return ()  # it has no calendar
    found = _calendar_faults("spec.rotation", rotation.schedule, rotation.time_zone)
    for number, window in enumerate(rotation.windows):
        found += _calendar_faults(f"spec.rotation.windows[{number}]", window.schedule, window.time_zone)
    return tuple(found or (*_too_long(spec), *_too_short(spec)))


def due(rotation: Rotation, last: datetime, seed: str) -> datetime:
    """Return when the next version is due: after `last` and never later than `last + interval`."""
    if rotation.interval is None:
        return cron.following(_schedule(rotation), rotation.time_zone, last)
    early = rotation.jitter_percent / 100 * chance(seed) if rotation.jitter_percent else 0.0
    return last + rotation.interval * (1 - early)


def start_at(rotation: Rotation, last: datetime, now: datetime, seed: str, *, requested: bool = False) -> Start:
    """Return when a rotation may begin after `last`; `requested`: a person wants one now."""
    if requested:
        scheduled = start_at(rotation, last, now, seed)
        asked = _when_requested(rotation, last, now)
        return min(asked, scheduled, key=lambda start: max(start.at, now))
    if not rotation.windows:
        return Start(due(rotation, last, seed), StartReason.DUE)
    if rotation.interval is None:
        return _by_cron(rotation, last, now, seed)
    return _by_interval(rotation, last, now, seed)


def begin_at(rotation: Rotation, last: datetime, now: datetime, started: datetime, seed: str) -> Start:
    """Return `start_at`, but spread out what was missed before the process started, in its window still."""
    start = start_at(rotation, last, now, seed)
    if start.at > started:
        return start
    made_up = catch_up(start.at, started, spread(rotation, due(rotation, last, seed)), seed)
    if start.why is StartReason.WINDOW and not window_open(rotation, made_up):
        made_up = started
    return Start(made_up, start.why)


def in_time(start: Start, spec: RotatedCredentialSpec, expires: datetime | None) -> Start:
    """Return the start, or an earlier one for the sake of a version that expires."""
    if expires is None or start.at <= (latest := expires - needed(spec)):
        return start
    return Start(latest, StartReason.EXPIRES)


def expiring_at(spec: RotatedCredentialSpec, last: datetime, expires: datetime, seed: str) -> datetime:
    """Return from when on it is said that a version expires: it should have been replaced, and time runs out.

    That is halfway between the two, but not more than `urgentBefore` before it expires.
    """
    begin = min(due(spec.rotation, last, seed), expires - needed(spec))
    return expires - min(spec.rotation.urgent_before, (expires - begin) / 2)


def urgent_at(rotation: Rotation, last: datetime) -> datetime:
    """Return from when on windows are ignored: `urgentBefore` the version is older than it should get."""
    end = last + rotation.interval if rotation.interval else _after_next(rotation, last)
    return end - rotation.urgent_before


def window_open(rotation: Rotation, now: datetime) -> bool:
    """Tell whether rotations and restarts may begin now; without windows they always may."""
    return not rotation.windows or _open_since(rotation, now) is not None


def next_opening(rotation: Rotation, now: datetime) -> datetime | None:
    """Return when the next window opens after now; None without windows."""
    openings = [cron.following(window.schedule, window.time_zone, now) for window in rotation.windows]
    return min(openings, default=None)


def spread(rotation: Rotation, when_due: datetime) -> timedelta:
    """Return over how long rotations that were missed are spread: the jitter's share, 15 minutes at most."""
    length = rotation.interval
    if length is None:
        length = cron.following(_schedule(rotation), rotation.time_zone, when_due) - when_due
    return min(CATCH_UP_WITHIN, length * rotation.jitter_percent / 100)


def catch_up(when_due: datetime, started: datetime, within: timedelta, seed: str) -> datetime:
    """Return when to begin what fell due before the process started; what is due later keeps its time."""
    if when_due > started:
        return when_due
    return started + within * chance(seed) if within else started


def _by_interval(rotation: Rotation, last: datetime, now: datetime, seed: str) -> Start:
    """Begin in the last window before the interval ends; else when windows are ignored."""
    end = last + (rotation.interval or timedelta())
    opening, length = max((_opening(window, end), window.duration) for window in rotation.windows)
    missed = now >= opening + length and _open_since(rotation, now) is None
    if opening > last and not missed:
        return Start(opening, StartReason.WINDOW)
    if rotation.window_policy is WindowPolicy.PREFER:
        return Start(due(rotation, last, seed), StartReason.DUE)
    closed = opening + length if opening > last else last
    return Start(max(urgent_at(rotation, last), closed), StartReason.URGENT)


def _by_cron(rotation: Rotation, last: datetime, now: datetime, seed: str) -> Start:
    """Begin when due if a window is open then; else when the next one opens, or when windows are ignored."""
    when_due = due(rotation, last, seed)
    if rotation.window_policy is WindowPolicy.PREFER:
        end, opening = _after_next(rotation, last), _first_admission(rotation, when_due)
        return Start(opening, StartReason.WINDOW) if opening < end else Start(when_due, StartReason.DUE)
    urgent = urgent_at(rotation, last)
    opening = _first_admission(rotation, max(when_due, now))
    if now >= when_due and (since := _open_since(rotation, now)):
        opening = max(since, when_due)
    return Start(opening, StartReason.WINDOW) if opening < urgent else Start(urgent, StartReason.URGENT)


def _when_requested(rotation: Rotation, last: datetime, now: datetime) -> Start:
    if window_open(rotation, now) or rotation.window_policy is WindowPolicy.PREFER:
        return Start(now, StartReason.REQUESTED)
    opening, urgent = _first_admission(rotation, now), urgent_at(rotation, last)
    return Start(opening, StartReason.WINDOW) if opening < urgent else Start(urgent, StartReason.URGENT)


def _first_admission(rotation: Rotation, moment: datetime) -> datetime:
    """Return the first moment from *moment* on at which a window is open."""
    if _open_since(rotation, moment) is not None:
        return moment
    return next_opening(rotation, moment) or moment


def _open_since(rotation: Rotation, moment: datetime) -> datetime | None:
    """Return the last opening of a window that is open at *moment*."""
    openings = ((_opening(window, moment), window.duration) for window in rotation.windows)
    return max((opening for opening, length in openings if moment < opening + length), default=None)


def _opening(window: Window, moment: datetime) -> datetime:
    return cron.preceding(window.schedule, window.time_zone, moment)


def _after_next(rotation: Rotation, last: datetime) -> datetime:
    """Return the second firing after the last rotation: by then the first must have been served."""
    when_due = cron.following(_schedule(rotation), rotation.time_zone, last)
    return cron.following(_schedule(rotation), rotation.time_zone, when_due)


def _schedule(rotation: Rotation) -> str:
    if rotation.schedule is None:
        raise ValueError("a rotation has either an interval or a schedule; admission sees to it")
    return rotation.schedule


def _calendar_faults(path: str, schedule: str | None, zone: str | None) -> list[Problem]:
    found = []
    if schedule is not None and (fault := cron.fault_of(schedule)):
        found.append(Problem(f"{path}.schedule", fault))
    if zone is not None and not cron.is_zone(zone):
        found.append(Problem(f"{path}.timeZone", f"there is no time zone {zone!r}"))
    return found


def needed(spec: RotatedCredentialSpec) -> timedelta:
    """Return how long before a version expires the next one begins, if that is not the renewal's business."""
    if spec.renews:
        return timedelta()
    overlap = _taken(spec)
    return max(overlap, spec.rotation.urgent_before) if _keeps_windows(spec.rotation) else overlap


def _taken(spec: RotatedCredentialSpec) -> timedelta:
    return spec.overlap.duration + spec.overlap.propagation + spec.health.settle


def _keeps_windows(rotation: Rotation) -> bool:
    return bool(rotation.windows) and rotation.window_policy is WindowPolicy.REQUIRE


def _too_short(spec: RotatedCredentialSpec) -> list[Problem]:
    """Compare the life of a version with what must fit into it: else one would follow the other without a pause."""
    lifetime, least = spec.rotation.lifetime, needed(spec)
    if lifetime is None or lifetime > least:
        return []
    text = f"{duration.show(lifetime)} must be longer than {duration.show(least)}: so long before a version expires"
    return [Problem("spec.rotation.lifetime", f"{text} the next one is made")]


def _too_long(spec: RotatedCredentialSpec) -> list[Problem]:
    """Compare what must fit between two rotations with the shortest time between two."""
    rotation, overlap, longest = spec.rotation, _taken(spec), needed(spec)
    if rotation.interval is not None:
        gap, between = rotation.interval, "`rotation.interval`"
    elif cron.at_most_daily(_schedule(rotation)) and longest < _SHORTEST_DAY:
        return []
    else:
        gap = cron.smallest_gap(_schedule(rotation), rotation.time_zone)
        between = "the shortest time between two firings of `rotation.schedule`"
    found = []
    if overlap >= gap:
        settle = " and `validation.settle`" * bool(spec.health.settle)
        text = f"with `propagation`{settle} it takes {duration.show(overlap)}, which must be shorter than {between}"
        found.append(Problem("spec.overlap.duration", f"{text}, {duration.show(gap)}"))
    if _keeps_windows(rotation) and rotation.urgent_before >= gap:
        text = f"{duration.show(rotation.urgent_before)} must be shorter than {between}, {duration.show(gap)}"
        found.append(Problem("spec.rotation.urgentBefore", f"{text}, or no window is ever kept"))
    return found
