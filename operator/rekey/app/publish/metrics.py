"""The figures of `rekey publish` at /metrics; no label holds a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rekey.app.publish.shelf import Shelf


class Metrics:
    """What is counted as it happens."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "rekey_publish_requests", "Requests answered, by document and status.", ["document", "code"],
            registry=registry,
        )  # fmt: skip
        self._comparisons = Counter(
            "rekey_publish_comparisons", "Times that what is served was compared with a new list.", registry=registry
        )
        self._differences = Counter(
            "rekey_publish_differences", "Credentials that were not served as they should be.", registry=registry
        )

    def answered(self, document: str, code: int) -> None:
        """Count a request."""
        self._requests.labels(document, str(code)).inc()

    def compared(self, differences: int) -> None:
        """Count a comparison, and what it found."""
        self._comparisons.inc()
        self._differences.inc(differences)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)


class Gauges(Collector):
    """What follows from the shelf and the certificate (`expiry`: seconds since 1970; None: there is none)."""

    def __init__(self, shelf: Shelf, expiry: Callable[[], float | None]) -> None:
        self._shelf = shelf
        self._expiry = expiry

    def describe(self) -> list[Metric]:
        """Return nothing: there is no need to compute all of it at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Compute everything now."""
        every = self._shelf.all()
        yield GaugeMetricFamily("rekey_published_credentials", "Credentials that are published.", value=len(every))
        gaps = sum(len(one.gaps) for one in every)
        yield GaugeMetricFamily("rekey_published_gaps", "Accepted keys that cannot be published.", value=gaps)
        if self._shelf.is_full:
            age = self._shelf.age
            yield GaugeMetricFamily(
                "rekey_publish_as_of_timestamp_seconds", "When what is served was last known to be so.",
                value=age.as_of.timestamp(),
            )  # fmt: skip
            yield GaugeMetricFamily(
                "rekey_publish_stale", "1 while what is served is marked as stale.", value=age.stale
            )
        if (expiry := self._expiry()) is not None:
            yield GaugeMetricFamily(
                "rekey_publish_certificate_expiry_timestamp_seconds", "When the serving certificate ends.", value=expiry
            )
