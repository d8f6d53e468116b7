"""How what is sealed is put together from the settings: the ring, which stands beside the Lease, and its upkeep."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from rekey.app.electing import lease_namespace
from rekey.app.metrics import Metrics
from rekey.app.ring_upkeep import KeptRings, Upkeep
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
from rekey.providers.backends import DeclaredBackends
from rekey.providers.http.allowed import Allowed
from rekey.providers.keyring.ring import Keyring

ENVIRONMENT = ""
"""The scope of all values: tenants have no rings of their own yet."""


@dataclass
class Keys:
    """Who keeps the keys; `backends`: what is declared, for whoever asks for no credential."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    backends: Callable[[Client], DeclaredBackends]
    _ring: KeptRings | None = field(default=None, init=False)

    def counted(self, client: Client) -> KeyEncryption:
        """Return who keeps the keys, counted."""
        return Counted(self._kept(client), self.metrics.asked_for_keys)

    def upkeep(self, client: Client, lead: Lead) -> Upkeep:
        """Return who looks after the ring."""
        settings, ring, home = self.settings, self._kept(client), lease_namespace(self.settings, client.access)
        sealing = Sealing(self.counted(client), ENVIRONMENT)
        records = KubeRecords(client, settings.namespaces, lead)
        return Upkeep(
            ring=ring,
            rotation=RingRotation(ENVIRONMENT, ring, sealing, records, self.clock, settings.key_retention),
            events=RingEvents(client, self.clock, socket.gethostname(), home, ring.name(ENVIRONMENT)),
            lead=lead,
            home=home,
            interval=settings.key_rotation_interval,
            sharded=settings.shards > 1,
            outside=bool(settings.transit_provider),
        )

    def _kept(self, client: Client) -> KeptRings:
        """Return the ring, always the same one: whoever shares the Lease shares it."""
        if self._ring is None:
            settings, home = self.settings, lease_namespace(self.settings, client.access)
            ring = Keyring(KubeSecrets(client), self.clock, home, f"{settings.lease_name}-keyring")
            self._ring = self._outside(client, ring) if settings.transit_provider else ring
        return self._ring

    def _outside(self, client: Client, ring: Keyring) -> KeptRings:
        from rekey.app.transit import TransitReach  # noqa: PLC0415  few operators have it, and hvac is large
        from rekey.providers.keyring.outside import OutsideRing  # noqa: PLC0415  as above
        from rekey.providers.vault.transit import TransitKeys  # noqa: PLC0415  as above

        settings, allowed, home = self.settings, Allowed(self.settings.probe_allowed), client.access.namespace
        where = (home, settings.transit_provider)
        reach = TransitReach(self.backends(client), client, self.clock, allowed, *where, shards=settings.shards)
        return OutsideRing(TransitKeys(reach, settings.transit_mount, settings.transit_key), ring, self.clock)
