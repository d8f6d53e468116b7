"""What tests of publishing take: a cluster that knows signing keys, and a way to write into it what operators write."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rekey.core.spec import Generate, RotatedCredentialSpec
from rekey.kube.config import Access, load
from tests import crds
from tests.cluster import choose
from tests.cluster.handle import Cluster

OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture(scope="session")
def knowing(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster whose CRD has signing keys and verifiers.

    Where the models do not have them yet, it is one of its own, whose spec may be anything.
    """
    if "signing_key" in Generate.model_fields and "verifier" in RotatedCredentialSpec.model_fields:
        crds.install(cluster)
        yield cluster
        return
    if cluster.backend == choose.GIVEN:
        pytest.skip("the CRD has no signing keys yet, and a cluster that is given is not for experiments")
    with choose.start(tmp_path_factory.mktemp("own") / "cluster") as own:
        crds.install(own)
        where = "/spec/versions/0/schema/openAPIV3Schema"
        patch = [
            {"op": "replace", "path": f"{where}/properties/spec", "value": OPEN},
            {"op": "remove", "path": f"{where}/x-kubernetes-validations"},
        ]
        own.kubectl("patch", "crd", "rotatedcredentials.rekey.dev", "--type=json", "-p", json.dumps(patch))
        yield own


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
