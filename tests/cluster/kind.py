"""kind as a backend: containers that are nodes, with kwok's nodes beside the real one."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest_kind.cluster  # type: ignore[import-untyped] # ships no types
from pytest_kind import KindCluster

from tests.cluster import build, kwok, links, processes
from tests.cluster.errors import ClusterError
from tests.cluster.handle import Cluster, from_kubeconfig, kubectl_binary
from tests.cluster.options import Options
from tests.cluster.versions import KIND, cache

_TAINT = "rekey.dev/real-node=:NoSchedule"


def start(directory: Path, options: Options) -> Cluster:
    """Create a kind cluster of our own, named after the directory so that two runs do not share one."""
    if options != replace(Options(), with_kwok=options.with_kwok, fsync=options.fsync):
        raise ClusterError("kind takes no options for its servers: stop Docker, or set KUBEBUILDER_ASSETS")
    _machine(directory).create()
    try:
        cluster = from_kubeconfig(_machine(directory).kubeconfig_path, "kind", directory)
        return _with_kwok(cluster, directory) if options.with_kwok else cluster
    except BaseException:
        stop(directory)
        raise


def stop(directory: Path) -> None:
    """Delete the kind cluster of this directory."""
    player = processes.find("kwok", directory)
    if player:
        player.stop()
    _machine(directory).delete()


def _machine(directory: Path) -> KindCluster:
    # pytest-kind's own version is years old; it downloads what is not at `kind_path`.
    pytest_kind.cluster.KIND_VERSION = KIND
    name = f"rekey-{hashlib.sha256(str(directory).encode()).hexdigest()[:8]}"
    program = Path(shutil.which("kind") or cache() / "servers" / KIND / "kind")
    program.parent.mkdir(parents=True, exist_ok=True)
    return KindCluster(name, kubeconfig=directory / "kubeconfig", kind_path=program)


def _with_kwok(cluster: Cluster, directory: Path) -> Cluster:
    # The real node keeps what runs there and takes nothing more: the tests' images do not exist.
    cluster.kubectl("taint", "node", "--all", _TAINT)
    bin_dir = links.make(directory / "bin", {"kubectl": kubectl_binary(), **build.ensure(["kwok"])})
    cluster = replace(cluster, bin_dir=bin_dir, kwok=True)
    kwok.start(cluster, directory)
    return cluster
