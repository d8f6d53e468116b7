"""What the tests of the chart take: `helm`, built like the servers, and `own_cluster`, which nobody else uses."""

from collections.abc import Iterator

import pytest

from tests.chart.deployed import Deployed, deployed
from tests.chart.helm import NAMESPACES, SYSTEM, Helm
from tests.cluster import build, controlplane
from tests.cluster.errors import NoGo, NoNetwork
from tests.cluster.handle import Cluster
from tests.cluster.options import Options
from tests.cluster.versions import CONTROL_PLANE
from tests.e2e.reader import Reader, reading


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Give Helm; where it can be neither found nor built the test is skipped, and the summary says so."""
    try:
        program = build.ensure(["helm"])["helm"]
    except (NoGo, NoNetwork) as refusal:
        pytest.skip(f"no Helm to try the chart with: {refusal}")
    return Helm(program, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="package")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster of the chart's own: an operator for all namespaces would work in those of other tests, too.

    There is one release at a time in it: all tests that use it are of one group, so that one worker runs them.
    """
    with controlplane.start(
        tmp_path_factory.mktemp("own"), build.ensure(CONTROL_PLANE), Options(audit="Metadata")
    ) as found:
        found.kubectl("create", "namespace", SYSTEM)
        # As people do who care: every pod of ours must be admitted there.
        found.kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
        for name in NAMESPACES:
            found.kubectl("create", "namespace", name)
        yield found


@pytest.fixture(scope="package")
def own_reader(own_cluster: Cluster) -> Iterator[Reader]:
    """Give the means to read it often."""
    with reading(own_cluster) as found:
        yield found


@pytest.fixture(scope="module")
def release(
    helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Give the chart as it comes, installed, for the tests of one module; no operator runs yet."""
    with deployed(helm, own_cluster, own_reader, tmp_path_factory.mktemp("release")) as found:
        yield found
