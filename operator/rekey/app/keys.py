"""How what is sealed is put together from the settings: the ring, which stands beside the Lease, and its upkeep."""

from __future__ import annotations

import socket

from rekey.app.electing import lease_namespace
from rekey.app.metrics import Metrics
from rekey.app.ring_upkeep import Upkeep
from rekey.app.settings import Settings
from rekey.engine.counting import Counted
from rekey.engine.ring_rotation import RingRotation
from rekey.engine.sealing import Sealing
from rekey.kube.client import Client
from rekey.kube.ring_events import RingEvents
from rekey.kube.sealed import KubeRecords
from rekey.kube.secrets import KubeSecrets
from rekey.ports.cluster import Clock
from rekey.ports.key_encryption import KeyEncryption
from rekey.ports.lead import Lead
from rekey.providers.keyring.ring import Keyring

ENVIRONMENT = ""
"""The scope of all values: tenants have no rings of their own yet."""


def ring(settings: Settings, client: Client, clock: Clock) -> Keyring:
    """Return the ring; whoever shares the Lease shares it."""
    home = lease_namespace(settings, client.access)
    return Keyring(KubeSecrets(client), clock, home, f"{settings.lease_name}-keyring")


def kept(settings: Settings, clock: Clock, metrics: Metrics, client: Client) -> KeyEncryption:
    """Return who keeps the keys, counted."""
    return Counted(ring(settings, client, clock), metrics.asked_for_keys)


def upkeep(settings: Settings, client: Client, clock: Clock, metrics: Metrics, lead: Lead) -> Upkeep:
    """Return who looks after the ring."""
    keyring, home = ring(settings, client, clock), lease_namespace(settings, client.access)
    sealing = Sealing(Counted(keyring, metrics.asked_for_keys), ENVIRONMENT)
    records = KubeRecords(client, settings.namespaces, lead)
    return Upkeep(
        keyring=keyring,
        rotation=RingRotation(ENVIRONMENT, keyring, sealing, records, clock, settings.key_retention),
        events=RingEvents(client, clock, socket.gethostname(), home, keyring.name(ENVIRONMENT)),
        lead=lead,
        home=home,
        interval=settings.key_rotation_interval,
        sharded=settings.shards > 1,
    )
