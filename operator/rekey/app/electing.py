"""How an election is put together from the settings: who we are, which Lease, how fast."""

import secrets
import socket
from collections.abc import Callable

from rekey.app.campaign import Campaign
from rekey.app.clock import SystemClock, ticks
from rekey.app.elector import Elector
from rekey.app.lead import Leadership
from rekey.app.leading import Alone
from rekey.app.metrics import Metrics
from rekey.app.metrics_of_leading import LeadGauges
from rekey.app.settings import Settings
from rekey.app.shard_map import ShardMap
from rekey.core.election import Pace
from rekey.kube.config import Access
from rekey.kube.rights import Right, for_lease, for_shards, needed
from rekey.ports.cluster import Clock


def identity(settings: Settings) -> str:
    """Return our name in the Lease; a policy may compare it with the name of the pod that a token is bound to."""
    return settings.identity or f"{socket.gethostname()}-{secrets.token_hex(3)}"


def lease_namespace(settings: Settings, access: Access) -> str:
    """Return where the Lease is."""
    return settings.lease_namespace or access.namespace


def leases(settings: Settings) -> list[str]:
    """Return the names of the Leases: one for each shard."""
    name = settings.lease_name
    return [name] if settings.shards == 1 else [f"{name}-{shard}" for shard in range(settings.shards)]


def pace(settings: Settings) -> Pace:
    """Return how fast the election goes."""
    return Pace(
        duration=settings.lease_duration.total_seconds(),
        deadline=settings.lease_renew_deadline.total_seconds(),
        retry=settings.lease_retry.total_seconds(),
    )


def shard_map(settings: Settings) -> ShardMap | None:
    """Return the map of shards; None: there is only one."""
    return None if settings.shards == 1 else ShardMap(settings.shards, pace(settings), ticks)


def rights(settings: Settings, access: Access) -> tuple[Right, ...]:
    """Return every right that is needed with these settings."""
    work = needed(settings.namespaces)
    if not settings.leader_election:
        return work
    where = lease_namespace(settings, access)
    lease = dict.fromkeys(right for name in leases(settings) for right in for_lease(where, name))
    return (*work, *lease, *(for_shards() if settings.shards > 1 else ()))


def elected(
    settings: Settings,
    access: Access,
    metrics: Metrics,
    clock: Clock,
    silence: Callable[[], float],
    atlas: ShardMap | None,
) -> Leadership | Alone:
    """Return the part of this process in the election, not begun yet; `silence` is the main loop's, in seconds."""
    if not settings.leader_election:
        return Alone(clock)
    me, quick = identity(settings), pace(settings)

    def works() -> bool:
        return silence() < quick.deadline and (atlas is None or atlas.is_settled())

    campaigns = [Campaign(name, me, quick, ticks, works) for name in leases(settings)]
    elector = Elector(access, lease_namespace(settings, access), campaigns, quick, SystemClock(), metrics.requested)
    metrics.registry.register(LeadGauges(campaigns, ticks))
    return Leadership(campaigns, elector, ticks=ticks, clock=clock, atlas=atlas)
