"""What people ask for once: requests in the simulated world, and what became of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.engine.scenarios import WEB, spec
from tests.engine.telling import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    bare,
    heard,
    outcome,
    settled,
    states,
    triggered,
    values,
    verdict,
    verdicts,
    why,
)
from tests.sim.cluster import Workload
from tests.sim.world import World


def test_manual() -> None:
    """Version 2 is made once; the request is complete when the consumer has moved, not before."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    world.ask("now", "Manual", requestedBy="alice")
    world.run(8 * SECOND)
    assert outcome(world, "now") == ("Running", 1, 2)
    rotation = world.credentials["api"].status.rotation
    assert rotation is not None
    assert (rotation.cause, rotation.requested_by) == ("Manual", "RotationRequest now (alice)")
    world.run(HOUR)
    assert outcome(world, "now") == ("Succeeded", 1, 2)
    assert verdicts(world, "now") == {"Complete": ("True", "Succeeded"), "Failed": ("False", "Succeeded")}
    assert web.restarts == ["2"]
    assert heard(world, "RequestAccepted", "RequestRefused") == {"RequestAccepted": 1, "RequestRefused": 0}
    world.run(DAY + HOUR)
    assert world.requests == {}, "a finished request is deleted after a day"
    assert states(world) == {1: "Revoked", 2: "Active"}


@pytest.mark.parametrize("gap", [0, 1, 9], ids=lambda seconds: f"within {seconds} s")
def test_what_is_asked_for_together_is_one(gap: int) -> None:
    """Ten requests make one version, and every one of them names it."""
    world = settled()
    for number in range(10):
        world.ask(f"r{number}", "Manual")
        world.run(timedelta(seconds=gap / 9))
    world.run(HOUR)
    assert {outcome(world, f"r{number}")[0::2] for number in range(10)} == {("Succeeded", 2)}
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_a_later_request_makes_another_version() -> None:
    """Whoever asks half a minute after a version was made gets a newer one, when the rotation is over."""
    world = settled()
    world.ask("first", "Manual")
    world.run(MINUTE / 2)
    world.ask("second", "Manual")
    world.run(MINUTE)
    assert outcome(world, "second")[0] == "Pending"
    world.run(HOUR)
    assert outcome(world, "second") == ("Succeeded", 2, 3)


def test_a_rotation_for_another_cause_answers_nobody_who_asks_after_it() -> None:
    """A trigger's rotation is under way: the request makes one more when that is over."""
    world = triggered(settled())
    world.ask("now", "Manual")
    world.run(HOUR)
    assert outcome(world, "now") == ("Succeeded", 2, 3)


def test_suspended() -> None:
    """A suspended credential refuses at once and says what to do; nothing happens when it is resumed."""
    world = settled(suspend=True)
    world.ask("now", "Manual")
    world.run(MINUTE)
    assert outcome(world, "now")[0] == "Refused"
    assert "resume the credential" in why(world, "now")
    assert verdicts(world, "now") == {"Complete": ("False", "Refused"), "Failed": ("True", "Refused")}
    world.apply("api", spec())
    world.run(HOUR)
    assert states(world) == {1: "Active"}


WINDOW = {"interval": "240h", "jitterPercent": 0, "windows": [{"schedule": "0 2 * * *", "duration": "2h"}]}


def test_windows_hold_for_a_manual_request_and_not_for_a_compromise() -> None:
    """A person's wish to rotate waits for the window, as a trigger does; a leak does not."""
    world = settled(rotation=WINDOW)
    world.ask("now", "Manual")
    world.run(MINUTE)
    assert outcome(world, "now")[0] == "Pending"
    assert verdict(world, "Ready") == ("True", "AwaitingWindow")
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert outcome(world, "leak") == ("Succeeded", 1, 2)
    assert outcome(world, "now") == ("Succeeded", 1, 2), "the version is as new as was asked for"


@pytest.mark.parametrize("version", [None, 1], ids=["without a number", "with its number"])
def test_rollback(version: int | None) -> None:
    """During the overlap the version before is current again, byte for byte, and nothing follows for an interval."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    first = values(world)
    triggered(world, lasts=5 * MINUTE, consumers=[WEB])
    assert states(world) == {1: "Retiring", 2: "Active"}
    named: dict[str, Any] = {} if version is None else {"version": version}
    world.ask("back", "Rollback", **named)
    world.run(HOUR)
    assert outcome(world, "back") == ("Succeeded", 2, 1)
    assert states(world) == {1: "Active", 2: "Discarded"}
    assert values(world) == first
    assert web.restarts == ["2", None]
    assert verdict(world, "Stalled") == ("False", "None")
    world.run(9 * DAY)
    assert states(world) == {1: "Active", 2: "Discarded"}
    world.run(2 * DAY)
    assert states(world)[3] == "Active"


def test_rollback_without_a_rotation_under_way() -> None:
    """Where old versions are kept for ever the last one can be gone back to at any time."""
    world = triggered(settled(revocationPolicy="Never"), lasts=HOUR, revocationPolicy="Never")
    assert world.credentials["api"].status.rotation is None
    world.ask("back", "Rollback", requestedBy="bob")
    world.run(HOUR)
    assert outcome(world, "back") == ("Succeeded", 2, 1)
    assert states(world) == {1: "Active", 2: "Discarded"}
    world.ask("now", "Manual")
    world.run(HOUR)
    assert outcome(world, "now") == ("Succeeded", 1, 3)


NO_WAY_BACK: dict[str, tuple[dict[str, Any], timedelta, str]] = {
    "nothing was rotated yet": ({}, timedelta(0), "no version before it is accepted"),
    "the old version is gone": ({}, HOUR, "no version before it is accepted"),
    "another version is meant": ({"version": 7}, MINUTE, "only version 1 can become current again"),
}


@pytest.mark.parametrize("situation", NO_WAY_BACK)
def test_no_way_back(situation: str) -> None:
    """What cannot be gone back to exactly is refused with a reason."""
    fields, lasts, text = NO_WAY_BACK[situation]
    world = settled()
    if lasts:
        triggered(world, lasts=lasts)
    world.ask("back", "Rollback", **fields)
    before = states(world)
    world.run(MINUTE)
    assert outcome(world, "back")[0] == "Refused"
    assert text in why(world, "back")
    assert states(world) == before


def test_a_version_that_came_after_the_request_is_not_taken_back() -> None:
    """A request that was made before the current version became current means another one."""
    world = settled()
    world.ask("back", "Rollback")
    world.requests.clear()
    world.run(5 * SECOND)
    early = world.asked[0]
    triggered(world)
    world.requests["back"] = early
    world.run(MINUTE)
    assert outcome(world, "back")[0] == "Refused"
    assert "became current after the request" in why(world, "back")


@pytest.mark.parametrize("policy", ["AfterOverlap", "Manual", "Never"])
def test_revoke(policy: str) -> None:
    """The named version goes without waiting for the overlap, but not while a pod holds it."""
    world = settled(revocationPolicy=policy)
    pod = bare(world)
    world.run(MINUTE)
    triggered(world, revocationPolicy=policy)
    world.ask("revoke", "Revoke", version=1)
    world.run(MINUTE)
    assert outcome(world, "revoke") == ("Running", 1, None)
    assert verdict(world, "RevocationBlocked") == ("True", "HeldByPods")
    pod.ends = world.time
    world.run(MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert outcome(world, "revoke") == ("Succeeded", 1, None)


def test_a_revocation_that_is_called_off() -> None:
    """While the version is not committed the deletion of the request ends it: the overlap counts again."""
    world = settled(hold={"until": "2026-03-01T13:02:00Z", "reason": "audit"})
    triggered(world, hold={"until": "2026-03-01T13:02:00Z", "reason": "audit"})
    world.ask("revoke", "Revoke", version=1)
    world.run(20 * SECOND)
    assert outcome(world, "revoke")[0] == "Running"
    del world.requests["revoke"]
    world.run(2 * MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}


REVOKED: dict[str, tuple[int, str, str]] = {
    "the current version": (2, "Refused", "version 2 is current: rotate first, then revoke it"),
    "one that never was": (9, "Refused", "there is no version 9"),
    "one that is gone": (1, "Succeeded", "version 1 is gone already"),
}


@pytest.mark.parametrize("situation", REVOKED)
def test_what_revoke_says_of(situation: str) -> None:
    """What cannot be revoked is refused, what is gone is a success."""
    number, state, text = REVOKED[situation]
    world = triggered(settled(), lasts=HOUR)
    world.ask("revoke", "Revoke", version=number)
    world.run(MINUTE)
    assert (outcome(world, "revoke")[0], why(world, "revoke")) == (state, text)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_a_rollout_that_fails_fails_the_request() -> None:
    """Version 2 is taken back: the request says so, and a new one tries at once."""
    web = Workload("web", "api", fails_on=frozenset({"2"}))
    world = settled(web, consumers=[WEB])
    world.ask("now", "Manual")
    world.run(30 * MINUTE)
    assert outcome(world, "now") == ("Failed", 1, 2)
    assert heard(world, "RequestFailed") == {"RequestFailed": 1}
    world.ask("again", "Manual")
    world.run(30 * MINUTE)
    assert outcome(world, "again") == ("Succeeded", 1, 3)


def test_a_selector() -> None:
    """Those with the label are asked, each gets a result; who comes later is not asked."""
    world = World()
    for name in ("one", "two", "other"):
        world.apply(name, spec(), labels={} if name == "other" else {"tier": "web"})
    world.run(HOUR)
    world.ask("all", "Manual", selector={"matchLabels": {"tier": "web"}})
    world.run(SECOND)
    world.apply("late", spec(), labels={"tier": "web"})
    world.run(HOUR)
    status = world.requests["all"].status
    assert [(item.name, item.state.value) for item in status.results] == [("one", "Succeeded"), ("two", "Succeeded")]
    assert (status.total, status.done, status.succeeded) == (2, 2, 2)
    assert states(world, "other") == states(world, "late") == {1: "Active"}


def test_nobody_is_there() -> None:
    """A credential that is missing is waited for a minute, then the request has failed."""
    world = World()
    world.ask("now", "Manual")
    world.ask("all", "Manual", selector={"matchLabels": {"tier": "web"}})
    world.run(59 * SECOND)
    assert verdicts(world, "now")["Complete"] == verdicts(world, "all")["Complete"] == ("False", "NothingFound")
    assert verdicts(world, "now")["Failed"][0] == "False"
    world.run(2 * SECOND)
    assert verdicts(world, "now")["Failed"] == verdicts(world, "all")["Failed"] == ("True", "NothingFound")
    world.apply("api", spec())
    world.run(HOUR)
    assert states(world) == {1: "Active"}


def test_applied_together() -> None:
    """A request that comes a moment before its credential is answered by the first version."""
    world = World()
    world.ask("now", "Manual")
    world.run(SECOND)
    world.apply("api", spec())
    world.run(MINUTE)
    assert outcome(world, "now") == ("Succeeded", None, 1)
    assert states(world) == {1: "Active"}


def test_a_credential_that_is_deleted_fails_the_request() -> None:
    """It is over for that credential, and one of the same name is another one."""
    world = settled(rotation=WINDOW)
    world.ask("now", "Manual")
    world.run(MINUTE)
    world.delete("api")
    world.run(MINUTE)
    assert outcome(world, "now")[0] == "Failed"
    assert why(world, "now") == "the credential was deleted"


@pytest.mark.parametrize("reason", ["Manual", "Compromise"])
def test_a_request_whose_status_is_lost(reason: str) -> None:
    """What the credential remembers says how it went: nothing is done a second time."""
    world = settled()
    fields = {"revoke": "AfterRollout"} if reason == "Compromise" else {}
    world.ask("now", reason, **fields)
    world.run(HOUR)
    before = outcome(world, "now")
    fresh = world.asked[0]
    world.requests["now"] = fresh
    world.wake["api"] = world.time
    world.run(HOUR)
    assert outcome(world, "now") == before == ("Succeeded", 1, 2)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_more_requests_than_a_credential_remembers() -> None:
    """A hundred requests in a row are all answered, one after the other."""
    world = settled(suspend=True)
    for number in range(100):
        world.ask(f"r{number}", "Manual")
    world.run(MINUTE)
    assert {outcome(world, f"r{number}")[0] for number in range(100)} == {"Refused"}
    assert len(world.credentials["api"].status.requests) <= 32
