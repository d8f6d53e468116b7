"""How far a mass rotation is: how many credentials have yet to move, how fast they do, and how long it will take.

1. To move: a first version, or a new one that every consumer uses. The overlap that follows is not waited for.
2. The speed is that of the last minute in which anything moved, so a rollout that pauses does not forget it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rekey.app.cache import Cache
from rekey.app.queue import Lane, Queue
from rekey.app.seen import Seen, Standing
from rekey.core.reasons import Reason
from rekey.core.status import Status, Step

WINDOW: Final = 60.0
_MOVING: Final = {Reason.ISSUING.value, Reason.ROLLING_OUT.value}


def has_moved(before: Status, after: Status) -> bool:
    """Return whether this save says that a credential arrived at a version."""
    if before.current_version is None:
        return after.current_version is not None and after.rotation is None
    was, now = before.rotation, after.rotation
    if now is None:  # a renewal has no overlap that anybody waits for
        return was is not None and before.current_version != was.number == after.current_version
    return now.step is Step.OVERLAP and (was is None or was.step is not Step.OVERLAP)


class Progress(Collector):
    """Counts what moves, and what has yet to; `seconds` is a clock that never goes back."""

    def __init__(self, cache: Cache, queue: Queue, seconds: Callable[[], float]) -> None:
        self._cache = cache
        self._queue = queue
        self._seconds = seconds
        self._moves: deque[float] = deque()

    def saved(self, before: Status, after: Status) -> None:
        """Take note of a save."""
        if has_moved(before, after):
            now = self._seconds()
            while self._moves and self._moves[0] < now - WINDOW:
                self._moves.popleft()
            self._moves.append(now)

    def backlog(self) -> int:
        """Return how many credentials have yet to move."""
        return sum(1 for seen in self._cache if self._is_to_move(seen))

    def speed(self) -> float:
        """Return how many moved a second, in the last minute in which any did; 0: none ever has."""
        if not self._moves:
            return 0.0
        return len(self._moves) / max(1.0, self._moves[-1] - self._moves[0])

    def collect(self) -> Iterator[Metric]:
        """Compute everything now."""
        backlog, speed = self.backlog(), self.speed()
        eta = 0.0 if not backlog else backlog / speed if speed else math.inf
        yield GaugeMetricFamily("rekey_backlog", "Credentials that have yet to move to a version.", value=backlog)
        yield GaugeMetricFamily("rekey_backlog_moves_per_second", "How many moved a second lately.", value=speed)
        yield GaugeMetricFamily("rekey_backlog_eta_seconds", "When the backlog will be gone at that speed.", value=eta)

    def _is_to_move(self, seen: Seen) -> bool:
        if self._queue.lane_of(seen.key) in {Lane.CHANGE, Lane.DEADLINE}:
            return True
        return seen.standing is Standing.NEW or (seen.standing is Standing.ROTATING and seen.reason in _MOVING)
