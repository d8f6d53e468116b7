"""The counters of a verifier for prometheus-client: `REGISTRY.register(Exported(verifier))`."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rekey_client.verifier import Verifier


class Exported(Collector):
    """Reads the counters when Prometheus asks; a request pays nothing for it."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def collect(self) -> Iterator[Metric]:
        """Give everything as it is now."""
        name = "rekey_client_validations"
        counts = CounterMetricFamily(name, "Validations.", labels=["reason", "credential", "version"])
        for (reason, credential, version), count in self._verifier.counters.by_version().items():
            counts.add_metric([reason, credential, "" if version is None else str(version)], count)
        yield counts
        buckets, seconds = self._verifier.counters.latency()
        latency = HistogramMetricFamily("rekey_client_validation_seconds", "How long a validation takes.")
        latency.add_metric([], buckets, seconds)
        yield latency
        health = self._verifier.health()
        age = "Seconds since the content was last known to be current."
        yield GaugeMetricFamily("rekey_client_staleness_seconds", age, value=health.staleness)
        degraded = "1 while the content cannot be refreshed."
        yield GaugeMetricFamily("rekey_client_degraded", degraded, value=float(health.degraded))
