"""Helm as the tests use it: our chart rendered, linted, installed, with nothing of the user's configuration."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.errors import ClusterError
from tests.cluster.handle import Cluster

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "rekey"
SYSTEM = "rekey-system"
NAMESPACES = ("shop", "bank")

Manifest = dict[str, Any]
Values = Mapping[str, Any]


class HelmFailed(ClusterError):
    """Helm ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Helm:
    """The program, and a folder for what it keeps."""

    program: Path
    home: Path

    def run(
        self, *args: str, cluster: Cluster | None = None, values: Values | None = None, seconds: float = 180
    ) -> str:
        """Run it, with values if there are any, and return what it printed."""
        given = ("--values", "-") if values is not None else ()
        homes = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [str(self.program), *args, *given],
            input=json.dumps(values or {}),
            env={**os.environ, **homes, "KUBECONFIG": str(cluster.kubeconfig) if cluster else os.devnull},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise HelmFailed(f"helm {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def template(self, values: Values | None = None, *, release: str = "rekey", namespace: str = SYSTEM) -> str:
        """Return the rendered manifests as text."""
        return self.run("template", release, str(CHART), "--namespace", namespace, values=values or {})

    def objects(self, values: Values | None = None, **where: str) -> list[Manifest]:
        """Return the rendered manifests."""
        return [one for one in yaml.safe_load_all(self.template(values, **where)) if one]


def of_kind(objects: list[Manifest], kind: str, name: str | None = None) -> list[Manifest]:
    """Return the objects of a kind, of that name if one is given."""
    return [one for one in objects if one["kind"] == kind and name in {None, one["metadata"]["name"]}]
