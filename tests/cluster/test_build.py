"""Building servers into the cache, tried with a Go that only says what it is told to say."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import build
from tests.cluster.errors import BuildFailed, ClusterError, NoGo, NoNetwork

_GO = """#!/bin/sh
if [ "$1" = env ]; then echo {version}; exit; fi
echo built >> {calls}
{then}
"""
# The argument behind -o is where the server goes.
_BUILDS = 'while [ "$1" != -o ]; do shift; done; echo server > "$2"; chmod +x "$2"'


class FakeGo:
    """A `go` at the front of PATH."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "go"
        self._calls = folder / "calls"

    def will(self, then: str, version: str = "go1.26.3") -> None:
        """Say which version it is, and what happens when it builds."""
        self._program.write_text(_GO.format(version=version, calls=self._calls, then=then))
        self._program.chmod(0o755)

    @property
    def builds(self) -> int:
        """How often it was told to build."""
        return len(self._calls.read_text().splitlines()) if self._calls.exists() else 0


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Give a fake Go, and an empty cache."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return FakeGo(tmp_path)


def test_a_server_is_built_once(go: FakeGo) -> None:
    """It is a program in the folder of its version, and the second time nothing is built."""
    go.will(_BUILDS)
    path = build.ensure(["etcd"])["etcd"]
    assert path.parent.name == "v3.6.5"
    assert path.read_text() == "server\n"
    assert build.ensure(["etcd"]) == {"etcd": path}
    assert go.builds == 1


def test_two_runs_build_a_server_once(go: FakeGo) -> None:
    """The second waits for the first and takes what that one built."""
    go.will(f"sleep 0.3; {_BUILDS}")
    with ThreadPoolExecutor(2) as both:
        first, second = both.map(build.ensure, [["etcd"], ["etcd"]])
    assert first == second
    assert go.builds == 1


@pytest.mark.parametrize(
    ("then", "error", "says"),
    [
        pytest.param(
            "echo 'dial tcp: lookup proxy: no such host' >&2; exit 1",
            NoNetwork,
            "cannot be downloaded.*KUBEBUILDER_ASSETS.*REKEY_TEST_KUBECONFIG.*no such host",
            id="without a network: what to do instead",
        ),
        pytest.param(
            "echo 'undefined: x' >&2; exit 1",
            BuildFailed,
            "etcd cannot be built.*build.log.*undefined: x",
            id="with a broken build: its log",
        ),
    ],
)
def test_a_build_that_fails_says_why(go: FakeGo, then: str, error: type[ClusterError], says: str) -> None:
    """The message holds the end of the log, and no half server stays in the cache."""
    go.will(then)
    with pytest.raises(error, match=f"(?s){says}"):
        build.ensure(["etcd"])
    go.will(_BUILDS)
    assert build.ensure(["etcd"])["etcd"].read_text() == "server\n"


def test_without_a_new_go_the_message_says_where_to_get_one(go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old Go is as good as none; with no index to install one from, a person has to."""
    go.will(_BUILDS, version="go1.20.1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(NoGo, match=r"(?s)no Go 1\.26 on PATH.*Install Go 1\.26 or newer"):
        build.ensure(["etcd"])
    assert go.builds == 0


def test_an_unknown_server_is_refused(go: FakeGo) -> None:
    """The message lists those that there are."""
    with pytest.raises(ClusterError, match=r"no such server: kubelat; there are etcd, .*kubelet"):
        build.ensure(["kubelat"])
