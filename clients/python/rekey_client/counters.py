"""Counts of validations by reason and version, and how long they took; plain numbers, read by whoever exports them."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from threading import Lock

from rekey_client.entries import Table
from rekey_client.outcome import Outcome

BUCKETS = (0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1)
"""Upper bounds in seconds; a token takes some microseconds, a JWT a few hundred."""

Key = tuple[str, str, int | None]
"""Reason, credential, version."""


class Counters:
    """The counts of one verifier since its start."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[Key, int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def add(self, outcome: Outcome, seconds: float) -> None:
        """Count one validation."""
        who = outcome.identity
        key = (outcome.reason.value, who.credential, who.version) if who else (outcome.reason.value, "", None)
        bucket = bisect_left(BUCKETS, seconds)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1
            self._buckets[bucket] += 1
            self._seconds += seconds

    def forget(self, *known: Table) -> None:
        """Drop the counts of versions that nobody knows any more: labels must not grow for ever."""
        versions = {(one.identity.credential, one.identity.version) for table in known for one in table.entries()}
        versions.add(("", None))
        with self._lock:
            for key in [key for key in self._counts if key[1:] not in versions]:
                del self._counts[key]

    def by_version(self) -> Mapping[Key, int]:
        """Return the counts."""
        with self._lock:
            return dict(self._counts)

    def by_reason(self) -> Mapping[str, int]:
        """Return the counts of all versions together."""
        found: Counter[str] = Counter()
        for (reason, _, _), count in self.by_version().items():
            found[reason] += count
        return found

    def latency(self) -> tuple[list[tuple[str, float]], float]:
        """Return the cumulative buckets as Prometheus has them, and the sum of all seconds."""
        with self._lock:
            buckets, seconds = list(self._buckets), self._seconds
        found, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
            total += count
            found.append((bound, float(total)))
        return found, seconds
