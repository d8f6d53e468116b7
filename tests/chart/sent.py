"""What a pod sent, and how it was answered: by the audit log of the API server."""

import json
from typing import Any

from tests.chart.deployed import FENCE
from tests.cluster.handle import Cluster

_WRITES = {"create", "update", "patch", "delete"}
_FENCED = {"rotatedcredentials", "secrets", "deployments"}


def sent(cluster: Cluster, pod: str) -> list[dict[str, Any]]:
    """Return every write of a pod that is fenced, as the API server wrote it down."""
    found = []
    for line in (cluster.directory / "audit.log").read_text().splitlines():
        entry = json.loads(line) if line.endswith("}") else {}
        pods = entry.get("user", {}).get("extra", {}).get("authentication.kubernetes.io/pod-name", ())
        dry = "dryRun" in entry.get("requestURI", "")
        if pod in pods and entry["verb"] in _WRITES and entry["objectRef"]["resource"] in _FENCED and not dry:
            found.append(entry)
    return found


def verdict(entry: dict[str, Any]) -> str:
    """Return what became of a write, in a word."""
    code, message = entry["responseStatus"]["code"], entry["responseStatus"].get("message", "")
    if code == 403:
        return "fenced" if f"ValidatingAdmissionPolicy '{FENCE}'" in message else f"forbidden: {message}"
    return {409: "conflict", 404: "not found", 422: "conflict"}.get(code, "taken" if code < 300 else str(code))
