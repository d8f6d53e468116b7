"""Which of the four backends runs the cluster, in this order.

1. `REKEY_TEST_KUBECONFIG`: a cluster given on purpose; nothing is started and nothing is stopped.
2. `KUBEBUILDER_ASSETS`: the etcd and kube-apiserver of that folder; what it lacks is built.
3. kind, where a Docker engine answers.
4. Servers built from Go modules.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.cluster import build, controlplane, kind
from tests.cluster.errors import ClusterError
from tests.cluster.handle import NOTE, Cluster, from_kubeconfig, note
from tests.cluster.options import Options
from tests.cluster.versions import CONTROL_PLANE

GIVEN, ASSETS, KIND, BUILT = "kubeconfig", "kubebuilder", "kind", "built"


def backend(environ: Mapping[str, str], docker_answers: Callable[[], bool]) -> str:
    """Return which backend it is; Docker is asked only if its answer matters."""
    if environ.get("REKEY_TEST_KUBECONFIG"):
        return GIVEN
    if environ.get("KUBEBUILDER_ASSETS"):
        return ASSETS
    return KIND if docker_answers() else BUILT


def start(directory: Path, options: Options | None = None) -> Cluster:
    """Start the cluster, or find it; what it writes, and a note of what it is, goes to `directory`."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    started = _start(backend(os.environ, docker_answers), directory, options or Options())
    note(started, directory)
    return replace(started, stopping=lambda: stop(directory))


def stop(directory: Path) -> None:
    """Stop what `start` started there, in whatever process that was; the logs stay."""
    left = directory / NOTE
    if left.exists():
        name = Cluster.from_json(left.read_text()).backend
        # Gone first: who comes next does not take a cluster that is being stopped.
        left.unlink()
        if name == KIND:
            kind.stop(directory)
    controlplane.stop(directory)


def leave(cluster: Cluster, *things: str) -> None:
    """Delete what a test made, as `kind/name`, where the cluster goes on without us; one of our own ends anyway.

    What is in a namespace is in `default`. To delete a namespace takes two calls for each kind of object, and all again
    until its last pod has ended: that was two thirds of what the API server was asked by the tests.
    """
    if cluster.backend == GIVEN:
        cluster.kubectl("-n", "default", "delete", *things, "--wait=false", "--ignore-not-found")


def _start(name: str, directory: Path, options: Options) -> Cluster:
    if name == GIVEN:
        return from_kubeconfig(Path(os.environ["REKEY_TEST_KUBECONFIG"]).resolve(), GIVEN, directory)
    if name == KIND:
        return kind.start(directory, options)
    there = assets(Path(os.environ["KUBEBUILDER_ASSETS"])) if name == ASSETS else {}
    missing = [server for server in CONTROL_PLANE if server not in there]
    return controlplane.start(directory, {**build.ensure(missing), **there}, options, name)


def assets(folder: Path) -> dict[str, Path]:
    """Return the servers of a KUBEBUILDER_ASSETS folder; without these two it is none."""
    there = {name: folder.resolve() / name for name in CONTROL_PLANE if (folder / name).exists()}
    lacking = {"etcd", "kube-apiserver"} - there.keys()
    if lacking:
        raise ClusterError(f"KUBEBUILDER_ASSETS={folder} has no {' and no '.join(sorted(lacking))}")
    return there


def docker_answers() -> bool:
    """Tell whether a Docker engine is there: the program alone is not enough."""
    if not shutil.which("docker"):
        return False
    ask = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
