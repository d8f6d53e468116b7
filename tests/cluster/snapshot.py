"""What etcd stores is copied and put back, as an administrator does after a disaster; only for local servers.

All servers stop meanwhile and start again as they were started: their caches know nothing of what was undone.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import TimeoutExpired

from tests.cluster import controlplane, processes
from tests.cluster.handle import Cluster, KubectlFailed
from tests.cluster.processes import Server
from tests.cluster.waiting import until

START_ORDER = tuple(reversed(controlplane.STOP_ORDER))


def save(cluster: Cluster, name: str) -> Path:
    """Copy what is stored now; the servers run on afterwards."""
    kept = cluster.directory / f"snapshot-{name}"
    _standing_still(cluster, lambda: shutil.copytree(cluster.directory / "etcd", kept))
    return kept


def restore(cluster: Cluster, kept: Path, then: Callable[[], object] = lambda: None) -> None:
    """Put a copy back: everything since then is undone; `then` is called before the servers start again."""

    def put_back() -> None:
        shutil.rmtree(cluster.directory / "etcd")
        shutil.copytree(kept, cluster.directory / "etcd")
        then()

    _standing_still(cluster, put_back)


def _standing_still(cluster: Cluster, act: Callable[[], object]) -> None:
    found = {name: processes.find(name, cluster.directory) for name in START_ORDER}
    commands = {name: _command(server) for name, server in found.items() if server}
    for name in controlplane.STOP_ORDER:
        if server := found[name]:
            server.stop()
    act()
    for name, argv in commands.items():
        processes.start(name, argv, cluster.directory)
        if name == "apiserver":
            until(lambda: _answers(cluster), "the API server to be back", seconds=60)


def _command(server: Server) -> list[str]:
    """Return the command line by which a server was started."""
    return Path(f"/proc/{server.pid}/cmdline").read_text().rstrip("\0").split("\0")


def _answers(cluster: Cluster) -> bool:
    try:
        return cluster.kubectl("get", "--raw", "/readyz", seconds=5) == "ok"
    except (KubectlFailed, TimeoutExpired):
        return False
