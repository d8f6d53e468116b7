"""The command line: `python -m tests.cluster build|up|down|status`.

`up` leaves the cluster running and prints the line that makes kubectl find it; `down` stops it.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from tests.cluster import build, choose, controlplane
from tests.cluster.errors import ClusterError
from tests.cluster.handle import NOTE, Cluster
from tests.cluster.options import Options
from tests.cluster.versions import CONTROL_PLANE, SOURCES

_HOME = Path(__file__).parents[2] / ".cluster"


def main(argv: list[str]) -> int:
    """Run one command and return the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def _build(arguments: argparse.Namespace) -> int:
    for path in build.ensure(arguments.names or CONTROL_PLANE).values():
        print(path)
    return 0


def _up(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.dir.resolve()
    if (directory / NOTE).exists() or controlplane.running(directory):
        raise ClusterError(f"there is a cluster in {directory}: use it (`status`), or `down` first")
    began = time.monotonic()
    cluster = choose.start(directory, Options(fsync=arguments.fsync))
    print(f"cluster: up in {time.monotonic() - began:.1f} s ({cluster.backend})", file=sys.stderr)
    print(_export(cluster))
    return 0


def _down(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.dir.resolve()
    if not (directory / NOTE).exists() and not controlplane.running(directory):
        print(f"cluster: none in {directory}", file=sys.stderr)
        return 0
    choose.stop(directory)
    shutil.rmtree(directory)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.dir.resolve()
    if not (directory / NOTE).exists():
        print(f"no cluster in {directory}")
        return 1
    cluster = Cluster.from_json((directory / NOTE).read_text())
    servers = controlplane.running(directory)
    print(f"{cluster.backend}: {cluster.server}; servers of ours: {', '.join(servers) or 'none'}")
    print(f"ready: {cluster.kubectl('get', '--raw', '/readyz')}")
    print(_export(cluster))
    return 0


def _export(cluster: Cluster) -> str:
    return f"export KUBECONFIG={cluster.kubeconfig}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A cluster for tests.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("build", help="build the servers into the cache")
    command.add_argument("names", nargs="*", help=f"of {', '.join(SOURCES)}; all but kubelet if none is named")
    command.set_defaults(run=_build)
    for name, run, text in (
        ("up", _up, "start a cluster and leave it running"),
        ("down", _down, "stop the cluster and remove its folder"),
        ("status", _status, "tell what runs"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--dir", type=Path, default=_HOME, help=f"its state (default: {_HOME.name}/)")
        command.set_defaults(run=run)
        if name == "up":
            command.add_argument("--fsync", action="store_true", help="etcd waits for the disk")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
