"""What tests against a real API server take: how to log in to it, and scenes played on it."""

import asyncio

import pytest

from rekey.kube.config import Access, load
from tests import crds
from tests.cluster.handle import Cluster
from tests.kube.stage import opened
from tests.sim.stage import Play, Scene


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Cluster:
    """Give the cluster with our CRDs in it."""
    crds.ensure(cluster)
    return cluster


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
