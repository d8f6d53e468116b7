"""Stories of backends that do not let us in, where a version is to be proved or revoked."""

from __future__ import annotations

from collections import Counter

import pytest

from rekey.core.reasons import Reason
from rekey.errors import Rejected
from tests.engine.scenarios_of_backends import HELD
from tests.engine.telling import HOUR, condition, states, verdict
from tests.engine.test_stories_of_backends import held

SHUT = {
    "what is to be proved": ("prove", {1: "Active", 2: "Issued"}),
    "what is to be revoked": ("revoke", {1: "Revoking", 2: "Active"}),
}


@pytest.mark.parametrize(("closed", "meanwhile"), SHUT.values(), ids=SHUT)
def test_who_does_not_let_us_in_is_asked_once_about(closed: str, meanwhile: dict[int, str]) -> None:
    """In a day, a restart included, one log-in is tried, so that no account is locked; mended, it goes on by itself."""
    world, calls = held("a"), Counter[str]()

    def refuse(call: str) -> Exception | None:
        calls[call] += 1
        return Rejected(Reason.NEEDS_REAUTH, "put a good password into Secret login") if call == closed else None

    world.backend.trouble = refuse
    world.run(HOUR)
    world.restart()
    world.run(23 * HOUR)
    assert (calls[closed], states(world)) == (1, meanwhile)
    assert verdict(world, "Stalled") == verdict(world, "NeedsReauth") == ("True", "NeedsReauth")
    world.backend.login += 1
    world.run(HOUR)
    assert calls[closed] == 2
    world.backend.login += 1
    world.backend.trouble = lambda _: None
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert condition(world, "NeedsReauth").status == "False"
    assert not any(item.refusal for item in world.credentials["api"].status.versions)


def test_a_revocation_that_is_shut_out_holds_up_no_rotation() -> None:
    """The next version is made and used; both are revoked when somebody has mended it."""
    world = held("a")
    refused = Rejected(Reason.NEEDS_REAUTH, "put a good password into Secret login")
    world.backend.trouble = lambda call: refused if call == "revoke" else None
    world.run(HOUR)
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "b"}})
    world.run(HOUR)
    assert states(world) == {1: "Revoking", 2: "Revoking", 3: "Active"}
    world.backend.login += 1
    world.backend.trouble = lambda _: None
    world.run(HOUR)
    assert states(world) == {1: "Revoked", 2: "Revoked", 3: "Active"}
