"""The kit by files that a real kubelet writes: ten rotations by the clock, nothing is restarted, nobody is refused."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.handle import Cluster
from tests.cluster.node import STATE
from tests.e2e.callers import GENERATES, both_sides, calling, told
from tests.e2e.conftest import prepare
from tests.e2e.manifests import Manifest
from tests.e2e.reader import reading
from tests.e2e.stage import Stage, opened

pytestmark = [pytest.mark.kube, pytest.mark.node, pytest.mark.slow, pytest.mark.timeout(2400)]

ROTATIONS = 10
# The node renews volumes every 10 to 15 s (syncFrequency, and the kubelet's own jitter), not every 60 to 90.
SETTINGS = {"REKEY_KUBELET_CACHE_LAG": "5s", "REKEY_KUBELET_PROPAGATION": "25s"}
OVERLAP = {"duration": "5s", "propagation": "25s"}
INTERVAL = "65s"


def reader(secrets: list[str]) -> Manifest:
    """Return a pod that mounts the Secrets; whoever calls and checks reads its folders from outside."""
    container = {
        "name": "idle",
        "image": images.READER,
        "command": ["python3", "-c", "import signal; signal.pause()"],
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in secrets],
    }
    volumes = [{"name": name, "secret": {"secretName": name}} for name in secrets]
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    metadata = {"name": "reader", "labels": {"app": "reader"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def volume(pod: Manifest, name: str) -> Path:
    """Return the folder that the kubelet keeps for a Secret of a pod."""
    folder = (
        STATE / "node" / "kubelet" / "pods" / str(pod["metadata"]["uid"]) / "volumes" / "kubernetes.io~secret" / name
    )
    assert (folder / "..data").exists(), f"the kubelet has no {folder}"
    return folder


def have_rotated(stage: Stage) -> bool:
    """Tell whether every credential has come to its last version."""
    return all(stage.status(kind).get("currentVersion", 0) > ROTATIONS for kind in GENERATES)


def test_rotations_by_the_clock_restart_nothing(
    node_cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Tokens and JWTs, by an interval: the service counts accepted requests and nothing else."""
    with ExitStack() as stack:
        source = stack.enter_context(reading(prepare(node_cluster)))
        stage = stack.enter_context(opened(node_cluster, source, tmp_path, SETTINGS))
        stage.operator.start()
        stage.apply(*(both_sides(kind, overlap=OVERLAP, rotation={"interval": INTERVAL}) for kind in GENERATES))
        for kind in GENERATES:
            stage.until_states(kind, {1: "Active"})
        stage.apply(reader([name for kind in GENERATES for name in (kind, told(kind))]))
        stage.until_ready("reader")
        pod = stage.get("pods", "reader")
        assert pod is not None
        callers = [stack.enter_context(calling(kind, volume(pod, told(kind)), volume(pod, kind))) for kind in GENERATES]
        for one in callers:
            one.crowd.wait_for_all(1)
        stage.until(lambda: have_rotated(stage), f"{ROTATIONS} rotations", seconds=2000)
        for one in callers:
            one.crowd.stop.set()
        after = stage.get("pods", "reader")
        assert after is not None
        assert after["metadata"]["uid"] == pod["metadata"]["uid"]
        assert after["status"]["containerStatuses"][0]["restartCount"] == 0
        assert stage.operator.faults() == []
    for kind, one in zip(GENERATES, callers, strict=True):
        record_property("histogram", f"{ROTATIONS} rotations, {one.sent()} requests with {kind}: {one.counted()}")
        assert one.counted() == {"accepted": one.sent()}
        assert one.answers() == {200}
