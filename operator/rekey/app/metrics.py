"""The figures at /metrics, and how many time series each may have.

1. No label holds a name but in the four series per credential, which only the most urgent credentials have
   (`REKEY_METRICS_PER_CREDENTIAL`), and those of `metrics_of_providers`; every other label comes from a closed list.
2. What follows from the state is computed when it is asked for, from the cache; nothing is kept in step.
3. Times are seconds since 1970, as Prometheus has them.
"""

from collections import Counter as Count
from collections.abc import Callable, Iterator
from heapq import nsmallest
from math import inf
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rekey.app.cache import Cache
from rekey.app.queue import Lane, Queue
from rekey.app.seen import Seen, Standing
from rekey.core.facts import Key
from rekey.core.status import State, Status
from rekey.ports.cluster import Clock

_LATENCY: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STEPS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600)
_CODES: Final = {0: "none"}


class Metrics:
    """What is counted as it happens."""

    def __init__(self, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        registry = self.registry
        self._rotations = Counter(
            "rekey_rotations", "Rotations that ended, by result and cause.", ["result", "cause"], registry=registry
        )
        self._steps = Histogram(
            "rekey_step_seconds", "Time from the start of a rotation to the end of a step.", ["step"],
            buckets=_STEPS, registry=registry,
        )  # fmt: skip
        self._waits = Histogram(
            "rekey_queue_wait_seconds", "Time in the queue, by lane.", ["lane"], buckets=_LATENCY, registry=registry
        )
        self._passes = Histogram(
            "rekey_reconcile_seconds", "Time spent on one credential at a time.", buckets=_LATENCY, registry=registry
        )
        self._failures = Counter(
            "rekey_reconcile_failures", "Passes that failed, by the kind of error.", ["error"], registry=registry
        )
        self._requests = Counter(
            "rekey_api_requests", "Requests to the API server (code none: no answer).",
            ["verb", "resource", "code"], registry=registry,
        )  # fmt: skip
        self._asked: dict[tuple[str, str, int], Counter] = {}
        self._events_dropped = Counter(
            "rekey_events_dropped", "Kubernetes Events that were not sent.", ["reason"], registry=registry
        )
        self._keys = Counter(
            "rekey_key_encryption_calls", "Data keys that were wrapped, unwrapped or re-wrapped, by result.",
            ["operation", "result"], registry=registry,
        )  # fmt: skip
        self._deaf = Counter("rekey_watch_failures", "Times that watching had to begin anew.", registry=registry)

    def saved(self, before: Status, after: Status) -> None:
        """Count what a saved status says of a rotation."""
        rotation = before.rotation
        if rotation is not None:
            was = {version.number: version for version in before.versions}
            now = {version.number: version for version in after.versions}
            old, new = was.get(rotation.number), now.get(rotation.number)
            if new is not None and new.rolled_back and not (old and old.rolled_back):
                self._rotations.labels("RolledBack", rotation.cause.value).inc()
            ended = after.rotation is None and new is not None and new.state is State.ACTIVE
            if ended:
                self._rotations.labels("Completed", rotation.cause.value).inc()
            if after.rotation is None or after.rotation.step is not rotation.step:
                took = (self._clock.now() - rotation.started_time).total_seconds()
                self._steps.labels(rotation.step.value).observe(max(0.0, took))
        elif after.rotation is None and before.current_version is None and after.current_version is not None:
            self._rotations.labels("Completed", "FirstIssue").inc()

    def worked(self, lane: Lane, waited: float, seconds: float) -> None:
        """Count one turn of a worker."""
        self._waits.labels(lane.name.lower()).observe(waited)
        self._passes.observe(seconds)

    def failed(self, error: str) -> None:
        """Count a failed turn, by the name of the error's class."""
        self._failures.labels(error).inc()

    def requested(self, verb: str, resource: str, code: int) -> None:
        """Count a request to the API server."""
        asked = (verb, resource, code)
        if asked not in self._asked:
            self._asked[asked] = self._requests.labels(verb, resource, _CODES.get(code, str(code)))
        self._asked[asked].inc()

    def event_dropped(self, reason: str) -> None:
        """Count an Event that was not sent."""
        self._events_dropped.labels(reason).inc()

    def asked_for_keys(self, operation: str, result: str) -> None:
        """Count a call of whoever keeps the keys of data keys; the result is `ok` or the name of the error's class."""
        self._keys.labels(operation, result).inc()

    def deafened(self) -> None:
        """Count a failure of watching."""
        self._deaf.inc()

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)


class Failing(Protocol):
    """Who knows which credentials failed."""

    def retrying(self) -> int:
        """Return how many wait after a failure."""
        ...

    def stuck(self) -> int:
        """Return how many have failed again and again."""
        ...


class Gauges(Collector):
    """What follows from the state of cache and queue."""

    def __init__(self, cache: Cache, queue: Queue, clock: Clock, workers: Failing, per_credential: int) -> None:
        self._cache = cache
        self._queue = queue
        self._clock = clock
        self._workers = workers
        self._per_credential = per_credential

    def describe(self) -> list[Metric]:
        """Return nothing: there is no need to compute all of it at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Compute everything now."""
        yield from self._standings()
        yield from self._queues()
        yield from self._times()

    def _standings(self) -> Iterator[Metric]:
        found = Count(seen.standing for seen in self._cache)
        states = GaugeMetricFamily("rekey_credentials", "Credentials by state.", labels=["state"])
        for standing in Standing:
            states.add_metric([standing.value], found[standing])
        yield states
        troubles = Count(seen.reason for seen in self._cache if seen.standing in (Standing.STALLED, Standing.BLOCKED))
        blocked = GaugeMetricFamily(
            "rekey_credentials_blocked", "Credentials that wait for a person or for pods, by reason.", labels=["reason"]
        )
        for reason, number in sorted(troubles.items()):
            blocked.add_metric([reason], number)
        yield blocked
        now = int(self._clock.now().timestamp())
        oldest = max((now - seen.next for seen in self._cache if 0 < seen.next < now), default=0)
        yield GaugeMetricFamily(
            "rekey_oldest_overdue_seconds", "By how much the most overdue rotation is late.", value=oldest
        )

        ends = min((seen.expires for seen in self._cache if seen.expires), default=inf)
        yield GaugeMetricFamily(
            "rekey_next_expiration_timestamp_seconds", "When the first of all current versions expires.", value=ends
        )

    def _queues(self) -> Iterator[Metric]:
        depth, age = self._queue.depth(), self._queue.oldest()
        depths = GaugeMetricFamily("rekey_queue_depth", "Credentials waiting for a worker.", labels=["lane"])
        ages = GaugeMetricFamily("rekey_queue_oldest_seconds", "How long the first has waited.", labels=["lane"])
        for lane in Lane:
            depths.add_metric([lane.name.lower()], depth[lane])
            ages.add_metric([lane.name.lower()], age[lane])
        yield depths
        yield ages
        yield GaugeMetricFamily(
            "rekey_longest_reconcile_seconds", "The slowest pass at this moment.", value=self._queue.longest_work()
        )
        yield GaugeMetricFamily(
            "rekey_retrying", "Credentials that wait after a failure.", value=self._workers.retrying()
        )
        yield GaugeMetricFamily(
            "rekey_stuck", "Credentials that failed three times in a row or more.", value=self._workers.stuck()
        )

    def _times(self) -> Iterator[Metric]:
        chosen = nsmallest(self._per_credential, self._cache, key=lambda seen: seen.next or seen.last or 2**40)
        for name, text, value in _TIMES:
            family = GaugeMetricFamily(name, text, labels=["namespace", "credential"])
            for seen in chosen:
                if value(seen):
                    family.add_metric(_labels(seen.key), value(seen))
            yield family


def _labels(key: Key) -> tuple[str, str]:
    return key.namespace, key.name


_TIMES: Final[tuple[tuple[str, str, Callable[[Seen], int]], ...]] = (
    ("rekey_next_rotation_timestamp_seconds", "When the next rotation may begin.", lambda seen: seen.next),
    ("rekey_last_rotation_timestamp_seconds", "When the current version became current.", lambda seen: seen.last),
    ("rekey_overlap_end_timestamp_seconds", "Until when the version before is accepted.", lambda seen: seen.overlap),
    ("rekey_expiration_timestamp_seconds", "When the current version expires.", lambda seen: seen.expires),
)
