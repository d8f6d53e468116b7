"""`rekey plan FILE` where there is an API server: its rules are asked, and nothing is stored."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.credentials import manifest
from tests.app.program import rekey
from tests.cluster.handle import Cluster

pytestmark = pytest.mark.kube

ROTATION = {"interval": "720h"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two-kinds": ({"generate": {"token": {}, "hmacKey": {}}, "rotation": ROTATION}, "must have exactly one of"),
    "both-times": (
        {"generate": {"token": {}}, "rotation": {**ROTATION, "schedule": "0 3 * * 1"}},
        "must have exactly one of `interval` and `schedule`",
    ),
    "no-end": (
        {"generate": {"token": {}}, "rotation": ROTATION, "overlap": {"duration": "80h"}},
        "(default 72h: set it longer)",
    ),
}


def test_the_rules_of_the_api_server_are_asked(served: Cluster, namespace: str, tmp_path: Path) -> None:
    """Each manifest that it would refuse is refused in its words, one that it would take is planned; none is stored."""
    specs = {
        **{name: spec for name, (spec, _) in REFUSED.items()},
        "good": {"generate": {"token": {}}, "rotation": ROTATION},
    }
    items = []
    for name, spec in specs.items():
        found = manifest(name, namespace)
        items.append({**found, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"kind": "List", "items": items}))
    done = rekey("plan", str(path), "-o", "json", kubeconfig=served.kubeconfig)
    assert done.stderr == ""
    assert done.returncode == 1
    plans = {plan["credential"].partition("/")[2]: plan for plan in json.loads(done.stdout)}
    for name, (_, words) in REFUSED.items():
        assert any(words in problem["message"] for problem in plans[name]["problems"]), plans[name]
        assert plans[name]["plan"] == []
    assert plans["good"]["problems"] == []
    assert plans["good"]["plan"]
    assert served.kubectl("-n", namespace, "get", "rcred", "-o", "name").strip() == ""
