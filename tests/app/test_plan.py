"""The plan: what would happen and when, from a file and from what exists; nothing is written."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rekey.app.plan import Plan, of_credential, of_manifest
from rekey.app.plan_show import NoSuchCredential, as_json, from_file, is_file
from rekey.core.effects import What
from rekey.core.facts import BundleState, Facts
from rekey.core.spec import RotatedCredentialSpec
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest, settled

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN: dict[str, Any] = {"generate": {"token": {}}}


def planned(**spec: Any) -> Plan:
    """Return the plan of a credential that does not exist yet."""
    return of_manifest("shop/orders", RotatedCredentialSpec.model_validate({**TOKEN, **spec}), NOON)


def lines(plan: Plan) -> list[str]:
    """Return the lines of a plan, short: hours from noon, what, how exact."""
    return [
        f"{(line.at - NOON) / HOUR:g}h {line.what}{f' ({line.bound})' if line.bound else ''}" if line.at else line.what
        for line in plan.lines
    ]


PLANS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an interval with jitter: the latest times": (
        {"rotation": {"interval": "10h"}, "overlap": {"duration": "2h"}},
        [
            "0h version 1 is made; Secret orders shows it",
            "10h version 2 is made (latest)",
            "12h version 1 is revoked (earliest)",
            "20h version 3 is made (latest)",
            "22h version 2 is revoked (earliest)",
            "30h version 4 is made (latest)",
            "32h version 3 is revoked (earliest)",
        ],
    ),
    "windows: the last one before the interval ends": (
        {
            "rotation": {
                "interval": "72h",
                "urgentBefore": "1h",
                "windows": [{"schedule": "0 2 * * *", "duration": "2h"}],
            },
            "overlap": {"duration": "1h"},
        },
        [
            "0h version 1 is made; Secret orders shows it",
            "62h version 2 is made",
            "63h version 1 is revoked (earliest)",
            "134h version 3 is made",
            "135h version 2 is revoked (earliest)",
            "206h version 4 is made",
            "207h version 3 is revoked (earliest)",
        ],
    ),
    "consumers, and a policy that never revokes": (
        {
            "rotation": {"schedule": "0 0 * * *"},
            "consumers": [
                {"kind": "Deployment", "name": "web"},
                {"kind": "Job", "name": "sync", "refresh": "None"},
                {"kind": "StatefulSet", "selector": {"matchLabels": {"a": "b"}}},
            ],
            "revocationPolicy": "Never",
            "target": {"secretName": "key"},
        },
        [
            "0h version 1 is made; Secret key shows it",
            "12h version 2 is made; Deployment/web, every StatefulSet that its selector matches restarted",
            "version 1 stays accepted",
        ],
    ),
    "suspended": (
        {"rotation": {"interval": "10h"}, "suspend": True},
        ["0h version 1 is made; Secret orders shows it", "no rotation begins"],
    ),
    "a hold keeps old versions": (
        {
            "rotation": {"interval": "10h", "jitterPercent": 0},
            "overlap": {"duration": "1h"},
            "hold": {"until": "2026-11-23T12:00:00Z", "reason": "audit"},
        },
        [
            "0h version 1 is made; Secret orders shows it",
            "10h version 2 is made",
            "48h version 1 is revoked (earliest)",
        ],
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_manifest_is_planned(name: str) -> None:
    """The first lines of the plan are these."""
    spec, wanted = PLANS[name]
    assert lines(planned(**spec))[: len(wanted)] == wanted


def test_what_cannot_be_carried_out_is_said_instead() -> None:
    """A schedule that no calendar has, or an overlap longer than the interval, is a problem and not a plan."""
    plan = planned(rotation={"interval": "1h"}, overlap={"duration": "2h"})
    assert [problem.path for problem in plan.problems] == ["spec.overlap.duration"]
    assert plan.lines == ()


def live(found: dict[str, Any]) -> tuple[Plan, list[frozenset[What]]]:
    """Return the plan of a credential that exists, and what was looked at for it."""
    looked: list[frozenset[What]] = []

    async def look(facts: Facts, at: frozenset[What]) -> Facts:
        looked.append(at)
        return replace(facts, bundle=BundleState.MISSING, pods=(), workloads=())

    return asyncio.run(of_credential(Parser().parse(found), NOON, look)), looked


def test_one_that_was_never_seen_to_begins_with_its_finalizer() -> None:
    """The first thing that would be done is named by `decide` itself."""
    plan, looked = live(manifest())
    assert plan.lines[0].why == "Finalize"
    assert looked == []


def test_one_in_an_overlap_is_planned_on() -> None:
    """The exact moments of a credential that exists: its jitter is known, the old version's end too."""
    found = settled(metadata__finalizers=["rekey.dev/finalizer"], spec__overlap={"duration": "2h"})
    found["status"]["versions"][0] |= {
        "retireTime": "2026-11-21T11:00:00Z",
        "overlapStartTime": "2026-11-21T11:00:00Z",
    }
    plan, _ = live(found)
    assert plan.lines[0].what.startswith("now: ")
    assert lines(plan)[1] == "1h version 1 is revoked (earliest)"
    third = plan.lines[2]
    assert third.what == "version 3 is made"
    assert third.bound == ""
    assert third.at is not None
    assert timedelta(hours=644) < third.at - NOON <= timedelta(hours=720)


FILES: dict[str, tuple[str, list[str]]] = {
    "several documents, ours among others": (
        """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rekey.dev/v1alpha1
kind: RotatedCredential
metadata: {name: a, namespace: shop}
spec: {generate: {token: {}}, rotation: {interval: 720h}}
---
apiVersion: v1
kind: List
items:
- apiVersion: rekey.dev/v1alpha1
  kind: RotatedCredential
  metadata: {name: b}
  spec: {generate: {token: {}}, rotation: {interval: 720h}}
""",
        ["shop/a", "default/b"],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_read(name: str, tmp_path: Path) -> None:
    """Every RotatedCredential of a file is planned, in the namespace it names."""
    text, names = FILES[name]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert [plan.name for plan in from_file(str(path), None, NOON)] == names


NO_FILES: dict[str, tuple[str | None, str]] = {
    "there is none": (None, "cannot be read: No such file or directory"),
    "it is not YAML": ("{", "is not YAML"),
    "it has none of ours": ("kind: Pod", "holds no RotatedCredential of rekey.dev/v1alpha1"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_files_that_cannot_be_planned(name: str, tmp_path: Path) -> None:
    """One line says what is wrong with the file."""
    text, message = NO_FILES[name]
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NoSuchCredential, match=message):
        from_file(str(path), None, NOON)


def test_a_spec_of_the_wrong_shape_is_a_problem_with_its_path(tmp_path: Path) -> None:
    """A field that nobody knows, and one of the wrong type, are named by path."""
    path = tmp_path / "x.yaml"
    head = "apiVersion: rekey.dev/v1alpha1\nkind: RotatedCredential\nmetadata: {name: a}\n"
    path.write_text(head + "spec: {generate: {token: {bites: 3}}, rotation: {interval: soon}}")
    (plan,) = from_file(str(path), "shop", NOON)
    assert plan.name == "shop/a"
    assert {problem.path for problem in plan.problems} == {"spec.generate.token.bites", "spec.rotation.interval"}


@pytest.mark.parametrize(("what", "file"), [("orders", False), ("orders.yaml", True), ("-", True), ("./x", True)])
def test_files_and_names_are_told_apart(what: str, file: bool) -> None:  # noqa: FBT001  a table's column
    """A name has no slash and no ending."""
    assert is_file(what) is file


def rekey(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-m", "rekey", *args]
    return subprocess.run(argv, cwd=root / "operator", capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_json(tmp_path: Path) -> None:
    """`rekey plan FILE -o json` gives the plan as JSON and needs no cluster; problems end it with exit code 1."""
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps(manifest()))
    done = rekey("plan", str(path), "-o", "json")
    assert done.returncode == 0
    (plan,) = json.loads(done.stdout)
    assert plan["credential"] == "shop/orders"
    assert plan["plan"][0]["what"] == "version 1 is made; Secret orders shows it"
    path.write_text(json.dumps(manifest(spec__rotation={"interval": "5m"})))
    assert rekey("plan", str(path)).returncode == 1


def test_mistakes_of_a_person_are_one_line() -> None:
    """No file, no cluster: one line each on stderr, exit code 1, and no traceback."""
    for args in (("plan", "none.yaml"), ("plan", "orders", "--kubeconfig", "none")):
        done = rekey(*args)
        assert done.returncode == 1
        assert done.stderr.startswith("rekey: ")
        assert done.stderr.count("\n") == 1


def test_the_json_form_has_whole_instants() -> None:
    """Times are RFC 3339 in UTC, absent ones null."""
    found = as_json(planned(rotation={"interval": "10h"}, revocationPolicy="Never"))
    assert found["plan"][0]["at"] == "2026-11-21T12:00:00Z"
    assert found["plan"][2]["at"] is None
