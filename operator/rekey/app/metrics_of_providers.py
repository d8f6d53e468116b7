"""The figures about providers: how they are, and what backends say of their own limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from heapq import nsmallest
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rekey.core.provider_health import Health, Provider
from rekey.core.rate import Rate
from rekey.core.reasons import ProviderWhy

MOST: Final = 100
"""Providers that have time series of their own: those with the least left."""


class ProviderGauges(Collector):
    """What was last heard of each provider."""

    def __init__(self, known: Mapping[str, tuple[Provider, Health]]) -> None:
        self._known = known

    def describe(self) -> list[Metric]:
        """Return nothing: there is no need to compute all of it at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Compute everything now."""
        found = Counter(health.why for _, health in self._known.values())
        reasons = GaugeMetricFamily("rekey_providers", "Providers that were used, by how they are.", labels=["reason"])
        for why in ProviderWhy:
            reasons.add_metric([why], found[why])
        yield reasons
        told = [(provider, health.rate) for provider, health in self._known.values() if health.rate is not None]
        chosen = nsmallest(MOST, told, key=lambda one: _left(one[1]))
        for name, text, value in _FIGURES:
            family = GaugeMetricFamily(f"rekey_provider_{name}", text, labels=["namespace", "provider"])
            for provider, rate in chosen:
                if (figure := value(rate)) is not None:
                    family.add_metric([provider.namespace, provider.name], figure)
            yield family


def _left(rate: Rate) -> float:
    return 1.0 if rate.remaining is None else rate.remaining / max(rate.limit or rate.remaining, 1)


_FIGURES: Final[tuple[tuple[str, str, Callable[[Rate], float | None]], ...]] = (
    ("limit", "How many requests the backend allows in one period.", lambda rate: rate.limit),
    ("remaining", "How many of these are left.", lambda rate: rate.remaining),
    (
        "reset_timestamp_seconds",
        "When the next period begins.",
        lambda rate: rate.reset.timestamp() if rate.reset is not None else None,
    ),
)
