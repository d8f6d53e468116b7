"""One connection to a cluster: the client, and every port that works over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rekey.kube.client import Client, Observe
from rekey.kube.config import Access
from rekey.kube.credentials import KubeCredentials, Parser
from rekey.kube.events import Drop, KubeAnnouncer
from rekey.kube.pods import KubePods
from rekey.kube.secrets import KubeSecrets
from rekey.kube.workloads import KubeWorkloads
from rekey.ports.backend import Backends
from rekey.ports.cluster import Clock, Ports
from rekey.ports.key_encryption import KeyEncryption
from rekey.ports.lead import Lead
from rekey.ports.meter import Meter
from rekey.ports.prober import Prober


@asynccontextmanager
async def connected(  # noqa: PLR0913  what the parts take
    access: Access,
    clock: Clock,
    parser: Parser,
    *,
    instance: str,
    observe: Observe,
    dropped: Drop,
    prober: Prober,
    meter: Meter,
    backends: Callable[[Client], Backends],
    keys: Callable[[Client], KeyEncryption],
    lead: Lead | None = None,
) -> AsyncIterator[tuple[Client, Ports]]:
    """Give the client and the ports; Events that wait at the end are still sent, for a few seconds.

    `instance` is the name of this process in Events (the pod's); who leads is asked before every write, if anybody is
    named. Must be entered in the loop that uses it.
    """
    async with (
        Client(access, observe=observe, lead=lead) as client,
        KubeAnnouncer(client, clock, instance, dropped) as announcer,
    ):
        ports = Ports(
            clock=clock,
            credentials=KubeCredentials(client, parser),
            secrets=KubeSecrets(client),
            workloads=KubeWorkloads(client),
            pods=KubePods(client),
            announcer=announcer,
            prober=prober,
            meter=meter,
            backends=backends(client),
            keys=keys(client),
        )
        yield client, ports
