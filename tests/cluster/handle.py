"""What a test holds of a cluster: where it is, kubectl, and the way to stop it."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.cluster import build, links
from tests.cluster.errors import ClusterError

NOTE = "cluster.json"
"""Where the state folder says which cluster runs; it is there when the cluster can be used."""


class KubectlFailed(ClusterError):
    """kubectl ended with an error; `stderr` is what it said."""

    def __init__(self, argv: list[str], stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(argv)}: {stderr.strip()}")
        self.stderr = stderr


@dataclass(frozen=True)
class Cluster:
    """A running cluster, whoever runs it.

    `token` is the administrator's, and empty where the kubeconfig has none (a client certificate, say).
    `kwok` tells whether pods are played by kwok, so that the behaviours of stages/ work.
    """

    kubeconfig: Path
    backend: str
    bin_dir: Path
    server: str
    ca_file: Path
    token: str
    kwok: bool
    directory: Path
    stopping: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def kubectl(self, *args: str, stdin: str | None = None, seconds: float = 120) -> str:
        """Run kubectl as the administrator and return what it printed; raise `KubectlFailed`."""
        done = subprocess.run(
            [str(self.bin_dir / "kubectl"), *args],
            input=stdin if stdin is not None else "",
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise KubectlFailed(list(args), done.stderr)
        return done.stdout

    def apply(self, manifest: str, namespace: str | None = None) -> str:
        """Apply YAML and return what kubectl said."""
        where = ("-n", namespace) if namespace else ()
        return self.kubectl("apply", *where, "-f", "-", stdin=manifest)

    def metrics(self) -> str:
        """Return the API server's metrics as it gives them."""
        return self.kubectl("get", "--raw", "/metrics")

    def stop(self) -> None:
        """Stop what was started for this cluster; nothing for a cluster that somebody else runs."""
        self.stopping()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the cluster."""
        self.stop()

    def to_json(self) -> str:
        """Return what another process needs to use this cluster."""
        plain = {name: value for name, value in vars(self).items() if name != "stopping"}
        return json.dumps(plain, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the cluster that another process started; stopping it is that one's business."""
        plain = json.loads(text)
        for name in ("kubeconfig", "bin_dir", "ca_file", "directory"):
            plain[name] = Path(plain[name])
        return cls(**plain)


def note(cluster: Cluster, directory: Path) -> None:
    """Leave a note for other processes, whole or not at all."""
    half = directory / f"{NOTE}.half"
    half.write_text(cluster.to_json())
    half.replace(directory / NOTE)


def from_kubeconfig(kubeconfig: Path, backend: str, directory: Path) -> Cluster:
    """Return the handle of a cluster of which only a kubeconfig is known; `directory` takes its CA."""
    view = [str(kubectl_binary()), "config", "view", "--minify", "--flatten", "--raw", "-o", "yaml"]
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(view, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{kubeconfig} is no kubeconfig with a current context: {done.stderr.strip()}")
    config = yaml.safe_load(done.stdout)
    where, who = config["clusters"][0]["cluster"], config["users"][0]["user"]
    ca_file = directory / "ca.crt"
    ca_file.write_bytes(b64decode(where.get("certificate-authority-data", "")))
    found = Cluster(
        kubeconfig=kubeconfig,
        backend=backend,
        bin_dir=links.make(directory / "bin", {"kubectl": kubectl_binary()}),
        server=where["server"],
        ca_file=ca_file,
        token=who.get("token", ""),
        kwok=False,
        directory=directory,
    )
    nodes = json.loads(found.kubectl("get", "nodes", "-o", "json"))["items"]
    played = any("kwok.x-k8s.io/node" in node["metadata"].get("annotations", {}) for node in nodes)
    return replace(found, kwok=played)


def kubectl_binary() -> Path:
    """Return a kubectl: the one on PATH, else the one that is built."""
    found = shutil.which("kubectl")
    return Path(found) if found else build.ensure(["kubectl"])["kubectl"]
