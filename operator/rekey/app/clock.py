"""The only reader of time: everything else takes the present instant as an argument or asks a Clock.

What counts for credentials is the API server's time, from the `Date` of its answers, carried on by a clock that nobody
sets. A machine whose clock is wrong, or is set, then ends no overlap early and begins no rotation late; and the
instants that pods and Secrets tell are by servers' clocks, too.
"""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# A machine that slept must find its lead over: the usual monotonic clock sleeps too.
_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", None)


def ticks() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps, where there is one."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)


SLOWEST: Final = timedelta(minutes=1)
"""An answer takes less: one that tells of an earlier instant than this means that the server's clock was set back."""


class ServerClock:
    """The API server's clock, never ahead of it; the machine's until the first answer."""

    def __init__(self) -> None:
        self._heard = ""
        self._told: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        if self._told is None:
            return datetime.now(UTC)
        told, at = self._told
        return told + timedelta(seconds=ticks() - at)

    def hear(self, date: str) -> None:
        """Take note of an answer's `Date`, a second coarse and as old as the answer was slow: the latest counts."""
        if date == self._heard:
            return
        self._heard = date
        try:
            told = parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            return
        if self._told is None or told > (now := self.now()) or now - told > SLOWEST:
            self._told = told, ticks()
