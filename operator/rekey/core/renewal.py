"""When a version that ends by itself is renewed, and when it is tried again after a failure. Time is an argument.

1. It is renewed between 3 and 1 minutes before it ends, by a seed, so that those that end together are not renewed
   together. Of a life of less than 12 minutes both are scaled down: never earlier than in its last quarter.
2. The pause after a failure doubles. Until the version ends it is never longer than a quarter of what is left, so some
   tries always fit in; after that it grows up to a day.
3. A server that asks for a longer pause gets it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from rekey.core.chance import chance

EARLIEST: Final = timedelta(minutes=3)
LATEST: Final = timedelta(minutes=1)
SHARE: Final = 4
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_BEFORE: Final = timedelta(minutes=15)
LONGEST_AFTER: Final = timedelta(hours=24)
_DOUBLINGS: Final = 17


def renew_at(issued: datetime, expires: datetime, seed: str) -> datetime:
    """Return when a version is renewed; a moment in the past means: at once."""
    life = max(expires - issued, timedelta())
    scale = min(1.0, life / (EARLIEST * SHARE))
    return expires - (LATEST + (EARLIEST - LATEST) * chance(seed)) * scale


def try_again_at(
    now: datetime, expires: datetime | None, failures: int, seed: str, asked: float | None = None
) -> datetime:
    """Return when it is tried again after so many failures in a row.

    `expires`: when what is current ends, None if it does not; `asked`: seconds that the server asked us to wait.
    """
    left = expires - now if expires is not None else LONGEST_AFTER
    longest = min(LONGEST_BEFORE, left / SHARE) if left > timedelta() else LONGEST_AFTER
    doubled: timedelta = FIRST_PAUSE * 2 ** min(max(failures - 1, 0), _DOUBLINGS)
    pause = min(doubled, max(longest, FIRST_PAUSE)) * (0.5 + chance(f"{seed}:{failures}") / 2)
    return now + max(pause, timedelta(seconds=min(asked or 0.0, LONGEST_AFTER.total_seconds())))
