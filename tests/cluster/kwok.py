"""Nodes without machines: kwok plays the kubelet for the pods that the scheduler puts there.

How a pod lives is told by the Stages in stages/, which read the pod's annotations: docs/test-cluster.md lists
them.
"""

import json
from pathlib import Path

import yaml

from tests.cluster import processes
from tests.cluster.handle import Cluster
from tests.cluster.processes import Server

NODES = ("kwok-1", "kwok-2")
_STAGES = Path(__file__).parent / "stages"
_MARK = {"kwok.x-k8s.io/node": "fake"}


def start(cluster: Cluster, directory: Path) -> Server:
    """Start kwok on the nodes that it owns, make these nodes, and return when pods can be put there."""
    config = directory / "kwok.yaml"
    stages = [path.read_text() for path in sorted(_STAGES.glob("*.yaml"))]
    config.write_text("---\n".join([_configuration(), *stages]))
    argv = [f"{cluster.bin_dir}/kwok", f"--kubeconfig={cluster.kubeconfig}", f"--config={config}"]
    server = processes.start("kwok", argv, directory)
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [_node(name) for name in NODES]}))
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=30s", *(f"node/{name}" for name in NODES))
    server.demand()
    return server


def _configuration() -> str:
    options = {
        "manageNodesWithAnnotationSelector": ",".join(f"{key}={value}" for key, value in _MARK.items()),
        "cidr": "10.128.0.1/16",
        "nodeLeaseDurationSeconds": 120,
        "podPlayStageParallelism": 16,
    }
    return yaml.safe_dump(
        {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "options": options}
    )


def _node(name: str) -> dict[str, object]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": _MARK, "labels": labels},
    }
