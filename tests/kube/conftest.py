"""What tests against a real API server take: how to log in to it, and scenes played on it."""

import asyncio
import json
from pathlib import Path

import pytest

from rekey.kube.config import Access, load
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.kube.stage import opened
from tests.sim.stage import Play, Scene

_CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Cluster:
    """Give the cluster with our CRD in it."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(_CRDS))
    # Not `kubectl wait`: it fails on a CRD that is so new that it has no conditions.
    until(lambda: "Established" in conditions(cluster), "the CRD", seconds=60)
    return cluster


def conditions(cluster: Cluster) -> set[str]:
    """Return what is true of our CRD."""
    found = json.loads(cluster.kubectl("get", "crd", "rotatedcredentials.rekey.dev", "-o", "json"))
    held = found.get("status", {}).get("conditions") or ()
    return {condition["type"] for condition in held if condition["status"] == "True"}


@pytest.fixture(scope="session")
def access(served: Cluster) -> Access:
    """Log in to the cluster as its administrator."""
    return load({"KUBECONFIG": str(served.kubeconfig)})


@pytest.fixture
def play(access: Access) -> Play:
    """Play a scene in a fresh namespace of the cluster."""

    def played(scene: Scene) -> None:
        async def show() -> None:
            async with opened(access) as stage:
                await scene(stage)

        asyncio.run(show())

    return played
