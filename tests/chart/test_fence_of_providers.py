"""The fence of two shards around the status of providers: one leader writes each, shard 0's those of the cluster."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests import crds
from tests.chart.helm import Helm, Manifest
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("fence-of-providers")]

RELEASE = HOME = "fence-of-providers"
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole", "ClusterRoleBinding")
NAMESPACES = {"fence-orders": {}, "fence-bank": {"rekey.dev/shard": "1"}}
SPEC = {"oauth2": {"tokenUrl": "https://idp.example.com/token", "secretName": "client"}}
WRITERS = {
    "clustercredentialproviders/fence-idp": "pod-0",
    "namespaces/fence-orders/credentialproviders/fence-idp": "pod-0",
    "namespaces/fence-bank/credentialproviders/fence-idp": "pod-1",
}


def listed(items: list[Manifest]) -> str:
    """Return objects as one."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.fixture(scope="module")
def fenced(cluster: Cluster, helm: Helm) -> Iterator[Cluster]:
    """Give the cluster with the chart's policies and rights for two shards, two Leases, and providers."""
    crds.ensure(cluster)
    values = {"shards": 2, "image": {"repository": "nothing"}}
    rendered = helm.objects(values, release=RELEASE, namespace=HOME)
    namespaces: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in {HOME: {}, **NAMESPACES}.items()
    ]
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    leases = [
        {**lease, "metadata": {"name": f"rekey-{n}", "namespace": HOME}, "spec": {"holderIdentity": f"pod-{n}"}}
        for n in range(2)
    ]
    wide = {"kind": "ClusterCredentialProvider", "metadata": {"name": "fence-idp"}}
    own = [{"kind": "CredentialProvider", "metadata": {"name": "fence-idp", "namespace": name}} for name in NAMESPACES]
    providers = [{"apiVersion": "rekey.dev/v1alpha1", "spec": SPEC, **one} for one in (wide, *own)]
    made = [one for one in rendered if one["kind"] in KINDS]
    cluster.kubectl("apply", "-f", "-", stdin=listed([*namespaces, *leases, *providers, *made]))
    try:
        yield cluster
    finally:
        policies = [one for one in made if one["kind"].startswith("Validating")]
        cluster.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=listed(policies))
        others = [one for one in made if one not in policies]
        cluster.kubectl("delete", "-f", "-", "--wait=false", stdin=listed([*others, providers[0], *namespaces]))


def written(cluster: Cluster, path: str, pod: str) -> str:
    """Write the status as a pod of ours; return the refusal, or nothing."""
    account = f"system:serviceaccount:{HOME}:{RELEASE}-rekey"
    headers = {
        "Authorization": f"Bearer {cluster.token}",
        "Content-Type": "application/merge-patch+json",
        "Impersonate-User": account,
        "Impersonate-Extra-authentication.kubernetes.io%2Fpod-name": pod,
    }
    body: dict[str, Any] = {"status": {"rateLimit": {"limit": 1}}}
    url = f"{cluster.server}/apis/rekey.dev/v1alpha1/{path}/status?dryRun=All"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PATCH")  # noqa: S310
    try:
        context = ssl.create_default_context(cafile=cluster.ca_file)
        urllib.request.urlopen(request, timeout=30, context=context).close()  # noqa: S310
    except urllib.error.HTTPError as refused:
        return str(json.load(refused)["message"])
    return ""


@pytest.mark.parametrize("path", WRITERS)
def test_a_status_is_written_by_one_leader(fenced: Cluster, path: str) -> None:
    """The other one, and a pod that leads nowhere, are refused, and nobody else."""
    if not fenced.token:
        pytest.skip("the administrator's login cannot be lent here")
    pods = ("pod-0", "pod-1", "pod-2")

    def judged() -> bool:
        return [pod for pod in pods if not written(fenced, path, pod)] == [WRITERS[path]]

    # Policies and Leases are known to the API server through caches.
    until(judged, f"only {WRITERS[path]} to write {path}", seconds=60)
    assert "fenced: pod pod-2 is not the leader" in written(fenced, path, "pod-2")
