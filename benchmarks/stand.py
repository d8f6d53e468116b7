"""What is measured on: a fresh cluster with our CRD, the operator's account and rights, and a client of our own."""

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import counts
from benchmarks.controller import ROOT, Controller, Place
from benchmarks.counts import Count
from rekey.core import shards
from rekey.kube import rights
from rekey.kube.client import Client
from rekey.kube.config import Access, load
from tests.cluster import choose, ports
from tests.cluster.handle import Cluster
from tests.cluster.options import Options, Ports, User
from tests.cluster.waiting import until

HOME = "rekey-system"
ACCOUNT = f"system:serviceaccount:{HOME}:rekey"
_USER = User(ACCOUNT, ("system:serviceaccounts", "system:serviceaccounts:rekey-system"))
_FOLLOWED = re.compile(
    r'^apiserver_longrunning_requests\{[^}]*resource="rotatedcredentials"[^}]*verb="WATCH"[^}]*\} [1-9]', re.MULTILINE
)


@dataclass
class Stand:
    """One cluster to measure on."""

    cluster: Cluster
    place: Place
    access: Access
    etcd: str
    own: Counter[tuple[str, str]] = field(default_factory=Counter)

    def client(self) -> Client:
        """Return a client with 64 connections whose requests are known to be ours."""
        return Client(self.access, observe=self._observe, limit=65, timeout=60.0)

    def controller(self, profile: Path | None = None, settings: Mapping[str, str] | None = None) -> Controller:
        """Start the operator, with variables of its own."""
        return Controller(self.place, profile, settings)

    def mark(self) -> tuple[Count, Counter[tuple[str, str]]]:
        """Return where the counters of the API server and our own stand."""
        return counts.read(self.cluster.metrics()), self.own.copy()

    def since(self, mark: tuple[Count, Counter[tuple[str, str]]]) -> Count:
        """Return what others have asked since then."""
        return counts.between(mark[0], counts.read(self.cluster.metrics()), self.own - mark[1])

    def pids(self) -> dict[str, int]:
        """Return the processes that serve and ask, but for the operator."""
        servers = ("apiserver", "etcd", "controller-manager", "scheduler")
        noted = {name: (self.cluster.directory / f"{name}.pid").read_text() for name in servers}
        return {"benchmark": os.getpid(), **{name: int(text.split()[0]) for name, text in noted.items()}}

    def _observe(self, verb: str, resource: str, code: int) -> None:
        # Without an answer nobody knows whether it was counted; there is none on a machine that works.
        if code:
            self.own[verb, resource] += 1


@contextmanager
def fresh(spaces: Mapping[str, int | None], *, keep: bool, etcd_args: tuple[str, ...] = ()) -> Iterator[Stand]:
    """Give a cluster that waits for the disk as a real one does; it ends with the block, unless it is kept.

    `spaces` are its namespaces, each with the number of its shard, if it has one.
    """
    directory = Path(tempfile.mkdtemp(prefix="rekey-bench-"))
    at = Ports(*ports.free(len(Ports._fields)))
    options = Options(fsync=True, ports=at, users=(_USER,), with_kwok=False, etcd_args=etcd_args)
    cluster = choose.start(directory, options)
    try:
        yield _furnished(cluster, spaces, f"http://127.0.0.1:{at.etcd}")
    finally:
        if keep:
            print(f"kept: export KUBECONFIG={cluster.kubeconfig}")
        else:
            cluster.stop()
            shutil.rmtree(directory, ignore_errors=True)


def _furnished(cluster: Cluster, spaces: Mapping[str, int | None], etcd: str) -> Stand:
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    until(lambda: _is_established(cluster), "the CRD", seconds=60)
    manifests = [*(_space(name, shard) for name, shard in spaces.items()), *_role()]
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    # Until the garbage collector follows our kind it asks for every owner by name; it looks for new kinds now and then.
    until(lambda: _FOLLOWED.search(cluster.metrics()), "the garbage collector", seconds=90, every=1)
    host, _, port = cluster.server.removeprefix("https://").rpartition(":")
    place = Place(host, port, _account(cluster), cluster.directory / "rekey.log")
    return Stand(cluster, place, load({"KUBECONFIG": str(cluster.kubeconfig)}), etcd)


def _space(name: str, shard: int | None) -> dict[str, Any]:
    labels = {} if shard is None else {shards.LABEL: str(shard)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _is_established(cluster: Cluster) -> bool:
    # Not `kubectl wait`: it fails on a CRD that is so new that it has no conditions.
    found = json.loads(cluster.kubectl("get", "crd", "rotatedcredentials.rekey.dev", "-o", "json"))
    held = found.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in held)


def _role() -> list[dict[str, Any]]:
    """Return exactly the rights that Rekey says it needs, as a role and its binding."""
    rules = [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
        for right in (*rights.needed(()), *rights.for_lease(HOME, ""), *rights.for_shards())
    ]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "rekey"}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "rekey"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "rekey"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": ACCOUNT}],
    }
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    return [home, role, binding]


def _account(cluster: Cluster) -> Path:
    """Write the files that a kubelet would put into the operator's pod."""
    folder = cluster.directory / "account"
    folder.mkdir()
    lines = (cluster.directory / "tokens.csv").read_text().splitlines()
    token = next(line.partition(",")[0] for line in lines if ACCOUNT in line)
    (folder / "token").write_text(token)
    (folder / "namespace").write_text(HOME)
    (folder / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    return folder
