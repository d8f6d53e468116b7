"""A value that others know: what a Compromise does, beside whatever else is under way."""

from __future__ import annotations

from typing import Any

import pytest

from rekey.core import start
from tests.engine.scenarios import WEB
from tests.engine.telling import HOUR, MINUTE, SECOND, bare, heard, outcome, settled, states, triggered, verdict, why
from tests.sim.cluster import Workload

WINDOW = {"interval": "240h", "jitterPercent": 0, "windows": [{"schedule": "0 2 * * *", "duration": "2h"}]}


@pytest.mark.parametrize("changes", [{}, {"suspend": True}, {"revocationPolicy": "Never"}], ids=str)
def test_compromise_after_the_rollout(changes: dict[str, Any]) -> None:
    """The old version goes without an overlap once nobody holds it, whatever policy or suspend say."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB], **changes)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert outcome(world, "leak") == ("Succeeded", 1, 2)
    assert web.restarts == ["2"]


def test_compromise_keeps_the_gate() -> None:
    """A pod that holds the old version keeps it accepted; the request says who."""
    world = settled()
    pod = bare(world)
    world.run(MINUTE)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert outcome(world, "leak")[0] == "Running"
    assert verdict(world, "RevocationBlocked") == ("True", "HeldByPods")
    pod.ends = world.time
    world.run(MINUTE)
    assert outcome(world, "leak") == ("Succeeded", 1, 2)


def test_compromise_immediately() -> None:
    """The old version goes before anybody is moved; a condition and an Event say so; then consumers are moved once."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    world.ask("leak", "Compromise", revoke="Immediately")
    world.run(2 * SECOND)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert web.restarts == []
    assert verdict(world, "RevocationBlocked") == ("False", "Compromised")
    assert outcome(world, "leak")[0] == "Running"
    world.run(HOUR)
    assert outcome(world, "leak") == ("Succeeded", 1, 2)
    assert web.restarts == ["2"]
    assert world.said() == [
        "Issued",
        "RequestAccepted",
        "RevocationForced",
        "Activated",
        "Revoked",
        "ConsumerRestarted",
    ]


@pytest.mark.parametrize("revoke", ["Immediately", "AfterRollout"])
def test_a_hold_is_stronger_than_a_compromise(revoke: str) -> None:
    """The new version is made and used at once, and nothing is revoked before the hold ends."""
    world = settled(hold={"until": "2026-03-01T18:00:00Z", "reason": "forensics"})
    world.ask("leak", "Compromise", revoke=revoke)
    world.run(HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert verdict(world, "RevocationBlocked") == ("True", "OnHold")
    world.run(5 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert outcome(world, "leak") == ("Succeeded", 1, 2)


def test_compromise_during_an_overlap_gives_up_all_older_versions() -> None:
    """Both older versions go, and only what was made after the request is left."""
    world = triggered(settled())
    assert states(world) == {1: "Retiring", 2: "Active"}
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(MINUTE)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}


def test_compromise_while_a_failed_version_is_taken_back() -> None:
    """The rollback is given up: everybody goes on to the new version."""
    web = Workload("web", "api", fails_on=frozenset({"2"}))
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=11 * MINUTE, consumers=[WEB])
    assert heard(world, "RolledBack") == {"RolledBack": 1}
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}
    assert web.restarts[-1] == "3"
    assert web.restarts.count("3") == 1


def test_from_what_leaked_there_is_no_way_back() -> None:
    """A consumer that fails with the new version keeps both accepted; a request to go back is refused."""
    web = Workload("web", "api", fails_on=frozenset({"2"}))
    world = settled(web, consumers=[WEB])
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert verdict(world, "Stalled") == ("True", "RolloutFailed")
    world.ask("back", "Rollback")
    world.run(MINUTE)
    assert outcome(world, "back")[0] == "Refused"
    assert "compromised" in why(world, "back")


def test_every_compromise_makes_a_version() -> None:
    """Two that are not made together are two leaks."""
    world = settled()
    for name in ("a", "b"):
        world.ask(name, "Compromise", revoke="Immediately")
        world.run(5 * SECOND)
    world.run(HOUR)
    assert (outcome(world, "a"), outcome(world, "b")) == (("Succeeded", 1, 2), ("Succeeded", 2, 3))


def test_consumers_are_moved_although_the_window_is_closed() -> None:
    """A leak waits for no window: neither the new version nor the restarts do."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB], rotation=WINDOW)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(MINUTE)
    assert outcome(world, "leak") == ("Succeeded", 1, 2)
    assert web.restarts == ["2"]


def test_a_version_that_a_crash_left_behind_is_no_answer() -> None:
    """It was made before the request, and may be known too: another one follows it, and all older ones go."""
    world = settled()
    digest = start.wanted_digest(world.credentials["api"].spec)
    notes = {"rekey.dev/generate-digest": digest}
    world.put("api-v2", {"token": b"left-over"}, owner=world.credentials["api"].uid, annotations=notes)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}
    assert outcome(world, "leak") == ("Succeeded", 2, 3)
