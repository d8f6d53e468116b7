"""How an election is put together from the settings: who we are, which Lease, how fast."""

import secrets
import socket
from collections.abc import Callable

from rekey.app.campaign import Campaign
from rekey.app.clock import SystemClock, ticks
from rekey.app.elector import Elector
from rekey.app.lead import Alone, Leadership
from rekey.app.metrics import Metrics
from rekey.app.metrics_of_leading import LeadGauges
from rekey.app.settings import Settings
from rekey.core.election import Pace
from rekey.kube.config import Access
from rekey.kube.rights import Right, for_lease, needed


def identity(settings: Settings) -> str:
    """Return our name in the Lease; a policy may compare it with the name of the pod that a token is bound to."""
    return settings.identity or f"{socket.gethostname()}-{secrets.token_hex(3)}"


def lease_namespace(settings: Settings, access: Access) -> str:
    """Return where the Lease is."""
    return settings.lease_namespace or access.namespace


def rights(settings: Settings, access: Access) -> tuple[Right, ...]:
    """Return every right that is needed with these settings."""
    work = needed(settings.namespaces)
    if not settings.leader_election:
        return work
    return (*work, *for_lease(lease_namespace(settings, access), settings.lease_name))


def elected(settings: Settings, access: Access, metrics: Metrics, silence: Callable[[], float]) -> Leadership | Alone:
    """Return the part of this process in the election, not begun yet; `silence` is the main loop's, in seconds."""
    if not settings.leader_election:
        return Alone(SystemClock().now())
    pace = Pace(
        duration=settings.lease_duration.total_seconds(),
        deadline=settings.lease_renew_deadline.total_seconds(),
        retry=settings.lease_retry.total_seconds(),
    )
    campaign = Campaign(settings.lease_name, identity(settings), pace, ticks, alive=lambda: silence() < pace.deadline)
    elector = Elector(access, lease_namespace(settings, access), [campaign], pace, SystemClock(), metrics.requested)
    metrics.registry.register(LeadGauges([campaign], ticks))
    return Leadership(campaign, elector, ticks, SystemClock())
