"""Stories of credentials that live at a backend, told in the simulated world."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from rekey.core.probing import MAX_REFUSED
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotAccepted, Rejected, RekeyError, Retryable
from rekey.ports.backend import Held, Traits
from rekey.ports.secrets import NewSecret, SecretView
from tests.engine.scenarios_of_backends import HELD, TOKEN
from tests.engine.telling import HOUR, MINUTE, condition, outcome, states, verdict
from tests.sim.ports import Secrets
from tests.sim.world import World


def held(trigger: str | None = None, **changes: object) -> World:
    """Return a world in which a credential of a backend has settled."""
    world = World()
    world.apply("api", HELD | changes)
    world.run(HOUR)
    if trigger is not None:
        world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": trigger}} | changes)
    return world


def test_who_refuses_our_log_in_is_asked_once() -> None:
    """Within an hour one call is made; the condition says so, the version before stays; then it is mended."""
    world, calls = held(), Counter[str]()
    refused = Rejected(Reason.NEEDS_REAUTH, "put a good password into Secret login")

    def refuse(call: str) -> Exception | None:
        calls[call] += 1
        return refused if call == "issue" else None

    world.backend.trouble = refuse
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "a"}})
    world.run(HOUR)
    assert calls["issue"] == 1
    assert states(world) == {1: "Active", 2: "Reserved"}
    assert verdict(world, "NeedsReauth") == ("True", "NeedsReauth")
    assert condition(world, "Ready").status == "True"
    assert world.said().count("Stalled") == 1
    world.backend.login += 1
    world.backend.trouble = lambda _: None
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert condition(world, "NeedsReauth").status == "False"


def test_a_backend_that_is_away_for_a_day_is_asked_ever_rarer() -> None:
    """The current version stays, it is said, and a hundred and some tries are made in a day."""
    world, calls = held("a"), Counter[str]()

    def away(call: str) -> Exception | None:
        calls[call] += 1
        return Retryable("no connection") if call == "issue" else None

    world.backend.trouble = away
    world.run(24 * HOUR)
    assert states(world) == {1: "Active", 2: "Reserved"}
    assert verdict(world, "Stalled") == ("True", "BackendUnreachable")
    assert 96 <= calls["issue"] <= 250


def test_nothing_is_left_of_what_is_deleted_while_a_version_is_reserved() -> None:
    """Under `Retain` what nobody was given goes; the current version stays."""
    world = held("a")
    world.backend.trouble = lambda call: Retryable("no connection") if call == "prove" else None
    world.run(MINUTE)
    assert states(world) == {1: "Active", 2: "Issued"}
    world.backend.trouble = lambda _: None
    world.delete("api")
    world.run(HOUR)
    assert "api" not in world.credentials
    assert 1 in {claim.number for claim in world.backend.claims()}


def test_a_backend_that_stays_away_keeps_no_deletion_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `Revoke` it is tried for five minutes; then it is let go, and an Event says what is left."""
    world = held(deletionPolicy="Revoke")
    monkeypatch.setattr(world.promises, "gone", lambda _: None)  # the API server collects what it owned
    world.backend.trouble = lambda _: Retryable("no connection")
    world.delete("api")
    world.run(timedelta(minutes=4))
    assert "api" in world.credentials
    world.run(timedelta(minutes=4))
    assert "api" not in world.credentials
    assert world.said()[-1] == "Orphaned"


class Flaky(Secrets):
    """Secrets of a world whose API server is away for the first two creations of a version."""

    failures = 0

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        """Fail before it is done, then after it was done, then do it."""
        if "-v" in new.name and self.failures < 2:
            self.failures += 1
            if self.failures == 1:
                raise Retryable("the API server is away")
            await super().create(namespace, new)
            raise NoAnswer("the API server hung up")
        return await super().create(namespace, new)


def test_what_was_got_is_stored_though_the_api_server_is_away_for_a_moment() -> None:
    """The refresh token that it was got with may be used up: no token is given away, and none is got twice."""
    world = World()
    world.backend.traits = Traits(makes_value=True, listable=False)
    world.engine.ports = replace(world.engine.ports, secrets=Flaky(world))
    world.apply("api", TOKEN)
    world.run(MINUTE)
    assert states(world) == {1: "Active"}
    assert world.backend.calls["issue"] == 1


def test_a_typo_in_the_provider_keeps_no_deletion_for_ever() -> None:
    """Under `Retain` what was only reserved is tried to be revoked for five minutes; then it is let go."""
    world = World()
    world.apply("api", HELD | {"provider": {"ref": {"name": "stroe"}, "postgresql": {"role": "orders"}}})
    world.run(MINUTE)
    assert states(world) == {1: "Reserved"}
    assert verdict(world, "Stalled") == ("True", "ProviderNotFound")
    world.delete("api")
    world.run(timedelta(minutes=10))
    assert "api" not in world.credentials


def test_a_version_that_cannot_be_revoked_holds_up_no_other() -> None:
    """What its backend will not drop is tried again and again; a leak is answered, and rotations go on."""
    world = held("a")
    world.backend.trouble = lambda call: (
        Rejected(Reason.BACKEND_REFUSED, "it owns something") if call == "revoke" else None
    )
    world.run(HOUR)
    assert states(world) == {1: "Revoking", 2: "Active"}
    world.ask("leak", "Compromise", revoke="Immediately")
    world.run(HOUR)
    assert states(world)[3] == "Active"
    assert states(world)[2] == "Revoking"
    world.backend.trouble = lambda _: None
    world.run(2 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}


def test_a_version_that_stays_keeps_no_later_one_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 1 owns something and cannot be dropped; version 2 goes in its time all the same."""
    world = held("a")
    revoke = world.backend._revoke

    def stays(found: Held) -> None:
        if found.claim.number == 1:
            raise Rejected(Reason.BACKEND_REFUSED, "it owns something")
        revoke(found)

    monkeypatch.setattr(world.backend, "_revoke", stays)
    world.run(HOUR)
    assert states(world) == {1: "Revoking", 2: "Active"}
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "b"}})
    world.run(2 * HOUR)
    assert states(world) == {1: "Revoking", 2: "Revoked", 3: "Active"}
    assert verdict(world, "Stalled") == ("True", "BackendRefused")
    monkeypatch.undo()
    world.run(2 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}


def test_one_role_that_stays_keeps_no_other_from_being_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `Revoke` each version is tried, whatever became of the one before."""
    world = held("a", deletionPolicy="Revoke")
    monkeypatch.setattr(world.promises, "gone", lambda _: None)  # the API server collects what it owned
    world.run(MINUTE)
    assert {claim.number for claim in world.backend.claims()} == {1, 2}
    revoked = list[int]()

    def refuse_the_first(call: str) -> Exception | None:
        if call != "revoke":
            return None
        revoked.append(len(revoked))
        return Rejected(Reason.BACKEND_REFUSED, "it owns something") if len(revoked) % 2 else None

    world.backend.trouble = refuse_the_first
    world.delete("api")
    world.run(timedelta(minutes=10))
    assert {claim.number for claim in world.backend.claims()} == {1}
    assert "api" not in world.credentials


def test_what_stays_wrong_is_said_once() -> None:
    """A backend that refuses is asked each minute; one Event tells of it, not sixty."""
    world = held("a")
    world.backend.trouble = lambda call: Rejected(Reason.BACKEND_REFUSED, "no") if call == "issue" else None
    world.run(HOUR)
    assert verdict(world, "Stalled") == ("True", "BackendRefused")
    assert world.said().count("Stalled") == 1


def test_who_does_not_answer_is_asked_ever_rarer() -> None:
    """From the first second on, also while what was announced still holds: pauses double, not announcements alone."""
    world, calls = held(), list[datetime]()

    def away(call: str) -> Exception | None:
        calls.extend([world.time] if call == "issue" else [])
        return Retryable("no connection") if call == "issue" else None

    world.backend.trouble = away
    began = world.time
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "a"}})
    world.run(10 * MINUTE)
    assert sum(call - began < MINUTE / 6 for call in calls) <= 8
    pauses = [after - before for before, after in pairwise(calls) if before - began > MINUTE / 6]
    assert len(pauses) >= 4
    assert all(before <= after for before, after in pairwise(pauses[:-1])), pauses


def test_a_refused_version_is_not_made_again_and_again_while_an_older_one_cannot_be_revoked() -> None:
    """Five in a row, each later than the one before, then a person is asked."""
    world = held("a")
    world.backend.stubborn = frozenset({1})
    world.run(HOUR)
    assert states(world) == {1: "Revoking", 2: "Active"}
    world.backend.trouble = lambda call: NotAccepted("no") if call == "prove" else None
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "b"}})
    world.run(3 * HOUR)
    assert world.backend.calls["issue"] == 2 + MAX_REFUSED
    assert verdict(world, "Stalled")[0] == "True"


REFUSALS: dict[str, RekeyError] = {
    "refuses to make another": Rejected(Reason.BACKEND_REFUSED, "a quota is used up"),
    "does not accept our log-in for that": Rejected(Reason.NEEDS_REAUTH, "log in anew"),
    "does not answer to that": Retryable("no connection"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_an_old_version_that_a_person_revokes_while_no_new_one_can_be_made(name: str) -> None:
    """It may be the one that others know: it goes, and the new one is made when that can be done."""
    world, wanted = World(), HELD | {"revocationPolicy": "Never"}
    world.apply("api", wanted)
    world.run(HOUR)
    for trigger in ("a", "b"):
        world.apply("api", wanted | {"rotation": {**HELD["rotation"], "trigger": trigger}})
        world.run(HOUR)
        world.backend.trouble = lambda call: REFUSALS[name] if call == "issue" else None
    assert states(world) == {1: "Retiring", 2: "Active", 3: "Reserved"}
    world.ask("leak", "Revoke", version=1)
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active", 3: "Reserved"}
    assert outcome(world, "leak")[0] == "Succeeded"
    world.backend.trouble = lambda _: None
    world.backend.login += 1
    world.run(HOUR)
    assert states(world)[3] == "Active"
