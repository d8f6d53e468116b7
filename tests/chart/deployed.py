"""A release of the chart whose pods, played by kwok, lend their identity to operators that run as local processes.

1. Each operator has its pod's environment as the chart says, and a token that is bound to that pod: exactly what it
   would have inside. It is never an administrator.
2. There is one release at a time, by one name; what it leaves behind (CRDs, credentials) the next one finds.
"""

import json
import secrets
import ssl
import urllib.error
import urllib.request
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import CHART, SYSTEM, Helm, Manifest, Values
from tests.cluster.handle import Cluster, KubectlFailed
from tests.cluster.waiting import until
from tests.e2e.process import PATIENCE, Operator
from tests.e2e.reader import Reader, folder
from tests.e2e.stage import OPEN, Stage

LEASE = "rekey"
FENCE = "rekey-fence"
APP = "app.kubernetes.io/name=rekey"


@dataclass(frozen=True)
class Replica:
    """One pod of the Deployment, and the operator that has its identity."""

    pod: str
    token: str
    cluster: Cluster
    """The cluster as this pod may use it."""
    operator: Operator

    def refusal(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl as this pod; return what the refusal said, or nothing if there was none."""
        try:
            self.cluster.kubectl(*args, stdin=stdin)
        except KubectlFailed as failed:
            return failed.stderr
        return ""

    def patch_status(self, name: str, patch: list[Manifest], query: str = "") -> str:
        """Patch the status of a credential in `shop`, which kubectl would have to read before; return the refusal."""
        path = f"/apis/rekey.dev/v1alpha1/namespaces/shop/rotatedcredentials/{name}/status{query}"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json-patch+json"}
        body = json.dumps(patch).encode()
        request = urllib.request.Request(f"{self.cluster.server}{path}", body, headers, method="PATCH")  # noqa: S310  ours
        context = ssl.create_default_context(cafile=self.cluster.ca_file)
        try:
            urllib.request.urlopen(request, timeout=30, context=context).close()  # noqa: S310  our own address
        except urllib.error.HTTPError as refused:
            said = json.load(refused)
            return f"{said['reason']}: {said['message']}"
        return ""


class Deployed:
    """A release that is there."""

    def __init__(
        self, helm: Helm, cluster: Cluster, reader: Reader, replicas: list[Replica], leases: list[str]
    ) -> None:
        self.helm, self.cluster, self.reader = helm, cluster, reader
        self.replicas, self.leases = replicas, leases

    @property
    def leader(self) -> Operator:
        """Return the first operator, for tests that need but one."""
        return self.replicas[0].operator

    def stage(self, namespace: str, replica: int = 0) -> Stage:
        """Return the means to act and look in a namespace where one of the operators works."""
        return Stage(self.cluster, self.reader, namespace, self.replicas[replica].operator)

    def fresh(self) -> Stage:
        """Return the same in a new namespace, for tests that leave something behind."""
        name = f"t-{secrets.token_hex(4)}"
        self.cluster.kubectl("create", "namespace", name)
        # No pod can be made before its namespace has a ServiceAccount.
        self.cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        return self.stage(name)

    def hold(self, pod: str, shard: int = 0, namespace: str = "shop") -> None:
        """Write a pod into a Lease, as the one who leads; return when the policies know it in a namespace there."""
        self.write_lease(pod, shard)
        # Policies see the Lease through a cache.
        until(
            lambda: all((FENCE in fenced(one, namespace)) == (one.pod != pod) for one in self.replicas),
            f"the fence to know that {pod or 'nobody'} leads",
            seconds=PATIENCE,
        )

    def holder(self, shard: int = 0) -> str:
        """Return whom a Lease names."""
        found = self.reader.get(f"{folder('leases', SYSTEM)}/{self.leases[shard]}")
        return str((found or {}).get("spec", {}).get("holderIdentity", ""))

    def write_lease(self, pod: str, shard: int = 0) -> None:
        """Write a pod into a Lease; an empty name gives it back."""
        # A second is what a holder leaves behind that gave it back.
        spec = {"holderIdentity": pod, "leaseDurationSeconds": 3600 if pod else 1}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.leases[shard], "namespace": SYSTEM},
            "spec": spec,
        }
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(lease))


def fenced(replica: Replica, namespace: str = "shop") -> str:
    """Return what the API server says to a Secret that only the fence could object to; nothing is made."""
    owner = {"apiVersion": "rekey.dev/v1alpha1", "kind": "RotatedCredential", "name": "x", "uid": "x"}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "tried",
            "labels": {"app.kubernetes.io/managed-by": "rekey"},
            "ownerReferences": [owner | {"controller": True}],
        },
    }
    return replica.refusal("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))


@contextmanager
def deployed(
    helm: Helm, cluster: Cluster, reader: Reader, directory: Path, values: Values | None = None
) -> Iterator[Deployed]:
    """Install the chart and give its pods' operators, not started."""
    given = {"image": {"repository": "nothing"}, **(values or {})}
    arguments = ("--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "2m")
    helm.run("install", "rekey", str(CHART), *arguments, cluster=cluster, values=given)
    try:
        pods = json.loads(cluster.kubectl("-n", SYSTEM, "get", "pods", "-l", APP, "-o", "json"))["items"]
        number = given.get("shards", 1)
        leases = [LEASE] if number == 1 else [f"{LEASE}-{shard}" for shard in range(number)]
        found = Deployed(helm, cluster, reader, [_replica(cluster, pod, directory) for pod in pods], leases)
        OPEN.extend(stages := [found.stage("shop", number) for number in range(len(pods))])
        try:
            _until_policies_work(found, given)
            yield found
        finally:
            for stage in stages:
                OPEN.remove(stage)
                stage.operator.stop()
    finally:
        if helm.run("list", "-n", SYSTEM, "-q", cluster=cluster).strip():
            helm.run("uninstall", "rekey", "-n", SYSTEM, "--wait", cluster=cluster)
        # Helm does not wait for pods; the next release must not take them for its own.
        cluster.kubectl("-n", SYSTEM, "wait", "--for=delete", "pods", "-l", APP, "--timeout=60s")


def _replica(cluster: Cluster, pod: Manifest, directory: Path) -> Replica:
    name = pod["metadata"]["name"]
    home = directory / name
    home.mkdir(parents=True)
    token = token_of(cluster, pod)
    path = home / "kubeconfig"
    path.write_text(yaml.safe_dump(_kubeconfig(cluster, token)))
    operator = Operator(path, [], home, _environment(pod))
    return Replica(name, token, replace(cluster, kubeconfig=path), operator)


def token_of(cluster: Cluster, pod: Manifest) -> str:
    """Return a token as the kubelet would give it to the pod; it says so itself."""
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={name}", f"--bound-object-uid={uid}")
    account = pod["spec"]["serviceAccountName"]
    token = cluster.kubectl("-n", SYSTEM, "create", "token", account, *bound, "--duration=2h").strip()
    claims = token.split(".")[1]
    said: dict[str, Any] = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["kubernetes.io"]["pod"]["name"] == name
    return token


def _environment(pod: Manifest) -> dict[str, str]:
    """Return the variables of the pod's container, with those of the downward API filled in."""
    (container,) = pod["spec"]["containers"]
    fields = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"]["namespace"]}
    return {
        one["name"]: one["value"] if "value" in one else fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
        for one in container["env"]
    }


def _kubeconfig(cluster: Cluster, token: str) -> Manifest:
    where = {"server": cluster.server, "certificate-authority": str(cluster.ca_file)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": where}],
        "users": [{"name": "rekey", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "rekey", "namespace": SYSTEM}}],
        "current-context": "here",
    }


def _until_policies_work(found: Deployed, values: Values) -> None:
    """Wait until the API server goes by the policies: it learns of new ones a moment after they were made.

    The Lease is free at the end: whichever operator comes first takes it.
    """
    on = {"fence": True, "narrow": True, **values.get("policies", {})}
    first = found.replicas[0]
    if on["fence"]:
        found.hold("nobody-we-know")
        found.hold(first.pod)
    if on["narrow"]:
        secret = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tried"}})
        create = ("-n", "shop", "create", "--dry-run=server", "-f", "-")
        until(lambda: "not Rekey's" in first.refusal(*create, stdin=secret), "the narrow policy", seconds=PATIENCE)
    found.write_lease("")
