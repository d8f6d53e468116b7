"""Stories of tokens, which are renewed before they end, and of what befalls them in the middle of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from rekey.core import bundle as content
from rekey.core.probing import MAX_REFUSED
from rekey.core.reasons import Reason
from rekey.core.status_probe import Finding
from rekey.engine.reconcile import Result
from rekey.errors import NotAccepted, Rejected, Retryable
from rekey.ports.backend import Traits
from tests.engine.scenarios_of_backends import GRANTED, TOKEN, consented
from tests.engine.telling import HOUR, MINUTE, SECOND, bare, condition, states, verdict
from tests.sim.world import Plug, Unplugged, World

TRIGGERED: dict[str, Any] = {"rotation": {"trigger": "a"}}


def begun(base: dict[str, Any] = TOKEN, *, provable: bool = True) -> World:
    """Return a world in which version 1 of a token is current."""
    world = World()
    world.backend.traits = Traits(makes_value=True, listable=False, provable=provable)
    consented(world)
    world.apply("api", base)
    world.run(MINUTE)
    assert states(world) == {1: "Active"}
    return world


def unasked(base: dict[str, Any] = TOKEN) -> World:
    """Return a world with a token whose backend cannot be asked about it."""
    return begun(base, provable=False)


def looked(world: World) -> Result:
    """Return what a pass comes to now."""
    found = world.reconcile("api")
    assert found is not None
    return found


def test_a_token_of_which_nobody_can_be_asked_is_written_down_twice() -> None:
    """Before it is made, and when it is current: with nobody to ask there is nothing to remember in between."""
    world = unasked()
    world.writes.clear()
    world.apply("api", TOKEN | TRIGGERED)
    world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert world.writes == {"credentials.save": 2, "backend.issue": 1, "secrets.create": 1, "secrets.change": 1}
    probe = world.credentials["api"].status.versions[-1].probe
    assert probe is not None
    assert (probe.finding, probe.message) == (Finding.ACCEPTED, "its backend made it, and cannot be asked")


def _edit(world: World, base: dict[str, Any]) -> None:
    """The credential asks for another token."""
    oauth2 = base["provider"]["oauth2"] | {"scopes": ["other"]}
    world.apply("api", base | TRIGGERED | {"provider": base["provider"] | {"oauth2": oauth2}})


Befalls = Callable[[World, dict[str, Any]], None]
BEFALLS: dict[str, Befalls] = {
    "nothing": lambda _, __: None,
    "another wish": _edit,
    "a suspension": lambda world, base: world.apply("api", base | TRIGGERED | {"suspend": True}),
    "a request": lambda world, _: world.ask("now", "Manual"),
    "a leak that is to go at once": lambda world, _: world.ask("now", "Compromise", revoke="Immediately"),
    "a leak": lambda world, _: world.ask("now", "Compromise", revoke="AfterRollout"),
    "the end of the version before": lambda world, _: world.ask("now", "Revoke", version=1),
    "a wish to go back": lambda world, _: world.ask("now", "Rollback"),
    "a lost status": lambda world, _: world.lose_status("api"),
    "a deletion": lambda world, _: world.delete("api"),
}


@dataclass
class Befallen(Plug):
    """At one call something befalls the credential; the operator ends, or not."""

    world: World = field(kw_only=True)
    base: dict[str, Any] = field(kw_only=True)
    befalls: Befalls = field(kw_only=True)
    ends: bool = field(kw_only=True)

    def before(self, name: str) -> None:
        """Count a call."""
        self.calls.append(name)

    def done(self) -> None:
        """Have it befall."""
        if len(self.calls) - 1 == self.at:
            self.befalls(self.world, self.base)
            if self.ends:
                raise Unplugged(self.calls[-1])


def watched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at every instant whether the token that is shown is accepted."""
    keeps = world.promises.check

    def check() -> None:
        keeps()
        shown = content.shown_versions(world.secrets["api"].material)[0]
        assert shown in world.backend.numbers("api"), f"S1: version {shown} is shown, and is not accepted"

    monkeypatch.setattr(world.promises, "check", check)


CALLS = 8
_WIPES = {"a lost status"}
"""What a pass that goes on may write over again."""


@pytest.mark.parametrize("ends", [True, False], ids=["the operator ends", "it goes on"])
@pytest.mark.parametrize("base", [TOKEN, GRANTED], ids=["own", "consented"])
@pytest.mark.parametrize("befalls", BEFALLS)
def test_what_befalls_a_token_in_the_middle_of_a_renewal(
    befalls: str, base: dict[str, Any], *, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call was the last: what is shown is accepted at every instant, and in the end nothing is left over."""
    for at in range(CALLS if ends or befalls not in _WIPES else 0):
        with monkeypatch.context() as patched:
            world = unasked(base)
            watched(world, patched)
            world.apply("api", base | TRIGGERED)
            world.plug = Befallen(at, world=world, base=base, befalls=BEFALLS[befalls], ends=ends)
            world.turn(world.time + SECOND)
            assert len(world.plug.calls) > at
            world.wake["api"] = world.time  # the watch tells of it
            world.run(3 * MINUTE)
            if befalls == "a deletion":
                assert "api" not in world.credentials
                continue
            found = states(world)
            assert [number for number, state in found.items() if state == "Active"] == [world.history["api"][-1].number]
            assert not {"Reserved", "Issued"} & set(found.values()), f"{found} after call {at}"
            assert verdict(world, "Stalled")[0] == "False"
            assert all(request.status.results for request in world.requests.values())


def test_a_leaked_token_that_a_pod_holds_is_looked_at_soon() -> None:
    """It does not end by itself in time: to see when it can go waits for nothing, whatever else is leaving."""
    world = unasked()
    world.apply("api", TOKEN | TRIGGERED)
    world.run(MINUTE)
    bare(world)
    world.run(MINUTE)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(MINUTE)
    found = looked(world)
    assert states(world) == {1: "Revoked", 2: "Retiring", 3: "Active"}
    assert (found.reason, found.latest) == (Reason.HELD_BY_PODS, None)
    assert found.until is not None
    assert found.until <= world.time + MINUTE
    assert verdict(world, "RevocationBlocked") == ("True", "HeldByPods")


def test_an_ended_token_is_put_away_in_passing_when_there_is_no_time_for_it() -> None:
    """A flood leaves it until the next renewal: three writes for both, and each renewal is over when it is current."""
    world = unasked()
    found = looked(world)
    for number in range(2, 7):
        at = found.latest or found.until
        assert at is not None
        world.time = at
        world.writes.clear()
        found = looked(world)
        ended = {number - 2: "Revoked"} if number > 2 else {}
        assert (ended | {number - 1: "Retiring", number: "Active"}).items() <= states(world).items()
        assert world.writes["credentials.save"] == (3 if ended else 2)
        status = world.credentials["api"].status
        assert (status.rotation, status.overlap_end_time) == (None, status.versions[-2].expiration_time)
        assert found.until == status.overlap_end_time
        assert found.latest is not None


@pytest.mark.parametrize("policy", ["AfterOverlap", "Manual", "Never"])
@pytest.mark.parametrize("error", [Retryable("no connection"), Rejected(Reason.NEEDS_REAUTH, "not accepted")])
def test_an_ended_token_goes_though_the_next_one_cannot_be_made(policy: str, error: Exception) -> None:
    """What is due comes first; if that does not come the other is put away, and no policy keeps what has ended."""
    base = TOKEN | {"revocationPolicy": policy}
    world = unasked(base)
    world.run(HOUR, until=lambda: states(world).get(2) == "Active")
    world.backend.trouble = lambda call: error if call == "issue" else None
    world.restart(timedelta(minutes=28))
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active", 3: "Reserved"}
    assert content.shown_versions(world.secrets["api"].material) == (2, None)
    assert verdict(world, "RevocationBlocked") == ("False", "None")
    assert "RevocationBlocked" not in world.said()


def test_a_token_that_is_refused_is_not_made_again_and_again() -> None:
    """Neither while the one before is leaving: five in a row, each later, then a person is asked."""
    world = begun()
    world.apply("api", TOKEN | TRIGGERED)
    world.run(20 * MINUTE)
    world.backend.trouble = lambda call: NotAccepted("it is not active") if call == "prove" else None
    world.apply("api", TOKEN | {"rotation": {"trigger": "b"}})
    world.run(2 * HOUR)
    assert world.backend.calls["issue"] == 2 + MAX_REFUSED
    assert verdict(world, "Stalled") == ("True", "ValidationRefused")


def test_a_step_is_not_taken_by_a_token_that_has_ended_beside_it() -> None:
    """While the next one waits for its backend the one before is put away: the rotation is still at its first step."""
    world = unasked()
    world.run(HOUR, until=lambda: states(world).get(2) == "Active")
    world.backend.trouble = lambda call: Retryable("no connection") if call == "issue" else None
    world.ask("now", "Manual")
    world.run(10 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active", 3: "Reserved"}
    rotation = world.credentials["api"].status.rotation
    assert rotation is not None
    assert (rotation.number, rotation.step) == (3, "Issuing")


class Shown(Plug):
    """The operator ends when it has shown the token, and not said so."""

    def done(self) -> None:
        """End there."""
        if self.calls[-1] == "secrets.change":
            raise Unplugged(self.calls[-1])


@pytest.mark.parametrize("gone", ["the provider", "the consent"])
def test_a_token_that_is_shown_is_written_down_though_its_provider_is_gone(gone: str) -> None:
    """It was stored and shown before a crash: nobody needs to be asked any more."""
    world = unasked(GRANTED)
    world.apply("api", GRANTED | TRIGGERED)
    world.plug = Shown()
    world.turn(world.time + SECOND)
    assert states(world) == {1: "Active", 2: "Reserved"}
    if gone == "the consent":
        del world.secrets["consent"]
    else:
        typo = {"provider": GRANTED["provider"] | {"ref": {"name": "stroe"}}}
        world.apply("api", GRANTED | TRIGGERED | typo)
    world.run(SECOND)
    assert states(world)[2] == "Active"


def test_after_downtime_an_expired_token_is_renewed_at_once() -> None:
    """Once, without an alarm for whoever has a new one already."""
    world = begun()
    world.restart(5 * HOUR)
    world.run(MINUTE)
    assert states(world)[2] == "Active"
    assert world.backend.calls["issue"] == 2
    assert condition(world, "Expiring").status == "False"


@pytest.mark.parametrize("fields", [{"hold": {"until": "2026-03-01T20:00:00Z", "reason": "audit"}}, {"suspend": True}])
def test_who_keeps_still_a_token(fields: dict[str, object]) -> None:
    """A hold keeps no token from its end, nor from being renewed; suspended none is, and it is said when one ends."""
    world = begun()
    world.apply("api", TOKEN | fields)
    world.run(2 * HOUR)
    found = Counter(states(world).values())
    if "suspend" in fields:
        assert found == {"Active": 1}
        assert verdict(world, "Expiring") == ("True", "Expired")
    else:
        assert found["Active"] == 1
        assert found["Retiring"] <= 1
        assert condition(world, "Expiring").status == "False"


def test_a_token_is_renewed_while_the_one_before_is_good() -> None:
    """Whoever asks for another one gets it at once, twice within the life of the first; routine is no rotation."""
    world = begun()
    for trigger in ("a", "b"):
        world.apply("api", TOKEN | {"rotation": {"trigger": trigger}})
        world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Retiring", 3: "Active"}
    world.run(2 * HOUR, until=lambda: states(world).get(4) == "Active")
    assert states(world)[3] == "Retiring"
    assert verdict(world, "Rotating") == ("False", "None")
