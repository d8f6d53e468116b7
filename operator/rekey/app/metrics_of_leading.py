"""The figures of the election: who leads, how often that changed, how old the last renewal is."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rekey.app.campaign import Campaign


class LeadGauges(Collector):
    """What follows from the campaigns."""

    def __init__(self, campaigns: Sequence[Campaign], ticks: Callable[[], float]) -> None:
        self._campaigns = campaigns
        self._ticks = ticks

    def describe(self) -> list[Metric]:
        """Return nothing: there is no need to compute all of it at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Compute everything now."""
        leads = GaugeMetricFamily("rekey_leader", "1 where this replica acts, 0 where it stands by.", labels=["lease"])
        changes = CounterMetricFamily(
            "rekey_leader_transitions", "How often the Lease has changed hands.", labels=["lease"]
        )
        ages = GaugeMetricFamily(
            "rekey_lease_renewal_age_seconds", "How long ago the leader renewed its Lease.", labels=["lease"]
        )
        for campaign in self._campaigns:
            leading = campaign.leads()
            leads.add_metric([campaign.name], int(leading))
            changes.add_metric([campaign.name], campaign.transitions)
            if leading:
                ages.add_metric([campaign.name], self._ticks() - campaign.renewed)
        yield from (leads, changes, ages)
