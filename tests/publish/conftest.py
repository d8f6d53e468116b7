"""What tests of publishing take: a cluster with our kinds, the administrator's login, a folder for a certificate."""

from pathlib import Path

import pytest

from rekey.kube.config import Access, load
from tests import crds
from tests.cluster.handle import Cluster


@pytest.fixture(scope="session")
def knowing(cluster: Cluster) -> Cluster:
    """Give a cluster that has our CRDs."""
    crds.install(cluster)
    return cluster


@pytest.fixture(scope="session")
def access(knowing: Cluster) -> Access:
    """Log in as the administrator."""
    return load({"KUBECONFIG": str(knowing.kubeconfig)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder for a certificate."""
    made = tmp_path / "tls"
    made.mkdir()
    return made
