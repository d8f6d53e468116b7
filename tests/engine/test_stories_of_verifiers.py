"""Verifiers come first, and let go last: whole rotations with both sides of a credential, in the simulated world."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from rekey.core import publish, verifying
from rekey.core.facts import How
from tests.engine.scenarios import BOTH_SIDES, GATE, VERIFIED, WEB, gate, spec
from tests.engine.telling import HOUR, MINUTE, condition, heard, settled, states, triggered, values, verdict
from tests.sim.cluster import Workload
from tests.sim.promises_of_verifiers import listed
from tests.sim.world import World

SECOND = timedelta(seconds=1)
PUBLISHED = {2: "next", 1: "current"}


def both(consumers: list[dict[str, Any]] = BOTH_SIDES, gates: Workload | None = None, **web: Any) -> World:
    """Return a world with verifiers of version 1, and a client that started when it was current."""
    verifiers = (gates or gate(), Workload("reloads", "api-verifier", how=How.VOLUME))
    world = settled(*verifiers, consumers=consumers, **VERIFIED)
    world.add(Workload("web", "api", **web))
    world.run(MINUTE)
    return world


def told(world: World) -> dict[int, str]:
    """Return what verifiers can read now."""
    return listed(world.secrets.get("api-verifier"))


def until(world: World, state: str, number: int = 2) -> World:
    """Let time pass until the version is in that state."""
    world.run(HOUR, lambda: states(world).get(number) == state)
    assert states(world)[number] == state
    return world


def test_a_rotation_is_published_then_used_then_taken_away() -> None:
    """Next, current, previous, gone: what verifiers read is one step ahead of users and one behind them."""
    world = both()
    assert told(world) == {1: "current"}
    triggered(world, lasts=SECOND, consumers=BOTH_SIDES, **VERIFIED)
    assert told(world) == PUBLISHED
    assert values(world)["version"] == b"1"
    until(world, "Active")
    assert world.workloads["gate"].template == {"api": "2"}
    assert world.workloads["web"].template == {}
    assert told(world) == {2: "current", 1: "previous"}
    world.run(9 * MINUTE)
    assert told(world) == {2: "current", 1: "previous"}
    world.run(5 * MINUTE)
    assert told(world) == {2: "current"}
    assert states(world) == {1: "Revoked", 2: "Active"}
    order = ["Issued", "Published", "ConsumerRestarted", "Activated", "ConsumerRestarted", "OverlapStarted"]
    said = [word for word in world.said() if word in {*order, "Revoked"}]
    assert said[-len(order) :] == [*order[1:], "Revoked"]


def test_the_overlap_begins_when_what_the_last_client_made_has_arrived() -> None:
    """A token that was signed at the last moment is under way for `propagation`: only then the overlap counts."""
    world = both([WEB])
    triggered(world, lasts=2 * MINUTE, consumers=[WEB], **VERIFIED)
    old = world.credentials["api"].status.versions[0]
    moved = world.workloads["web"].pods[-1].started
    assert old.overlap_start_time is not None
    assert old.overlap_start_time >= moved + timedelta(seconds=30)


def test_a_verifier_that_fails_is_moved_back_and_nobody_used_the_version() -> None:
    """The old version stays current and accepted; the failed one leaves the verifier's Secret; it is tried again."""
    world = both([WEB, GATE], gate(fails_on=frozenset({"2"})))
    triggered(world, lasts=30 * MINUTE, consumers=[WEB, GATE], **VERIFIED)
    assert states(world) == {1: "Active", 2: "Discarded"}
    assert told(world) == {1: "current"}
    assert world.workloads["gate"].template != {"api": "2"}
    assert world.workloads["web"].restarts == []
    assert verdict(world, "Stalled") == ("True", "RolloutFailed")
    assert {shown.number for shown in world.history["api"]} == {1}
    triggered(world, "b", lasts=HOUR, consumers=[WEB, GATE], **VERIFIED)
    assert states(world)[3] == "Active"


def test_a_verifier_that_fails_with_the_first_version_holds_it_up() -> None:
    """There is nothing to go back to: it says who is late, and waits."""
    world = World()
    world.add(gate(fails_on=frozenset({"1"})))
    world.run(MINUTE)
    world.apply("api", spec(consumers=[GATE], **VERIFIED))
    world.run(30 * MINUTE)
    assert states(world) == {1: "Published"}
    assert verdict(world, "Ready") == ("False", "RolloutFailed")
    assert "gate" in condition(world, "Ready").message


def test_a_verifier_that_started_in_time_is_not_restarted_for_the_first_version() -> None:
    """Only pods that may have started before the Secret was there are."""
    world = World()
    world.apply("api", spec(consumers=[GATE], **VERIFIED))
    world.run(10 * SECOND)
    world.add(gate())
    world.run(HOUR)
    assert states(world) == {1: "Active"}
    assert world.workloads["gate"].restarts == []


def test_a_client_that_fails_takes_no_verifier_back() -> None:
    """Verifiers know both versions; restarting them again would help nobody."""
    world = both([WEB, GATE], fails_on=frozenset({"2"}))
    triggered(world, lasts=HOUR, consumers=[WEB, GATE], **VERIFIED)
    assert states(world) == {1: "Active", 2: "Discarded"}
    assert told(world) == {1: "current"}
    assert world.workloads["gate"].template == {"api": "2"}
    assert verdict(world, "ConsumersUpToDate") == ("True", "Moved")


def test_a_squatted_name_is_left_alone() -> None:
    """Somebody else's Secret is never written; nothing is made current, and the way out is said."""
    world = World()
    world.promises.strangers["api-verifier"] = world.put("api-verifier", {"theirs": b"x"})
    world.apply("api", spec(**VERIFIED))
    world.run(HOUR)
    assert "api" not in world.secrets
    assert verdict(world, "Stalled") == ("True", "NameTaken")
    del world.secrets["api-verifier"], world.promises.strangers["api-verifier"]
    world.inspect("api")
    world.run(HOUR)
    assert states(world) == {1: "Active"}
    assert told(world) == {1: "current"}


DRIFT: dict[str, Any] = {
    "deleted": lambda world: world.secrets.pop("api-verifier"),
    "emptied": lambda world: world.edit("api-verifier", **{"verifier.json": b"{}"}),
    "given a version more": lambda world: world.edit(
        "api-verifier", **{"verifier.json": b'{"format":"SHA256","entries":[{"version":9,"status":"current"}]}'}
    ),
}


@pytest.mark.parametrize("case", DRIFT)
def test_what_somebody_does_to_the_secret_is_undone(case: str) -> None:
    """It says again what is accepted; no version is made, nothing restarts, and an Event says so."""
    world = settled(gate(), consumers=[GATE], **VERIFIED)
    before = values(world, "api-verifier")
    restarts = list(world.workloads["gate"].restarts)
    DRIFT[case](world)
    world.inspect("api")
    assert values(world, "api-verifier") == before
    assert heard(world, "DriftRepaired") == {"DriftRepaired": 1}
    assert world.workloads["gate"].restarts == restarts


def test_what_was_squatted_later_is_left_alone() -> None:
    """Somebody deletes the Secret and puts another there: it stays, and `Stalled` says so."""
    world = settled(**VERIFIED)
    del world.secrets["api-verifier"]
    world.promises.strangers["api-verifier"] = world.put("api-verifier", {"theirs": b"x"})
    world.inspect("api")
    assert verdict(world, "Stalled") == ("True", "NameTaken")


def test_a_verifier_that_is_added_later_restarts_nobody() -> None:
    """The Secret is there at once, with what is accepted; from the next rotation on verifiers come first."""
    world = settled(Workload("web", "api"), gate(), consumers=[WEB])
    world.apply("api", spec(consumers=[WEB, GATE], **VERIFIED))
    world.run(SECOND)
    assert told(world) == {1: "current"}
    world.run(HOUR)
    assert world.workloads["gate"].restarts == []
    triggered(world, lasts=HOUR, consumers=[WEB, GATE], **VERIFIED)
    assert world.workloads["gate"].restarts == ["2"]
    assert told(world) == {2: "current"}


def test_another_scope_is_told_at_once_and_the_same_is_not_told_twice() -> None:
    """What verifiers are to take the bearer for is no part of a version; an unchanged Secret is not written."""
    world = settled(**VERIFIED)
    verifier = {**VERIFIED["verifier"], "scopes": ["read"], "audience": ["shop"], "client": "till"}
    world.apply("api", spec(**{**VERIFIED, "verifier": verifier}))
    world.run(SECOND)
    (entry,) = json.loads(values(world, "api-verifier")["verifier.json"])["entries"]
    assert (entry["scopes"], entry["audience"], entry["client"]) == (["read"], ["shop"], "till")
    version = world.secrets["api-verifier"].resource_version
    world.inspect("api")
    world.run(HOUR)
    assert world.secrets["api-verifier"].resource_version == version


def test_a_leaked_version_is_taken_from_verifiers_at_once() -> None:
    """`Immediately` waits for no verifier: the old version is out before a second has passed."""
    world = both()
    world.ask("leak", "Compromise", revoke="Immediately")
    world.attend()
    world.run(SECOND)
    assert told(world) == {2: "current"}
    assert "api-v1" not in world.secrets
    world.promises.excused = True
    world.run(HOUR)
    assert world.workloads["gate"].template == {"api": "2"}
    assert world.workloads["web"].template == {"api": "2"}


def test_a_leak_overtakes_what_is_being_published() -> None:
    """A version that was made before the leak was known is dropped, and the one after it goes the usual way."""
    world = both()
    triggered(world, lasts=3 * SECOND, consumers=BOTH_SIDES, **VERIFIED)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Discarded", 3: "Active"}
    assert told(world) == {3: "current"}


def test_what_is_retained_stays_as_it_was() -> None:
    """The credential goes, the Secret stays and belongs to nobody; an heir that may adopt takes it over."""
    world = settled(**VERIFIED)
    before = values(world, "api-verifier")
    world.delete("api")
    world.run(MINUTE)
    assert (values(world, "api-verifier"), world.secrets["api-verifier"].owner) == (before, None)
    world.apply("api", spec(target={"adopt": "Unowned"}, **VERIFIED))
    world.run(HOUR)
    assert states(world) == {1: "Active"}
    assert (values(world, "api-verifier"), world.secrets["api-verifier"].owner) == (
        before,
        world.credentials["api"].uid,
    )


def test_the_keys_of_an_hmac_ring_are_those_that_are_accepted() -> None:
    """The ring is labelled as holding keys, and no status has any of them."""
    changes: dict[str, Any] = {
        "generate": {"hmacKey": {}},
        "verifier": {"secretName": "api-verifier", "format": "HMAC"},
        "consumers": [GATE],
    }
    world = settled(gate(), **changes)
    triggered(world, lasts=SECOND, **changes)
    ring = json.loads(values(world, "api-verifier")["keyring.json"])["keys"]
    assert [key["status"] for key in ring] == ["next", "current"]
    assert world.secrets["api-verifier"].labels["rekey.dev/holds"] == "keys"
    assert all(version.proof is None for version in world.credentials["api"].status.versions)


@pytest.mark.parametrize("form", ["SHA256", "HMAC"])
def test_a_value_that_is_lost_is_followed_by_one_that_verifiers_know(form: str) -> None:
    """Of the lost one verifiers are told as long as there is something to tell; nothing stalls."""
    generate: dict[str, Any] = {"hmacKey": {}} if form == "HMAC" else {"token": {}}
    changes = {**VERIFIED, "generate": generate, "verifier": {"secretName": "api-verifier", "format": form}}
    world = settled(**changes)
    world.promises.excused = True
    del world.secrets["api"], world.secrets["api-v1"]
    assert world.reconcile("api", check=True) is not None
    assert told(world) == ({2: "next"} if form == "HMAC" else PUBLISHED)
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert told(world) == {2: "current"}


def without_waiting(*_: object) -> None:
    """Wait for no verifier."""


MUTANTS: dict[str, tuple[object, str, Any, str]] = {
    "clients do not wait for verifiers": (publish, "_move", without_waiting, "V1|V2"),
    "restarted verifiers are not waited for": (publish, "_restart", without_waiting, "V2"),
    "an old version is not told of any more once another is current": (
        verifying,
        "_WORDS",
        {key: word for key, word in verifying._WORDS.items() if word != "previous"},
        "V2",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_promises_find_the_mutant(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a step of the protocol left out the simulated world sees somebody locked out."""
    place, name, instead, promise = MUTANTS[mutant]
    monkeypatch.setattr(place, name, instead)
    with pytest.raises(AssertionError, match=promise):
        triggered(both(), lasts=HOUR, consumers=BOTH_SIDES, **VERIFIED)
