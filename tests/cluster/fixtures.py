"""What tests take: `cluster`, for all workers; `namespace`, for each test; `node_cluster`, for real pods."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster import choose, shared
from tests.cluster.errors import NodeRefused
from tests.cluster.handle import Cluster

_NO_PODS = "no real pods on this machine: "


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Give the cluster that all workers of this run share; it ends with the last of them."""
    with ExitStack() as stack:
        yield _join(stack, "any", tmp_path_factory, request)


@pytest.fixture(scope="session")
def node_cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Give a cluster whose pods are real; where none can be had the test is skipped, loudly."""
    with ExitStack() as stack:
        try:
            found = _join(stack, "node", tmp_path_factory, request)
        except NodeRefused as refusal:
            pytest.skip(f"{_NO_PODS}{refusal}")
        yield found


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Give a fresh namespace in which pods can be made; the cluster may keep it."""
    yield from _namespace(cluster)


@pytest.fixture
def node_namespace(node_cluster: Cluster) -> Iterator[str]:
    """Give a fresh namespace of the cluster whose pods are real."""
    yield from _namespace(node_cluster)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud that real pods were not tried, and why: a skip is easily overlooked."""
    skips = [report.longrepr for report in terminalreporter.getreports("skipped")]
    # A skip's is a tuple: file, line, reason.
    reasons = [str(skip[2]) for skip in skips if isinstance(skip, tuple)]
    refused = [reason.partition(_NO_PODS)[2] for reason in reasons if _NO_PODS in reason]
    if refused:
        terminalreporter.section("NOT TESTED: real pods", sep="!", yellow=True)
        terminalreporter.line(f"{len(refused)} tests were skipped: {refused[0]}", yellow=True)


def _join(stack: ExitStack, what: str, factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Cluster:
    base = factory.getbasetemp()
    # xdist gives every worker a folder of its own, in the run's.
    run: Path = base.parent if hasattr(request.config, "workerinput") else base
    # A first start builds servers for minutes: that must be seen.
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return stack.enter_context(shared.join(run / f"cluster-{what}", what))


def _namespace(cluster: Cluster) -> Iterator[str]:
    name = f"t-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield name
    choose.leave(cluster, f"namespace/{name}")
