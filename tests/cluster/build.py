"""Servers built from Go modules, once for each version, into the cache."""

import fcntl
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.errors import BuildFailed, ClusterError, NoNetwork
from tests.cluster.progress import Progress
from tests.cluster.toolchain import Go, find_go
from tests.cluster.versions import MODULES, SOURCES, binary, cache

_NO_ANSWER = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "network is unreachable",
    "proxyconnect",
    "TLS handshake timeout",
    "module lookup disabled",
)
_HELP = (
    "Run `python -m tests.cluster build` once where the Go module proxy answers (GOPROXY names another), "
    "or set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver, "
    "or REKEY_TEST_KUBECONFIG to the kubeconfig of a cluster that may be used for tests."
)


def ensure(names: Iterable[str]) -> dict[str, Path]:
    """Return where each server is, after building those that the cache lacks."""
    wanted = list(names)
    unknown = [name for name in wanted if name not in SOURCES]
    if unknown:
        raise ClusterError(f"no such server: {', '.join(unknown)}; there are {', '.join(SOURCES)}")
    if any(not binary(name).exists() for name in wanted):
        with _alone():
            # Looked at again: another process may have built them while this one waited for its turn.
            missing = [name for name in wanted if not binary(name).exists()]
            go = find_go() if missing else None
            for number, name in enumerate(missing, start=1):
                assert go is not None
                _build(name, go, f"building {name} {SOURCES[name].version} ({number} of {len(missing)})")
    return {name: binary(name) for name in wanted}


@contextmanager
def _alone() -> Iterator[None]:
    servers = cache() / "servers"
    servers.mkdir(parents=True, exist_ok=True)
    with (servers / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting = Progress("another process is building the servers, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting.done("over")
        yield


def _build(name: str, go: Go, what: str) -> None:
    source, target = SOURCES[name], binary(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    log = target.parent / f"{name}.build.log"
    # Beside its place, so that the rename is atomic: half a server is never found.
    half = target.parent / f".{name}.{os.getpid()}"
    flags = f"-s -w {source.ldflags}".strip()
    options = ["-trimpath", "-tags", source.tags, "-ldflags", flags]
    argv = [str(go.program), "build", *options, "-o", str(half), source.package]
    progress = Progress(what)
    try:
        with log.open("wb") as out:
            where = MODULES / source.module
            code = progress.wait(subprocess.Popen(argv, cwd=where, env=go.environ, stdout=out, stderr=out))
        if code:
            progress.done("failed")
            raise _why(name, log)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    progress.done("built")


def _why(name: str, log: Path) -> ClusterError:
    text = log.read_text(errors="replace")
    end = "\n".join(f"  {line}" for line in text.splitlines()[-8:])
    if any(sign in text for sign in _NO_ANSWER):
        why = f"{name} cannot be built: the Go modules cannot be downloaded."
        return NoNetwork(f"{why} {_HELP}\nThe end of {log}:\n{end}")
    return BuildFailed(f"{name} cannot be built; the end of {log}:\n{end}")
