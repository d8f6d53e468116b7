"""Credentials that tell verifiers in one Secret, on a real API server: no one takes anything from another."""

import json
from base64 import b64decode
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.history import History, recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage

pytestmark = pytest.mark.kube

NAMES = ("red", "green", "blue")
ROUNDS = 3
Listed = dict[str, dict[int, str]]


def sharing(secret: str, name: str, **spec: Any) -> Manifest:
    """Return a credential that shares a verifier's Secret."""
    verifier = {"secretName": secret, "format": "SHA256", "aggregate": True, **spec.pop("verifier", {})}
    return credential(name, verifier=verifier, **{"overlap": {"duration": "1s", "propagation": "1s"}, **spec})


def listed(body: Manifest | None) -> Listed:
    """Return the versions of each credential that a verifier's Secret lists."""
    text = ((body or {}).get("data") or {}).get("verifier.json")
    found: Listed = {}
    for one in json.loads(b64decode(text))["entries"] if text else ():
        found.setdefault(one["credential"].split("/")[1], {})[one["version"]] = one["status"]
    return found


def told(stage: Stage, secret: str) -> Listed:
    """Return what verifiers can read now."""
    return listed(stage.get("secrets", secret))


def said(history: History, secret: str) -> list[Listed]:
    """Return all that verifiers could read, in turn."""
    return [listed(None if change.gone else change.body) for change in history.of("secrets", secret)]


def steps(found: list[Listed], name: str) -> list[dict[int, str]]:
    """Return what was told of one credential, in turn."""
    ours = [one.get(name, {}) for one in found]
    return ours[:1] + [after for before, after in pairwise(ours) if before != after]


def rotated(stage: Stage, name: str, number: int) -> bool:
    """Tell whether this version is all that is accepted of a credential."""
    return told(stage, "all").get(name) == {number: "current"}


def rotation(number: int) -> list[dict[int, str]]:
    """Return what is told of a credential that goes from this version to the next."""
    old, new = number, number + 1
    return [{new: "next", old: "current"}, {new: "current", old: "previous"}, {new: "current"}]


def test_three_that_rotate_at_once_miss_nothing_of_one_another(stage: Stage) -> None:
    """Each was told of as next, current, previous and gone; nothing of it was ever missing in between."""
    stage.apply(*(sharing("all", name) for name in NAMES))
    for name in NAMES:
        stage.until_states(name, {1: "Active"})
    with recording(stage.reader, stage.namespace) as recorder:
        for turn in range(ROUNDS):
            for name in NAMES:
                stage.trigger(name, f"turn {turn}")
            for name in NAMES:
                stage.until(partial(rotated, stage, name, turn + 2), f"{name} to have rotated")
        history = recorder.history()
    for name in NAMES:
        expected = [{1: "current"}, *(step for turn in range(ROUNDS) for step in rotation(turn + 1))]
        assert steps(said(history, "all"), name) == expected
    found = stage.get("secrets", "all")
    assert found is not None
    assert "ownerReferences" not in found["metadata"]
    assert found["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "rekey",
        "rekey.dev/role": "verifier",
        "rekey.dev/part": "0",
    }


def test_who_leaves_takes_what_is_its_own(stage: Stage) -> None:
    """`Revoke`: out of the list; `Retain`: in it, marked; gone by force: taken out by another. The Secret stays."""
    policies = {"keeps": "Retain", "revokes": "Revoke", "stays": "Retain"}
    stage.apply(*(sharing("some", name, deletionPolicy=policy) for name, policy in policies.items()))
    for name in policies:
        stage.until_states(name, {1: "Active"})
    uid = (stage.get("secrets", "some") or {})["metadata"]["uid"]
    stage.kubectl("delete", "rcred", "keeps", "revokes", "--timeout=60s")
    assert sorted(told(stage, "some")) == ["keeps", "stays"]
    _leave_by_force(stage, "some")
    assert "vanished" in told(stage, "some")
    stage.trigger("stays")
    stage.until(
        lambda: told(stage, "some") == {"keeps": {1: "current"}, "stays": {2: "current"}},
        "it to be taken out",
    )
    entries = json.loads(stage.held("some")["verifier.json"])["entries"]
    assert [one.get("retained") for one in entries] == [True, None]
    assert (stage.get("secrets", "some") or {})["metadata"]["uid"] == uid


def _leave_by_force(stage: Stage, secret: str) -> None:
    """Put an entry there as one leaves it whose finalizer somebody strips."""
    found = json.loads(stage.held(secret)["verifier.json"])
    found["entries"].append({**found["entries"][-1], "credential": f"{stage.namespace}/vanished"})
    stage.patch("secret", secret, {"stringData": {"verifier.json": json.dumps(found)}})


def test_one_of_another_format_is_told_why(stage: Stage) -> None:
    """`Stalled/NameTaken`, and what the others told stays as it is."""
    stage.apply(sharing("hashes", "first"))
    stage.until_states("first", {1: "Active"})
    before = stage.held("hashes")
    stage.apply(sharing("hashes", "odd", generate={"sshKey": {}}, verifier={"format": "AuthorizedKeys"}))
    message = stage.until_condition("odd", "Stalled", "True", "NameTaken")
    assert "is shared by credentials with verifier.format SHA256, not AuthorizedKeys" in message
    assert stage.held("hashes") == before
