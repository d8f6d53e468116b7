"""An old version stays while its backend says that it was used of late, or says nothing; then it goes by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from rekey.core import usage
from rekey.core.facts import InUse, Usage
from rekey.core.reasons import Reason
from rekey.errors import NotYet, Rejected, Retryable
from rekey.ports.backend import Traits
from tests.engine.scenarios_of_usage import held, telling, use
from tests.engine.telling import DAY, HOUR, MINUTE, SECOND, condition, states
from tests.engine.telling import bare as started
from tests.engine.telling import verdict as said
from tests.sim.world import World

BLOCKED = "RevocationBlocked"
QUIET = 6 * HOUR
ASKED = "backend.last_used"


def kept(age: timedelta = DAY) -> World:
    """Return a world whose credential has been at version 1 for that long, and nobody used it but we at first."""
    world = World()
    telling(world)
    held()(world)
    world.run(age)
    assert states(world) == {1: "Active"}
    return world


def rotated(world: World, lasts: timedelta) -> World:
    """Ask for a rotation and let time pass."""
    held("a")(world)
    world.run(lasts)
    return world


@dataclass
class Answers:
    """What goes wrong, one after the other and again from the first, when it is asked who used a version."""

    errors: tuple[Exception, ...]
    asked: int = field(default=0)

    def __call__(self, call: str) -> Exception | None:
        """Say what goes wrong with this call."""
        if call != "last_used" or not self.errors:
            return None
        self.asked += 1
        return self.errors[self.asked % len(self.errors)]


def test_a_version_that_nobody_used_of_late_goes_when_its_overlap_is_over() -> None:
    """Nobody is asked before; then once, and the pods are looked at once more after the answer."""
    world = rotated(kept(), 10 * MINUTE)
    assert (states(world), world.plug.calls.count(ASKED)) == ({1: "Retiring", 2: "Active"}, 0)
    begin = len(world.plug.calls)
    world.run(MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    calls = world.plug.calls[begin:]
    users = ["workloads.find", "pods.list"]
    assert calls[:6] == [*users, "backends.open", ASKED, *users]
    assert (calls.count(ASKED), calls.count("meter.read")) == (1, 0)


def test_a_version_in_use_stays_until_it_is_quiet() -> None:
    """It goes when nobody used it for so long, by five minutes at most; who uses the new one is no reason."""
    world = kept()
    use(world)
    rotated(world, QUIET - HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert said(world, BLOCKED) == ("True", "InUse")
    assert condition(world, BLOCKED).message == "version 1 is still in use: somebody used it in the last 6h"
    use(world)
    use(world, 2)
    world.run(QUIET)
    assert states(world) == {1: "Retiring", 2: "Active"}
    use(world, 2)
    world.run(5 * MINUTE + SECOND)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert said(world, BLOCKED) == ("False", "None")


def test_our_own_proof_is_a_use_that_passes() -> None:
    """A version is used once by us, before it is current: it is not kept by that for longer than `quiet`."""
    world = rotated(kept(HOUR), QUIET - HOUR - MINUTE)
    assert said(world, BLOCKED) == ("True", "InUse")
    assert states(world) == {1: "Retiring", 2: "Active"}
    world.run(7 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert world.plug.calls.count("backend.prove") == 2


def test_a_young_version_of_which_no_use_is_known() -> None:
    """It may only not be known yet: it is kept until it is as old as `quiet`, and that costs no write."""
    world = kept(HOUR)
    world.backend.used.clear()
    rotated(world, HOUR)
    world.backend.used.clear()
    assert said(world, BLOCKED) == ("True", "UsageUnknown")
    words = "version 1 may still be in use: its backend knows of no use, and it was made in the last 6h"
    assert condition(world, BLOCKED).message == words
    saved = world.plug.calls.count("credentials.save")
    world.run(3 * HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert world.plug.calls.count("credentials.save") == saved
    world.run(HOUR + 6 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_a_version_that_somebody_deleted_there_is_used_by_nobody() -> None:
    """It was used a moment before, and goes at once."""
    world = kept()
    use(world)
    rotated(world, 9 * MINUTE)
    world.backend.things = {id_: one for id_, one in world.backend.things.items() if one.claim and one.claim.number > 1}
    world.run(2 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}


AWAY = "its backend cannot be asked now; the condition Ready of its provider says why"
SILENT: dict[str, tuple[tuple[Exception, ...], str]] = {
    "it is away, and then left alone": ((Retryable("no connection"), Retryable("left alone", retry_after=9.0)), AWAY),
    "a right is missing": ((Rejected(Reason.BACKEND_REFUSED, "give it the right"),), "give it the right"),
    "it does not let us in": ((Rejected(Reason.NEEDS_REAUTH, "put good keys there"),), "put good keys there"),
    "it cannot say yet": ((NotYet("it is not known everywhere yet"),), "it is not known everywhere yet"),
}


@pytest.mark.parametrize("case", SILENT)
def test_nobody_can_tell(case: str) -> None:
    """It stays for as long as that is so, says why in words that stay the same, and goes when it is known."""
    errors, words = SILENT[case]
    world = kept()
    world.backend.trouble = answers = Answers(errors)
    rotated(world, 20 * MINUTE)
    assert said(world, BLOCKED) == ("True", "UsageUnknown")
    assert condition(world, BLOCKED).message == f"version 1 may still be in use: {words}"
    saved, asked = world.plug.calls.count("credentials.save"), answers.asked
    world.run(DAY)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert world.plug.calls.count("credentials.save") == saved
    assert answers.asked - asked in range(280, 300)
    answers.errors = ()
    world.run(5 * MINUTE + SECOND)
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_a_backend_that_never_tells() -> None:
    """Admission refuses to ask it; who has it asked all the same is told so, and no version goes for that."""
    world = kept()
    world.backend.traits = Traits(makes_value=True, listable=True)
    rotated(world, HOUR)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert "no backend is known that tells when it was last used" in condition(world, BLOCKED).message
    assert ASKED not in world.plug.calls


def test_what_others_know_is_not_kept_for_who_uses_it() -> None:
    """Whoever uses it may be the one who must not: nobody is asked."""
    world = kept()
    use(world)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(10 * MINUTE)
    assert (states(world), world.plug.calls.count(ASKED)) == ({1: "Revoked", 2: "Active"}, 0)


@dataclass
class Comes:
    """A pod that holds the version comes while the backend is asked."""

    world: World

    def __call__(self, call: str) -> None:
        """Start it, an hour ago as its clock has it."""
        if call == "last_used" and not self.world.bare:
            started(self.world)
            self.world.bare[-1].started = self.world.time - HOUR


def test_a_pod_that_comes_while_the_answer_is_under_way() -> None:
    """It was not there when pods were looked at; they are looked at again, and it keeps the version."""
    world = kept()
    world.backend.trouble = Comes(world)
    rotated(world, 11 * MINUTE)
    assert (states(world), world.plug.calls.count(ASKED)) == ({1: "Retiring", 2: "Active"}, 1)
    assert said(world, BLOCKED) == ("True", "HeldByPods")


def test_an_answer_that_is_not_heeded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that takes every answer for no use breaks U1."""
    world = kept()
    use(world)
    monkeypatch.setattr(usage, "since", lambda *_: Usage(InUse.NO))
    with pytest.raises(AssertionError, match="U1"):
        rotated(world, HOUR)
