"""Whether what is due moves: the liveness of the work itself, not of the process.

1. When the rotation of a credential at rest falls due a worker must take it up. What was taken up and waits has a
   reason; what stalled says so to a person; neither is cured by a restart.
2. While credentials wait for a worker, workers must get done with some.
3. Only who acts is judged, and only after the time it takes to look at everything once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from rekey.app.cache import Cache
from rekey.app.queue import Queue
from rekey.app.seen import Seen, Standing
from rekey.ports.cluster import Clock

PATIENCE: Final = timedelta(minutes=15)


def overdue(seen: Seen, now: int) -> int:
    """Return for how many seconds its rotation has been due without anybody having looked; 0: nothing is wrong."""
    if seen.standing is not Standing.READY or not 0 < seen.next <= now or seen.looked >= seen.next:
        return 0
    return now - seen.next


class Watchdog:
    """Judges, whenever it is asked. `acting_since` returns since when this process acts, None while it does not."""

    def __init__(self, cache: Cache, queue: Queue, clock: Clock, acting_since: Callable[[], datetime | None]) -> None:
        self._cache = cache
        self._queue = queue
        self._clock = clock
        self._acting_since = acting_since

    def nothing_is_forgotten(self) -> str | None:
        """Return which rotation is due that nobody has looked at, or None."""
        if not self._is_judged():
            return None
        now = int(self._clock.now().timestamp())
        worst = max(self._cache, key=lambda seen: overdue(seen, now), default=None)
        late = 0 if worst is None else overdue(worst, now)
        if worst is None or late <= PATIENCE.total_seconds():
            return None
        return f"{worst.key} has been due for {late} s and nobody looked"

    def work_gets_done(self) -> str | None:
        """Return for how long workers have got nothing done although credentials wait, or None."""
        idle = min(self._queue.since_done(), max(self._queue.oldest().values()))
        if not self._is_judged() or idle <= PATIENCE.total_seconds():
            return None
        return f"{self._queue.depth().total()} credentials wait and no work has ended for {idle:.0f} s"

    def _is_judged(self) -> bool:
        since = self._acting_since()
        return since is not None and self._clock.now() - since > PATIENCE
