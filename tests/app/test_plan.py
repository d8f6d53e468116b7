"""The plan: what would happen and when, from a file and from what exists; nothing is written."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rekey.app.plan import Plan, of_credential, of_manifest
from rekey.app.plan_check import judged
from rekey.app.plan_show import NoSuchCredential, as_json, from_file, is_file
from rekey.core.effects import What
from rekey.core.facts import BundleState, Facts
from rekey.core.spec import RotatedCredentialSpec
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest, settled
from tests.app.program import rekey
from tests.kube.answering import Asked, answering

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN: dict[str, Any] = {"generate": {"token": {}}}


def planned(**spec: Any) -> Plan:
    """Return the plan of a credential that does not exist yet."""
    return of_manifest("shop/orders", RotatedCredentialSpec.model_validate({**TOKEN, **spec}), NOON)


def lines(plan: Plan) -> list[str]:
    """Return the lines of a plan, short: hours from noon, what, how exact."""
    return [
        f"{(line.at - NOON) / HOUR:g}h {line.what}{f' ({line.bound})' if line.bound not in ('', 'now') else ''}"
        if line.at
        else line.what
        for line in plan.lines
    ]


PLANS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an interval with jitter: the latest times": (
        {"rotation": {"interval": "10h"}, "overlap": {"duration": "2h"}},
        [
            "0h version 1 is made; Secret orders shows it",
            "10h version 2 is made (latest)",
            "12h version 1 is revoked (about)",
            "20h version 3 is made (latest)",
            "22h version 2 is revoked (about)",
            "30h version 4 is made (latest)",
            "32h version 3 is revoked (about)",
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
    "a lifetime shorter than the schedule: so early that the overlap ends in time": (
        {"rotation": {"schedule": "0 0 1 * *", "lifetime": "24h"}, "overlap": {"duration": "2h"}},
        [
            "0h version 1 is made; Secret orders shows it",
            "22h version 2 is made",
            "24h version 1 is revoked (earliest)",
            "44h version 3 is made",
            "46h version 2 is revoked (earliest)",
            "66h version 4 is made",
            "68h version 3 is revoked (earliest)",
        ],
    ),
    "a lifetime hardly longer than the overlap: half of it": (
        {"rotation": {"schedule": "0 0 1 * *", "lifetime": "24h"}, "overlap": {"duration": "23h"}},
        ["0h version 1 is made; Secret orders shows it", "12h version 2 is made"],
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
    "what a rotation waits for, and consumers that settle": (
        {
            "rotation": {"schedule": "0 0 * * *"},
            "overlap": {"duration": "1h"},
            "consumers": [{"kind": "Deployment", "name": "web"}],
            "validation": {"consumers": "Required", "settle": "2h", "after": "staging"},
        },
        [
            "0h version 1 is made; Secret orders shows it",
            "12h version 2 is made; Deployment/web restarted",
            "15h version 1 is revoked (earliest)",
        ],
    ),
    "suspended": (
        {"rotation": {"interval": "10h"}, "suspend": True},
        ["0h version 1 is made; Secret orders shows it", "no rotation begins"],
    ),
    "a Secret that may be taken over": (
        {"rotation": {"interval": "10h"}, "target": {"secretName": "old", "adopt": "Unowned"}},
        ["0h version 1 is made, or taken over from Secret old if that exists; Secret old shows it"],
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
    assert plan.lines[0].bound == "now"
    assert lines(plan)[1] == "1h version 1 is revoked (earliest)"
    third = plan.lines[2]
    assert third.what == "version 3 is made"
    assert third.bound == ""
    assert third.at is not None
    assert timedelta(hours=644) < third.at - NOON <= timedelta(hours=720)


def test_what_is_waited_for_is_named() -> None:
    """Each rotation to come says for whom it waits."""
    asked = {"consumers": "Required", "after": "staging"}
    plan = planned(rotation={"interval": "10h"}, consumers=[{"kind": "Deployment", "name": "w"}], validation=asked)
    assert plan.lines[1].why.endswith("; not before staging has rotated and consumers are healthy")
    assert planned(rotation={"interval": "10h"}, validation={"consumers": "Required"}).lines[1].why == "its interval"


def test_after_a_failed_rollout_the_next_attempt_is_planned() -> None:
    """It begins when the status says, with a number that was never used; then the interval counts again."""
    found = settled(metadata__finalizers=["rekey.dev/finalizer"], spec__rotation={"interval": "100h"})
    versions = found["status"]["versions"]
    found["status"]["versions"] = [
        {**versions[1], "number": 2},
        {**versions[1], "number": 3, "state": "Discarded", "rolledBack": True},
    ]
    found["status"]["rotation"] = {
        "id": "r",
        "number": 3,
        "cause": "Schedule",
        "step": "RolledBack",
        "startedTime": "2026-11-21T11:00:00Z",
        "nextAttemptTime": "2026-11-26T12:00:00Z",
    }
    plan, _ = live(found)
    assert plan.lines[0].why == "RolloutFailed"
    assert lines(plan)[1:3] == ["120h version 4 is made", "121h version 2 is revoked (earliest)"]
    assert plan.lines[1].why == "the last attempt failed"
    assert [line.what for line in plan.lines[3:5]] == ["version 5 is made", "version 4 is revoked"]


def test_an_old_version_whose_overlap_is_over_has_no_time() -> None:
    """Nobody knows when the pods that hold it will be gone."""
    found = settled(metadata__finalizers=["rekey.dev/finalizer"])
    found["status"]["versions"][0] |= {
        "retireTime": "2026-11-21T08:00:00Z",
        "overlapStartTime": "2026-11-21T08:00:00Z",
    }
    plan, _ = live(found)
    assert lines(plan)[1] == "version 1 is revoked when no pod holds it"


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
    assert {problem.path: problem.message.partition(":")[0] for problem in plan.problems} == {
        "spec.generate.token.bites": "unknown field",
        "spec.rotation.interval": "'soon' is not a duration",
    }


@pytest.mark.parametrize(("what", "file"), [("orders", False), ("orders.yaml", True), ("-", True), ("./x", True)])
def test_files_and_names_are_told_apart(what: str, file: bool) -> None:  # noqa: FBT001  a table's column
    """A name has no slash and no ending."""
    assert is_file(what) is file


def test_the_command_prints_json(tmp_path: Path) -> None:
    """`rekey plan FILE -o json` gives the plan as JSON and needs no cluster; problems end it with exit code 1."""
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps(manifest()))
    done = rekey("plan", str(path), "-o", "json", "--kubeconfig", "none")
    assert done.returncode == 0
    (plan,) = json.loads(done.stdout)
    assert plan["credential"] == "shop/orders"
    assert plan["plan"][0]["what"] == "version 1 is made; Secret orders shows it"
    assert "the API server's own rules were not checked (there is no file none: " in done.stderr
    assert f"kubectl apply --dry-run=server -f {path}" in done.stderr
    path.write_text(json.dumps(manifest(spec__rotation={"interval": "5m"})))
    done = rekey("plan", str(path), "--kubeconfig", "none")
    assert done.returncode == 1
    assert "WHEN" not in done.stdout, "a heading over no rows"
    assert done.stdout.startswith("shop/orders\ncannot be carried out: spec.overlap.duration: ")
    assert all(len(line) > 80 for line in done.stdout.splitlines()[1:]), "a pipe has no width"


def test_mistakes_of_a_person_are_one_line() -> None:
    """No file, no cluster: one line each on stderr, exit code 1, and no traceback."""
    for args in (("plan", "none.yaml"), ("plan", "orders", "--kubeconfig", "none")):
        done = rekey(*args)
        assert done.returncode == 1
        assert done.stderr.startswith("rekey: ")
        assert done.stderr.count("\n") == 1


CAUSES = [{"field": "spec.generate", "message": "Invalid value: must have exactly one of"}]
REFUSED = {"kind": "Status", "message": "invalid", "details": {"causes": CAUSES}}
JUDGED: dict[str, tuple[list[tuple[int, object]], list[str], str]] = {
    "the server takes it": ([(201, {})], [], ""),
    "the server refuses it, by field": (
        [(422, REFUSED)],
        ["spec.generate: Invalid value: must have exactly one of"],
        "",
    ),
    "it exists and may be changed": ([(409, {}), (200, {})], [], ""),
    "it exists and may not be changed so": (
        [(409, {}), (422, REFUSED)],
        ["spec.generate: Invalid value: must have exactly one of"],
        "",
    ),
    "a field that the server does not know": ([(400, {"message": "unknown field"})], ["spec: unknown field"], ""),
    "no right to ask": ([(403, {})], [], "not allowed to create rotatedcredentials in namespace shop"),
    "no CRD": ([(404, {})], [], "create rotatedcredentials in namespace shop: there is none"),
    "something else that answers": ([(200, b"<html>")], [], "the answer is not JSON"),
}


@pytest.mark.parametrize("name", JUDGED)
def test_the_api_server_judges_a_file(name: str, tmp_path: Path) -> None:
    """What it would refuse is a problem; why it did not judge is said; nothing is asked but dry runs."""
    answers, problems, why = JUDGED[name]
    left = list(answers)

    async def answer(_: Asked) -> web.StreamResponse:
        code, body = left.pop(0)
        return web.Response(status=code, body=body if isinstance(body, bytes) else json.dumps(body).encode())

    async def play() -> tuple[list[Plan], str, list[Asked]]:
        async with answering(answer) as server:
            config = {
                "clusters": [{"name": "c", "cluster": {"server": server.server}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
            path = tmp_path / "config"
            path.write_text(json.dumps(config))
            plans, why = await judged([planned(rotation={"interval": "10h"})], [manifest()], {}, str(path), None)
            return plans, why, server.asked

    (plan,), reason, asked = asyncio.run(play())
    assert [str(problem) for problem in plan.problems] == problems
    assert bool(plan.lines) == (not problems)
    assert why in reason if why else not reason
    assert not left
    assert {one.query["dryRun"] for one in asked} == {"All"}


def test_the_version_is_a_flag_too() -> None:
    """`rekey --version`, as everywhere."""
    done = rekey("--version")
    assert (done.returncode, done.stdout.startswith("rekey ")) == (0, True)


def test_the_json_form_has_whole_instants() -> None:
    """Times are RFC 3339 in UTC, absent ones null."""
    found = as_json(planned(rotation={"interval": "10h"}, revocationPolicy="Never"))
    assert found["plan"][0]["at"] == "2026-11-21T12:00:00Z"
    assert found["plan"][2]["at"] is None
