"""Where the demo plays: a cluster with our CRD, a namespace, the operator; all of it goes when it is left."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests import crds
from tests.cluster import choose, processes, shared
from tests.cluster.handle import Cluster, KubectlFailed
from tests.cluster.processes import Server
from tests.demo.looking import NAME
from tests.e2e.manifests import BEHAVIOUR, DELAY
from tests.e2e.reader import Reader, reading

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.yaml"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """What the demo works with."""

    cluster: Cluster
    reader: Reader
    namespace: str
    operator: Server


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for data and logs; after a failure it stays, because somebody will want the logs."""
    directory = Path(tempfile.mkdtemp(prefix="rekey-demo-"))
    try:
        yield directory
    except Exception:
        # Nothing but logs: neither data nor anybody's keys.
        for path in sorted(directory.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.suffix != ".log":
                path.unlink()
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


@contextmanager
def stage(directory: Path, say: Say) -> Iterator[Stage]:
    """Give the stage; a cluster of somebody else's keeps our CRD and nothing more."""
    say("starting a cluster")
    with shared.join(directory / "cluster") as cluster:
        say(f"the cluster answers ({cluster.backend}); installing crds/")
        crds.install(cluster)
        namespace = f"rekey-demo-{secrets.token_hex(2)}"
        cluster.kubectl("create", "namespace", namespace)
        with _operator(cluster, namespace, directory) as operator, reading(cluster) as reader:
            say(f"the operator runs; its log: {operator.log}")
            try:
                yield Stage(cluster, reader, namespace, operator)
            finally:
                _leave(cluster, namespace, say)


@contextmanager
def _operator(cluster: Cluster, namespace: str, directory: Path) -> Iterator[Server]:
    """Run `rekey run`, for this namespace only: on a cluster of somebody else's there may be another Rekey."""
    # Settings of the tests are not the operator's; and whatever ends this process ends the operator, too.
    others = [f"--unset={name}" for name in os.environ if name.startswith("REKEY_")]
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    run = [sys.executable, "-m", "rekey", "run", "--kubeconfig", str(cluster.kubeconfig)]
    flags = ["--namespace", namespace, "--http-port", "0", "--log-format", "json", "--leader-election=false"]
    operator = processes.start("operator", ["env", *others, *guard, *run, *flags], directory)
    try:
        yield operator
    finally:
        operator.stop(grace=25)


def _leave(cluster: Cluster, namespace: str, say: Say) -> None:
    """Clear a cluster that goes on without us; one of our own ends anyway."""
    if cluster.backend != choose.GIVEN:
        return
    say(f"deleting the namespace {namespace}; the CRD stays")
    try:
        # First the credential, by itself: its finalizer is the operator's, which is about to end.
        cluster.kubectl("-n", namespace, "delete", "rcred", NAME, "--ignore-not-found", "--timeout=30s")
    finally:
        choose.leave(cluster, f"namespace/{namespace}")


def apply_quickstart(cluster: Cluster, namespace: str) -> None:
    """Apply examples/quickstart.yaml; where kwok plays the pods they are told to take two seconds to start."""
    documents = list(yaml.safe_load_all(QUICKSTART.read_text()))
    if cluster.kwok:
        for document in documents:
            if document["kind"] == "Deployment":
                document["spec"]["template"]["metadata"]["annotations"] = {BEHAVIOUR: "slow", DELAY: "2s"}
    cluster.apply(yaml.safe_dump_all(documents), namespace)


def ask(cluster: Cluster, *arguments: str) -> str:
    """Return what kubectl says, or why it says nothing."""
    try:
        return cluster.kubectl(*arguments).rstrip()
    except KubectlFailed as failure:
        return str(failure)
