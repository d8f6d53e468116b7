"""What the tests of the whole operator take: `stage`, with a running operator, and `opening` for special ones."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.reader import Reader, reading
from tests.e2e.stage import OPEN, REMAINS, Stage, opened

HERE = Path(__file__).parent
CRDS = HERE.parents[1] / "crds"
Opening = Callable[..., AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def prepared(cluster: Cluster) -> Cluster:
    """Give the cluster with our CRD and the operator's role in it, on which kwok plays the pods."""
    if not cluster.kwok:
        pytest.skip("the pods of this cluster are not played by kwok")
    return prepare(cluster)


def prepare(cluster: Cluster) -> Cluster:
    """Put our CRD and the operator's role into a cluster."""
    files = ("-f", str(CRDS), "-f", str(HERE / "rbac.yaml"))
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *files)
    get = ("get", "crd", "rotatedcredentials.rekey.dev", "-o", "json")
    until(lambda: "Established" in _true(json.loads(cluster.kubectl(*get))), "the CRD", seconds=60)
    return cluster


def _true(found: dict[str, Any]) -> set[str]:
    held = found.get("status", {}).get("conditions") or ()
    return {condition["type"] for condition in held if condition["status"] == "True"}


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
