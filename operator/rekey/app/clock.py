"""The only reader of time: everything else takes the present instant as an argument or asks a Clock."""

import time
from datetime import UTC, datetime
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
