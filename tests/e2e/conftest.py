"""What the tests of the whole operator take: `stage`, with a running operator, and `opening` for special ones."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import crds
from tests.cluster import choose
from tests.cluster.handle import Cluster
from tests.e2e.reader import Reader, reading
from tests.e2e.stage import OPEN, REMAINS, Stage, opened

HERE = Path(__file__).parent
Opening = Callable[..., AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def prepared(cluster: Cluster) -> Cluster:
    """Give the cluster with our CRD and the operator's role in it, on which kwok plays the pods."""
    if not cluster.kwok:
        pytest.skip("the pods of this cluster are not played by kwok")
    return prepare(cluster)


@pytest.fixture
def own_cluster(cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """Give a prepared cluster that no other test uses: its metrics tell of this one, and all namespaces are its own."""
    if cluster.backend == choose.GIVEN:
        pytest.skip("a cluster that is given serves others, too: this test needs one of its own")
    with choose.start(tmp_path / "cluster") as found:
        yield prepare(found)


def prepare(cluster: Cluster) -> Cluster:
    """Put our CRDs and the operator's role into a cluster."""
    crds.ensure(cluster)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(HERE / "rbac.yaml"))
    return cluster


@pytest.fixture(scope="session")
def reader(prepared: Cluster) -> Iterator[Reader]:
    """Give the means to read the cluster often."""
    with reading(prepared) as found:
        yield found


@pytest.fixture(scope="module")
def opening(prepared: Cluster, reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """Give the way to open a stage of one's own: the settings are REKEY_ variables."""

    @contextmanager
    def open_one(**options: Any) -> Iterator[Stage]:
        running = options.pop("running", True)
        with opened(prepared, reader, tmp_path_factory.mktemp("operator"), **options) as stage:
            if running:
                stage.operator.start()
            yield stage
            assert stage.operator.faults() == []

    return open_one


@pytest.fixture(scope="module")
def stage(opening: Opening) -> Iterator[Stage]:
    """Give a namespace with a running operator, shared by the tests of one module: each takes names of its own."""
    with opening() as found:
        yield found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give a place to keep several stages open."""
    with ExitStack() as found:
        yield found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the operators' logs and the credentials' status with every failure."""
    report = yield
    if report.failed:
        report.sections += [*REMAINS, *(section for stage in OPEN for section in stage.remains())]
        REMAINS.clear()
    return report
