"""The operator at work with exactly the chart's rights, identity and policies: whatever it does needs no more."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.deployed import deployed
from tests.chart.helm import Helm
from tests.cluster.handle import Cluster
from tests.e2e.manifests import BAD_VERSION, consumer, credential, workload
from tests.e2e.reader import Reader
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("chart")]


@pytest.fixture(scope="module")
def shop(
    helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Give a namespace where the leader is at work, and looks at its Secrets all the time."""
    values = {"settings": {"driftInterval": "1s"}}
    with deployed(helm, own_cluster, own_reader, tmp_path_factory.mktemp("release"), values) as release:
        release.leader.start()
        yield release.stage("shop")
        assert release.leader.faults() == []


def test_a_rotation_with_all_kinds_of_consumers(shop: Stage) -> None:
    """Every consumer moves once, and the old version goes."""
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    consumers = [consumer(f"all-{kind.lower()}", kind) for kind in kinds]
    shop.apply(
        credential("all", consumers=consumers), *(workload(f"all-{kind.lower()}", "all", kind=kind) for kind in kinds)
    )
    shop.until_states("all", {1: "Active"})
    shop.trigger("all")
    shop.until_states("all", {1: "Revoked", 2: "Active"})
    assert {shop.named(f"{kind.lower()}s", f"all-{kind.lower()}", "all") for kind in kinds} == {"2"}


def test_a_rollback(shop: Stage) -> None:
    """A version that makes pods fail is taken back and discarded."""
    app = workload("back", "back", notes={BAD_VERSION: "back=2"})
    shop.apply(credential("back", consumers=[consumer("back")], rollout={"progressDeadline": "5s"}), app)
    shop.until_states("back", {1: "Active"})
    shop.until_old("back")
    before = shop.held("back")["token"]
    shop.trigger("back")
    shop.until_states("back", {1: "Active", 2: "Discarded"})
    assert shop.held("back")["token"] == before


def test_drift_is_repaired(shop: Stage) -> None:
    """A bundle that somebody edited, and one that lost owner and label, say again what they should."""
    shop.apply(credential("drift"))
    shop.until_states("drift", {1: "Active"})
    before = shop.held("drift")
    edits: list[dict[str, Any]] = [
        {"data": {"token": "c3RvbGVu"}},
        {"metadata": {"ownerReferences": None, "labels": None}},
    ]
    for edit in edits:
        shop.patch("secret", "drift", edit)
        shop.until(lambda: _restored(shop, before), "the bundle to be restored")


def _restored(shop: Stage, before: dict[str, bytes]) -> bool:
    found = shop.get("secrets", "drift")
    return (
        found is not None
        and shop.held("drift") == before
        and bool(found["metadata"].get("ownerReferences"))
        and "app.kubernetes.io/managed-by" in (found["metadata"].get("labels") or {})
    )


def test_adoption(shop: Stage) -> None:
    """An unowned Secret is taken over, value and all, by the two writes that the policy knows."""
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "found"}, "stringData": {"token": "by-hand"}}
    shop.apply(theirs, credential("found", target={"adopt": "Unowned"}))
    shop.until_states("found", {1: "Active"})
    assert shop.held("found")["token"] == b"by-hand"


@pytest.mark.parametrize("policy", ["Retain", "Revoke"])
def test_a_deletion(shop: Stage, policy: str) -> None:
    """The credential goes; its Secrets stay and are nobody's, or go with it."""
    name = f"end-{policy.lower()}"
    shop.apply(credential(name, deletionPolicy=policy))
    shop.until_states(name, {1: "Active"})
    shop.kubectl("delete", "rcred", name, "--timeout=60s")
    found = [shop.get("secrets", one) for one in (name, f"{name}-v1")]
    if policy == "Revoke":
        assert found == [None, None]
    else:
        assert all(one is not None and "ownerReferences" not in one["metadata"] for one in found)


def test_it_says_that_it_is_fenced(shop: Stage) -> None:
    """Log, metric and condition tell that the API server holds a former leader back."""
    shop.apply(credential("told"))
    shop.until_states("told", {1: "Active"})
    shop.trigger("told")
    shop.until_condition("told", "Fenced", "True", "Enforced")
    assert any(line["message"].startswith("fenced: ") for line in shop.operator.lines())
    assert "rekey_fenced 1.0" in shop.operator.metrics()
