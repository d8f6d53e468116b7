"""Releases of their own: without a fence, and with a namespace that is deleted under the operator's feet."""

from pathlib import Path

import pytest

from tests.chart.deployed import Deployed, deployed
from tests.chart.helm import Helm
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.manifests import credential
from tests.e2e.reader import Reader

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("chart")]


def test_without_a_fence_it_works_and_says_so(
    helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path: Path
) -> None:
    """What is missing is named, in the log and in the condition, and the metric is there to alert on."""
    with deployed(helm, own_cluster, own_reader, tmp_path, {"policies": {"fence": False}}) as release:
        release.leader.start()
        bank = release.stage("bank")
        bank.apply(credential("open"))
        bank.until_states("open", {1: "Active"})
        bank.trigger("open")
        message = bank.until_condition("open", "Fenced", "False", "NoPolicy")
        assert "there is no ValidatingAdmissionPolicy rekey-fence" in message
        assert "rekey_fenced 0.0" in release.leader.metrics()
        (line,) = [line for line in release.leader.lines() if line["message"] == "not fenced"]
        assert line["message_text"] == message


@pytest.mark.parametrize("listed", [False, True], ids=["all namespaces", "a list of namespaces"])
def test_a_namespace_is_deleted_in_the_middle_of_a_rotation(
    helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path: Path, *, listed: bool
) -> None:
    """It is gone within six minutes, and the log tells what was left of each credential."""
    name = "doomed-listed" if listed else "doomed"
    own_cluster.kubectl("create", "namespace", name)
    values = {"namespaces": [name, "shop"]} if listed else {}
    with deployed(helm, own_cluster, own_reader, tmp_path, values) as release:
        release.leader.start()
        stage = release.stage(name)
        stage.apply(credential("key", overlap={"duration": "1h"}), credential("other", deletionPolicy="Revoke"))
        stage.until_states("key", {1: "Active"})
        stage.trigger("key")
        stage.until(lambda: stage.states("key") == {1: "Retiring", 2: "Active"}, "the overlap")
        own_cluster.kubectl("delete", "namespace", name, "--wait=false")
        until(lambda: _gone(own_cluster, name), f"namespace {name} to be gone", seconds=360, every=1)
        ends = until(lambda: _ends(release, name), "the log to tell", seconds=60)
        assert ends["key"] == "left behind, owned by nobody: key, key-v1, key-v2"
        assert ends["other"]


def _gone(cluster: Cluster, name: str) -> bool:
    return not cluster.kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name").strip()


def _ends(release: Deployed, namespace: str) -> dict[str, str]:
    """Return what the log says about the ends of both credentials there, nothing before it says it of both."""
    lines = [line for line in release.leader.lines() if line["message"] == "the credential was deleted"]
    there = [(line["credential"].partition("/"), line["message_text"]) for line in lines]
    found = {name: text for (where, _, name), text in there if where == namespace}
    return found if len(found) == 2 else {}
