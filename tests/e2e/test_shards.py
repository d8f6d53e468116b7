"""Four shards in four processes: each its own, taken over when one dies, and namespaces that move between them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.history import Recorder, recording
from tests.e2e.manifests import Manifest
from tests.e2e.process import PATIENCE, Operator
from tests.e2e.reader import Reader, folder, reading
from tests.e2e.replicas import Replica, at_rest, judge, population

pytestmark = pytest.mark.kube

LABEL = "rekey.dev/shard"
# Longer than elsewhere: four processes at once have little time each.
LEASE = {"REKEY_LEASE_DURATION": "6s", "REKEY_LEASE_RENEW_DEADLINE": "4s", "REKEY_LEASE_RETRY": "1s"}
SHARDS = 4
FEW, MANY = 8, 25
"""Credentials in each of eight namespaces."""
LONG = 4 * PATIENCE


class Town:
    """Eight namespaces, two in each shard, and whoever works there."""

    def __init__(self, cluster: Cluster, reader: Reader, directory: Path, each: int) -> None:
        self.cluster, self.reader, self.each = cluster, reader, each
        self.names = [f"c{place:03}" for place in range(each)]
        self.shards = {f"town-{place}": place % SHARDS for place in range(8)}
        settings = {**LEASE, "REKEY_SHARDS": str(SHARDS), "REKEY_LEASE_NAMESPACE": "default"}
        operator = Operator(cluster.kubeconfig, [], directory, settings)
        self.replicas = [Replica(name := f"replica-{place}", operator.another(name)) for place in range(SHARDS)]
        self.version = 1

    def build(self) -> None:
        """Make namespaces and credentials."""
        for name, shard in self.shards.items():
            self.cluster.kubectl("create", "namespace", name)
            if shard:
                self.cluster.kubectl("label", "namespace", name, f"{LABEL}={shard}")
            account = f"{folder('serviceaccounts', name)}/default"
            until(partial(self.reader.get, account), account, seconds=PATIENCE)
            items = {"apiVersion": "v1", "kind": "List", "items": population(self.each, consumed=self.each // 2)}
            self.cluster.apply(json.dumps(items), name)

    def credentials(self) -> list[Manifest]:
        """Return all credentials."""
        return list(self.reader.get("/apis/rekey.dev/v1alpha1/rotatedcredentials")["items"])

    def holders(self) -> list[str]:
        """Return who has the Lease of each shard."""
        found = {one["metadata"]["name"]: one["spec"] for one in self.reader.get(folder("leases", "default"))["items"]}
        return [found.get(f"rekey-{shard}", {}).get("holderIdentity", "") for shard in range(SHARDS)]

    def is_shared(self, replicas: list[Replica]) -> bool:
        """Tell whether these, and no others, have the shards, about as many each."""
        loads = Counter(self.holders())
        wanted = {one.identity for one in replicas}
        return set(loads) == wanted and max(loads.values()) - min(loads.values()) <= 1

    def rotate(self) -> None:
        """Ask for the next rotation of all."""
        self.version += 1
        patch = json.dumps({"spec": {"rotation": {"trigger": f"to-{self.version}"}}})
        for name in self.shards:
            self.cluster.kubectl("-n", name, "patch", "rcred", *self.names, "--type=merge", "-p", patch)

    def has_rotated(self) -> bool:
        """Tell whether all have come as far as they were asked to, and carry the number of their namespace's shard."""
        every = self.credentials()
        return len(every) == self.each * len(self.shards) and all(
            at_rest(one, self.version) and one["metadata"].get("labels", {}).get(LABEL) == str(self._shard(one))
            for one in every
        )

    def _shard(self, one: Manifest) -> int:
        return self.shards[one["metadata"]["namespace"]]

    def move(self, name: str, shard: int) -> None:
        """Put a namespace into another shard."""
        self.shards[name] = shard
        self.cluster.kubectl("label", "namespace", name, "--overwrite", f"{LABEL}={shard}")

    def known(self, replicas: list[Replica]) -> list[int]:
        """Return how many credentials each replica keeps."""
        texts = [one.operator.metrics() for one in replicas]
        lines = [line for text in texts for line in text.splitlines() if line.startswith("rekey_credentials{")]
        assert len(lines) % len(replicas) == 0
        per = len(lines) // len(replicas)
        counts = [int(float(line.rpartition(" ")[2])) for line in lines]
        return [sum(counts[place : place + per]) for place in range(0, len(counts), per)]

    def until(self, look: Callable[[], object], what: str) -> None:
        """Wait until it is so."""
        until(look, what, seconds=LONG, every=0.5)


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def town(request: pytest.FixtureRequest, own_cluster: Cluster, tmp_path: Path) -> Iterator[Town]:
    """Give the town; whoever works there ends with the test."""
    with reading(own_cluster) as reader:
        found = Town(own_cluster, reader, tmp_path, request.param)
        found.build()
        try:
            yield found
        finally:
            for one in found.replicas:
                one.kill()


def recorded(town: Town, stack: ExitStack) -> dict[str, Recorder]:
    """Write down what happens in every namespace."""
    return {name: stack.enter_context(recording(town.reader, name)) for name in town.shards}


@pytest.mark.timeout(1500)
def test_four_shards_in_four_processes(
    town: Town, stack: ExitStack, record_property: Callable[[str, object], None]
) -> None:
    """Replicas come, one dies, a namespace moves; all credentials rotate meanwhile, each version made once."""
    records = recorded(town, stack)
    first, *others = town.replicas
    first.launch()
    town.until(lambda: town.is_shared([first]), "one replica to have all shards")
    town.until(town.has_rotated, "the first versions")
    for one in others:
        one.launch()
    town.rotate()
    town.until(lambda: town.is_shared(town.replicas), "each replica to have a shard")
    town.until(town.has_rotated, "a rotation while shards are handed over")
    assert sum(one.operator.said("the Lease is handed over") for one in town.replicas) >= SHARDS - 1
    town.until(lambda: town.known(town.replicas) == [2 * town.each] * SHARDS, "each replica to know its own only")

    town.rotate()
    others[0].kill()
    town.until(lambda: town.is_shared([first, *others[1:]]), "the others to take over")
    town.until(town.has_rotated, "a rotation in which one replica died")

    town.move("town-1", 2)
    town.move("town-4", 3)
    town.rotate()
    town.until(town.has_rotated, "a rotation while namespaces move")
    alive = [first, *others[1:]]
    town.until(lambda: sum(town.known(alive)) == town.each * len(town.shards), "every credential to be known to one")

    broken = [line for one in records.values() for line in judge(one.history(), town.names, town.version)]
    assert broken == []
    assert [one.operator.faults() for one in alive] == [[]] * len(alive)
    rotations = town.each * len(town.shards) * (town.version - 1)
    record_property(
        "shards", f"{rotations} rotations over {SHARDS} shards in {SHARDS} processes, 0 versions made twice"
    )
