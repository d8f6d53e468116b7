"""Two shards in two processes: the ring is one's alone to make and rotate, and the other wraps anew what is its own."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.process import PATIENCE, Operator
from tests.e2e.reader import Reader, folder, reading
from tests.e2e.replicas import Replica
from tests.e2e.test_oauth2 import SETTINGS, consent, declared, django, token
from tests.providers.test_oauth2_real import Django

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.xdist_group("oauth2")]
__all__ = ["django"]

LEASE = {"REKEY_LEASE_DURATION": "6s", "REKEY_LEASE_RENEW_DEADLINE": "4s", "REKEY_LEASE_RETRY": "1s"}
LONG = 4 * PATIENCE
RING = "/api/v1/namespaces/default/secrets/rekey-keyring"


class Pair:
    """Two replicas with a shard each: the ring's namespace is in one, `far` in the other."""

    def __init__(self, cluster: Cluster, reader: Reader, directory: Path) -> None:
        self.cluster, self.reader = cluster, reader
        settings = {**SETTINGS, **LEASE, "REKEY_SHARDS": "2", "REKEY_LEASE_NAMESPACE": "default"}
        operator = Operator(cluster.kubeconfig, [], directory, settings)
        self.replicas = [Replica(name := f"replica-{place}", operator.another(name)) for place in range(2)]

    def holders(self) -> list[str]:
        """Return who has the Lease of each shard."""
        found = {one["metadata"]["name"]: one["spec"] for one in self.reader.get(folder("leases", "default"))["items"]}
        return [found.get(f"rekey-{shard}", {}).get("holderIdentity", "") for shard in range(2)]

    def metrics(self, shard: int) -> str:
        """Return what the process of a shard counted."""
        holder = self.holders()[shard]
        return next(one for one in self.replicas if one.identity == holder).operator.metrics()

    def get(self, resource: str, name: str) -> dict[str, Any]:
        """Return an object of the far namespace."""
        found: dict[str, Any] | None = self.reader.get(f"{folder(resource, 'far')}/{name}")
        return found or {}

    def is_active(self, number: int) -> bool:
        """Tell whether the token has come so far."""
        return bool(self.get("rotatedcredentials", "person").get("status", {}).get("currentVersion") == number)

    def sealed(self, number: int) -> list[str]:
        """Return the parts of what is sealed of a version."""
        notes = self.get("secrets", f"person-v{number}")["metadata"]["annotations"]
        return str(notes["rekey.dev/sealed"]).split(".")

    def until(self, look: Any, what: str) -> None:
        """Wait until it is so."""
        until(look, what, seconds=LONG, every=0.5)


@pytest.fixture
def pair(own_cluster: Cluster, django: Django, tmp_path: Path) -> Iterator[Pair]:
    """Give the two at work, and a person's consent in the far namespace."""
    with reading(own_cluster) as reader:
        found = Pair(own_cluster, reader, tmp_path)
        own_cluster.kubectl("create", "namespace", "far")
        own_cluster.kubectl("label", "namespace", "far", "rekey.dev/shard=1")
        until(partial(reader.get, f"{folder('serviceaccounts', 'far')}/default"), "the namespace", seconds=PATIENCE)
        items = {"apiVersion": "v1", "kind": "List", "items": [*declared(django), consent(django)]}
        own_cluster.apply(json.dumps(items), "far")
        try:
            for one in found.replicas:
                one.launch()
            found.until(lambda: "" not in (held := found.holders()) and len(set(held)) == 2, "a shard for each")
            yield found
        finally:
            for one in found.replicas:
                one.kill()


def test_who_leads_elsewhere_uses_the_ring_and_leaves_it_alone(pair: Pair) -> None:
    """It is there for the first value of another shard; that shard's leader wraps it anew, and nobody else does."""
    pair.cluster.apply(json.dumps(token("person", grantSecretName="consent")), "far")
    pair.until(lambda: pair.is_active(1), "a token")
    before = pair.sealed(1)
    notes = ["rekey.dev/rotate=first", "rekey.dev/rotate-by=ann"]
    pair.cluster.kubectl("-n", "default", "annotate", "secret", "rekey-keyring", *notes)
    pair.until(lambda: pair.sealed(1)[1] != before[1], "another wrap")
    assert pair.sealed(1)[3:] == before[3:]
    said = json.loads(pair.reader.get(RING)["metadata"]["annotations"]["rekey.dev/keyring"])
    assert [one["did"] for one in said["history"]] == ["Created", "Rotated"]
    assert 'operation="rewrap"' in pair.metrics(1)
    assert 'operation="rewrap"' not in pair.metrics(0)
    assert all(one.operator.faults() == [] for one in pair.replicas)
