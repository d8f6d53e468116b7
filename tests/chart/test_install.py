"""The chart on a cluster of its own: the API server takes it, and it comes, changes and goes without a loss."""

import json
from pathlib import Path

import pytest

from tests.chart.deployed import deployed
from tests.chart.helm import CHART, SYSTEM, Helm, of_kind
from tests.chart.test_render import ANCHOR, VALUES
from tests.cluster.handle import Cluster, KubectlFailed
from tests.cluster.waiting import until
from tests.e2e.manifests import consumer, credential, workload
from tests.e2e.reader import Reader
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("chart")]


@pytest.mark.parametrize("name", VALUES)
def test_the_api_server_takes_it(helm: Helm, own_cluster: Cluster, name: str) -> None:
    """Every rendered object passes validation and admission, with all kinds of values."""
    own_cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=helm.template(VALUES[name]))


@pytest.mark.parametrize("name", VALUES)
def test_its_pods_are_restricted(helm: Helm, own_cluster: Cluster, name: str) -> None:
    """A pod of the Deployment is admitted where *restricted* is enforced; one that asks for more is not."""
    (deployment,) = of_kind(helm.objects(VALUES[name]), "Deployment")
    spec = deployment["spec"]["template"]["spec"] | {"serviceAccountName": "default"}
    # Whether a class exists is not the question here.
    spec.pop("priorityClassName", None)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": spec}
    create = ("-n", SYSTEM, "create", "--dry-run=server", "-f", "-")
    own_cluster.kubectl(*create, stdin=json.dumps(pod))
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(KubectlFailed, match="violates PodSecurity"):
        own_cluster.kubectl(*create, stdin=json.dumps(pod))


def test_install_upgrade_uninstall_and_install_again(
    helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path: Path
) -> None:
    """A credential, its Secrets and its consumers pass through all of a release's life; only the operator goes."""
    with deployed(helm, own_cluster, own_reader, tmp_path / "1") as first:
        # Whatever is wrong with an expression the API server notes here; it would refuse all, as policies fail closed.
        until(lambda: _checked(own_cluster), "the policies to be checked", seconds=60)
        assert _warnings(own_cluster) == []
        first.leader.start()
        shop = first.fresh()
        shop.apply(credential("key", consumers=[consumer("app")]), workload("app", "key"))
        shop.until_states("key", {1: "Active"})
        shop.trigger("key")
        shop.until_states("key", {1: "Revoked", 2: "Active"})
        kept = _kept(shop)

        helm.run("upgrade", "rekey", str(CHART), "-n", SYSTEM, cluster=own_cluster, values={"replicas": 3})
        assert _kept(shop) == kept
        first.leader.stop()
        helm.run("uninstall", "rekey", "-n", SYSTEM, "--wait", cluster=own_cluster)
        assert _kept(shop) == kept
        assert (
            own_cluster.kubectl("-n", SYSTEM, "get", "deploy,sa", "-l", "app.kubernetes.io/name=rekey", "-o", "name")
            == ""
        )
        left = own_cluster.kubectl("get", "clusterrole,validatingadmissionpolicy", "-o", "name").split()
        assert [one for one in left if "rekey" in one] == [
            f"validatingadmissionpolicy.admissionregistration.k8s.io/{ANCHOR}"
        ]

    with deployed(helm, own_cluster, own_reader, tmp_path / "2") as second:
        second.leader.start()
        shop = second.stage(shop.namespace)
        shop.trigger("key", "b")
        shop.until_states("key", {1: "Revoked", 2: "Revoked", 3: "Active"})
        assert shop.named("deployments", "app", "key") == "3"


def _kept(shop: Stage) -> list[tuple[str, str, object]]:
    """Return what must not change: uids and contents of the credential, its Secrets and the consumer's template."""
    found = [("credential", shop.get("rotatedcredentials", "key")), ("app", shop.get("deployments", "app"))]
    found += [(name, shop.get("secrets", name)) for name in ("key", "key-v2")]
    assert all(one is not None for _, one in found)
    return [(name, one["metadata"]["uid"], one.get("data", one.get("spec"))) for name, one in found if one]


def _policies(cluster: Cluster) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(cluster.kubectl("get", "validatingadmissionpolicy", "-o", "json"))[
        "items"
    ]
    return found


def _checked(cluster: Cluster) -> bool:
    found = _policies(cluster)
    return bool(found) and all("typeChecking" in json.dumps(one.get("status", {})) for one in found)


def _warnings(cluster: Cluster) -> list[str]:
    return [
        json.dumps(one["status"]) for one in _policies(cluster) if "expressionWarnings" in json.dumps(one["status"])
    ]
