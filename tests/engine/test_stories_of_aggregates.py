"""One verifier's Secret for many credentials: whatever one of them does, all that is accepted of another is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.status import State
from tests.engine.scenarios import HOUR, MINUTE, spec
from tests.engine.sharing import ALL, BOTH, DONE, NEW, NEXT, SECOND, SHARED, remove_by_force, rotate, sharing, told
from tests.engine.telling import heard, states, values, verdict
from tests.sim.ports import NAMESPACE
from tests.sim.world import World


def test_a_rotation_of_one_leaves_the_other_as_it_is() -> None:
    """Next, current, previous, gone: each step of the one beside the same entry of the other."""
    world = sharing("api", "till")
    (other,) = [
        one for one in json.loads(values(world, ALL)["verifier.json"])["entries"] if "till" in one["credential"]
    ]
    for lasts, expected in ((SECOND, NEXT), (MINUTE, BOTH), (HOUR, DONE)):
        rotate(world, "api", lasts=lasts)
        entries = json.loads(values(world, ALL)["verifier.json"])["entries"]
        assert told(world, "api") == expected
        assert entries[-1] == other
    view = world.secrets[ALL]
    assert (view.owner, view.labels) == (
        None,
        {"app.kubernetes.io/managed-by": "rekey", "rekey.dev/role": "verifier", "rekey.dev/part": "0"},
    )


FORMATS: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "JWKS": ({"signingKey": {}}, "jwks.json", b'"kid"'),
    "CABundle": ({"certificate": {"commonName": "shop", "dnsNames": ["shop.test"]}}, "ca.crt", b"BEGIN CERTIFICATE"),
    "AuthorizedKeys": ({"sshKey": {}}, "authorized_keys", b"ssh-ed25519"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_what_stands_beside_the_list_is_of_all(form: str) -> None:
    """Keys and authorities of the one outlast the rotation of the other, and those that ended are gone."""
    generate, name, mark = FORMATS[form]
    changes: dict[str, Any] = {"generate": generate, "verifier": {**SHARED["verifier"], "format": form}}
    changes["rotation"] = {"interval": "240h", "jitterPercent": 0}
    if form == "CABundle":
        changes["rotation"]["lifetime"] = "480h"
    world = sharing("api", "till", **changes)
    before = values(world, ALL)[name]
    assert before.count(mark) == 2
    rotate(world, "api", lasts=timedelta(hours=3), **changes)
    assert (told(world, "api"), told(world, "till")) == (DONE, NEW)
    assert values(world, ALL)[name].count(mark) == 2
    assert (values(world, ALL)[name] == before) is (form == "CABundle")  # the authority outlives its leafs


def test_an_unchanged_secret_is_not_written() -> None:
    """Neither comparisons nor the passes of others write it."""
    world = sharing("api", "till")
    version = world.secrets[ALL].resource_version
    for name in ("api", "till"):
        world.inspect(name)
    world.run(HOUR)
    assert world.secrets[ALL].resource_version == version


def test_another_scope_is_told_at_once() -> None:
    """It stands in the entries of that credential, and of no other."""
    world = sharing("api", "till")
    rotate(world, "api", verifier={**SHARED["verifier"], "scopes": ["read"]}, trigger="", lasts=SECOND)
    found = json.loads(values(world, ALL)["verifier.json"])["entries"]
    assert [(one["credential"], one.get("scopes")) for one in found] == [
        (f"{NAMESPACE}/api", ["read"]),
        (f"{NAMESPACE}/till", None),
    ]


DRIFT: dict[str, Callable[[World], object]] = {
    "deleted": lambda world: world.secrets.pop(ALL),
    "emptied": lambda world: world.edit(ALL, **{"verifier.json": b"{}"}),
    "no JSON any more": lambda world: world.edit(ALL, **{"verifier.json": b"\xff"}),
    "given a version more": lambda world: _give(world, f"{NAMESPACE}/api"),
    "given a credential of another namespace": lambda world: _give(world, "elsewhere/api"),
    "given one that never was": lambda world: _give(world, f"{NAMESPACE}/nobody"),
    "without its labels": lambda world: world.secrets.update({ALL: replace(world.secrets[ALL], labels={})}),
}


def _give(world: World, credential: str) -> None:
    found = json.loads(values(world, ALL)["verifier.json"])
    found["entries"].append({**found["entries"][0], "credential": credential, "version": 9})
    world.edit(ALL, **{"verifier.json": json.dumps(found).encode()})


@pytest.mark.parametrize("case", DRIFT)
def test_what_somebody_does_to_the_secret_is_undone(case: str) -> None:
    """When each of its credentials has been compared it says again what it said; no version is made."""
    world = sharing("api", "till")
    before, labels = values(world, ALL), world.secrets[ALL].labels
    DRIFT[case](world)
    for name in ("api", "till"):
        world.inspect(name)
    assert (values(world, ALL), world.secrets[ALL].labels) == (before, labels)
    assert heard(world, "DriftRepaired")["DriftRepaired"] >= 1
    assert states(world) == {1: "Active"}


def test_what_a_credential_left_that_is_gone_is_taken_out() -> None:
    """Any other sees to it when its turn to be compared comes."""
    world = sharing("api", "till", "mail")
    remove_by_force(world, "till")
    world.inspect("mail")
    assert (told(world, "api"), told(world, "till"), told(world, "mail")) == (NEW, {}, NEW)


def test_one_that_nobody_has_heard_of_is_asked_for() -> None:
    """A memory that is behind takes nothing out: only that it is not there, or does not share it any more, does."""
    world = sharing("api", "till", "mail")
    world.hears = False
    rotate(world, "api", lasts=HOUR)
    assert (told(world, "api"), told(world, "till"), told(world, "mail")) == (DONE, NEW, NEW)
    world.credentials["till"] = replace(
        world.credentials["till"], spec=world.credentials["till"].spec.model_copy(update={"verifier": None})
    )
    world.inspect("api")
    assert (told(world, "api"), told(world, "till"), told(world, "mail")) == (DONE, {}, NEW)


LEAVING: dict[str, dict[int, str]] = {"Revoke": {}, "Retain": NEW}


@pytest.mark.parametrize("policy", LEAVING)
def test_one_that_leaves(policy: str) -> None:
    """`Revoke`: out before anything is deleted. `Retain`: accepted as before, marked. The Secret stays."""
    world = sharing("api", "till", deletionPolicy=policy)
    world.delete("till")
    world.run(MINUTE)
    assert "till" not in world.credentials
    for _ in range(2):
        assert (told(world, "api"), told(world, "till")) == (NEW, LEAVING[policy])
        world.inspect("api")
    marks = [one.get("retained") for one in json.loads(values(world, ALL)["verifier.json"])["entries"]]
    assert marks == ([None, True] if policy == "Retain" else [None])
    world.delete("api")
    world.run(MINUTE)
    assert (told(world, "api"), world.credentials) == (LEAVING[policy], {})


def test_an_heir_takes_over_what_was_retained() -> None:
    """A credential of the same name that adopts the bundle tells verifiers the same again, now as its own."""
    world = sharing("api", "till")
    before = values(world, ALL)
    world.delete("till")
    world.run(MINUTE)
    rotate(world, "till", trigger="", target={"adopt": "Unowned"}, lasts=HOUR)
    assert states(world, "till") == {1: "Active"}
    assert values(world, ALL) == before


REFUSED: dict[str, tuple[Callable[[World], object], str]] = {
    "a Secret that is somebody else's": (lambda world: world.put(ALL, {"theirs": b"x"}), "is not one that credentials"),
    "one that another credential has for itself": (
        lambda world: _first(world, {"secretName": ALL, "format": "SHA256"}),
        "is not one that credentials",
    ),
    "one of another format": (
        lambda world: _first(world, {"secretName": ALL, "format": "AuthorizedKeys", "aggregate": True}),
        "is shared by credentials with verifier.format AuthorizedKeys, not SHA256",
    ),
}


def _first(world: World, verifier: dict[str, Any]) -> None:
    kind: dict[str, Any] = {"sshKey": {}} if verifier["format"] == "AuthorizedKeys" else {"token": {}}
    world.apply("first", spec(generate=kind, **{**SHARED, "verifier": verifier}))
    world.run(HOUR)


@pytest.mark.parametrize("case", REFUSED)
def test_a_name_that_is_taken(case: str) -> None:
    """`Stalled/NameTaken` says why; nothing is written, nothing becomes current, and the credential can be deleted."""
    world = World()
    there, why = REFUSED[case]
    there(world)
    before = world.secrets[ALL]
    rotate(world, "api")
    assert verdict(world, "Stalled") == ("True", "NameTaken")
    (condition,) = [one for one in world.credentials["api"].status.conditions if one.type == "Stalled"]
    assert why in condition.message
    assert (world.secrets[ALL], "api" in world.secrets) == (before, False)
    world.delete("api")
    world.run(MINUTE)
    assert "api" not in world.credentials


def test_one_that_wants_it_for_itself_does_not_get_it() -> None:
    """Nor does it harm those that share it."""
    world = sharing("api")
    before = world.secrets[ALL]
    world.apply("late", spec(**{**SHARED, "verifier": {"secretName": ALL, "format": "SHA256"}}))
    world.run(MINUTE)
    assert verdict(world, "Stalled", "late") == ("True", "NameTaken")
    assert world.secrets[ALL] == before


def test_a_webhook_that_changes_what_is_sent_is_found() -> None:
    """A version counts as told when the answer of the API server says so, not when it was sent."""
    world = sharing("api")
    world.webhook = lambda material: Material(
        {**material.reveal(), "verifier.json": b'{"entries":[],"format":"SHA256"}'}
    )
    del world.secrets[ALL]
    rotate(world, "api", lasts=SECOND)
    assert verdict(world, "Stalled") == ("True", "BackendRefused")
    assert State.PUBLISHED not in {version.state for version in world.credentials["api"].status.versions}
