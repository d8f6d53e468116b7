"""Stories of those who are told what becomes of a credential, told in the simulated world."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rekey.core.reasons import Reason
from rekey.core.spec_notify import Notify
from rekey.errors import Forbidden, NoAnswer, Rejected, RekeyError, Retryable
from tests.engine.scenarios import spec
from tests.engine.scenarios_of_backends import HELD, HOOK
from tests.engine.telling import DAY, HOUR, MINUTE, states, verdict
from tests.sim.world import World


def told(world: World) -> list[str]:
    """Return what was told, by version and kind."""
    return [message.id.partition("-api-")[2] for _, message in world.told]


def asked(world: World, trigger: str) -> None:
    """Ask for another version."""
    world.apply("api", HELD | {"notify": HOOK, "rotation": {**HELD["rotation"], "trigger": trigger}})


def watched() -> World:
    """Return a world with a credential of a backend, whose webhook was told of its first version."""
    world = World()
    world.apply("api", HELD | {"notify": HOOK})
    world.run(HOUR)
    assert told(world) == ["1-new_version"]
    return world


def test_a_log_in_that_is_refused_and_mended() -> None:
    """One notification for each, whatever happens in between; the backend is asked once, and once more."""
    world, calls = watched(), Counter[str]()
    refused = Rejected(Reason.NEEDS_REAUTH, "authorize again")

    def refuse(call: str) -> Exception | None:
        calls[call] += 1
        return refused if call == "issue" else None

    world.backend.trouble = refuse
    asked(world, "a")
    world.run(DAY)
    assert calls["issue"] == 1
    assert told(world) == ["1-new_version", "2-authentication_error"]
    world.restart()
    world.run(DAY)
    assert len(told(world)) == 2
    world.backend.login += 1
    world.backend.trouble = lambda _: None
    world.run(HOUR)
    assert told(world)[2:] == ["2-reactivated", "2-new_version"]
    assert verdict(world, "NeedsReauth")[0] == "False"


AWAY: dict[str, RekeyError] = {
    "is away": Retryable("no connection"),
    "may have got it": NoAnswer("no answer"),
    "does not want it": Rejected(Reason.BACKEND_REFUSED, "410"),
    "is not declared": Rejected(Reason.PROVIDER_NOT_FOUND, "there is none"),
    "is signed by a Secret that we may not read": Forbidden("get", "secrets", "orders"),
}


@pytest.mark.parametrize("name", AWAY)
def test_a_webhook_that_does_not_take_it(name: str) -> None:
    """It is tried ever rarer and holds nothing up; the status says why, and then it is told all that it missed."""
    world, calls = watched(), Counter[str]()

    def away(call: str) -> Exception | None:
        calls[call] += 1
        return AWAY[name] if call == "notify" else None

    world.backend.trouble = away
    asked(world, "a")
    world.run(5 * MINUTE)
    assert states(world)[2] == "Active"
    world.run(DAY)
    assert 24 <= calls["notify"] <= 40
    (waiting,) = (item for item in world.credentials["api"].status.notifications if item.sent_time is None)
    assert waiting.error == str(AWAY[name])
    assert told(world) == ["1-new_version"]
    world.backend.trouble = lambda _: None
    world.run(2 * HOUR)
    assert told(world) == ["1-new_version", "2-new_version"]


def test_a_webhook_that_is_away_is_tried_by_one_event_at_a_time() -> None:
    """However many wait: a day costs as many tries as with one, and then all go, in their order."""
    world, calls = watched(), Counter[str]()
    refused = Rejected(Reason.NEEDS_REAUTH, "authorize again")

    def trouble(call: str) -> Exception | None:
        calls[call] += 1
        return {"issue": refused, "notify": Retryable("no connection")}.get(call)

    world.backend.trouble = trouble
    asked(world, "a")
    world.run(MINUTE)
    world.backend.login += 1
    world.backend.trouble = lambda call: trouble(call) if call == "notify" else None
    world.run(DAY)
    open_ones = [item.event for item in world.credentials["api"].status.notifications if item.sent_time is None]
    assert open_ones == ["authentication_error", "reactivated", "new_version"]
    assert 24 <= calls["notify"] <= 45
    world.backend.trouble = lambda _: None
    world.run(2 * HOUR)
    assert told(world) == ["1-new_version", "2-authentication_error", "2-reactivated", "2-new_version"]


def test_without_anybody_to_tell_not_one_call_differs() -> None:
    """Nothing is written, either."""
    world = World()
    world.apply("api", HELD)
    world.run(HOUR)
    assert world.told == []
    assert "backends.notify" not in world.plug.calls
    assert world.credentials["api"].status.notifications == ()


EVERYWHERE = {"ref": {"kind": "ClusterCredentialProvider", "name": "all"}}


def told_of_all(world: World, *audience: dict[str, Any]) -> World:
    """Start the operator anew with webhooks that are told of every credential; it looks at each of them."""
    world.audience = tuple(Notify.model_validate(one) for one in audience)
    world.restart()
    world.run(HOUR)
    return world


def test_a_webhook_for_all_is_told_without_anybody_naming_it() -> None:
    """Of a credential of a backend and of one that is made here, from their first version on."""
    world = told_of_all(World(), EVERYWHERE)
    world.apply("api", HELD)
    world.apply("other", spec())
    world.run(HOUR)
    world.apply("other", spec("a"))
    world.run(HOUR)
    heard = [(message.body["subject"], message.body["data"]["version"]) for _, message in world.told]
    assert sorted(heard) == [("orders/api", 1), ("orders/other", 1), ("orders/other", 2)]
    assert {where for where, _ in world.told} == {"all"}


def test_a_webhook_for_all_that_is_set_later_is_told_no_history() -> None:
    """Where all is well nothing is written, however often the operator starts; from then on it is told."""
    world = World()
    world.apply("api", HELD)
    world.run(HOUR)
    saves = world.writes["credentials.save"]
    told_of_all(world, EVERYWHERE)
    told_of_all(world, EVERYWHERE)
    assert (world.writes["credentials.save"], told(world)) == (saves, [])
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "a"}})
    world.run(HOUR)
    assert told(world) == ["2-new_version"]
    saves = world.writes["credentials.save"]
    told_of_all(world, {**EVERYWHERE, "events": ["expiring"]}, {"ref": {**EVERYWHERE["ref"], "name": "a"}})
    told_of_all(world)
    assert (world.writes["credentials.save"], told(world)) == (saves, ["2-new_version"])
    assert {item.webhook for item in world.credentials["api"].status.notifications} == {"ClusterCredentialProvider/all"}
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "b"}})
    world.run(HOUR)
    assert (world.credentials["api"].status.notifications, told(world)) == ((), ["2-new_version"])


def test_a_webhook_for_all_that_is_set_later_is_told_what_is_wrong_now() -> None:
    """And that it is over: whoever is on call must act, whenever it began."""
    world = World()
    world.apply("api", HELD)
    world.run(HOUR)
    refused = Rejected(Reason.NEEDS_REAUTH, "authorize again")
    world.backend.trouble = lambda call: refused if call == "issue" else None
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "a"}})
    world.run(HOUR)
    told_of_all(world, {**EVERYWHERE, "events": ["authentication_error", "reactivated"]})
    assert told(world) == ["2-authentication_error"]
    world.backend.login += 1
    world.backend.trouble = lambda _: None
    world.run(HOUR)
    assert told(world) == ["2-authentication_error", "2-reactivated"]


def test_a_webhook_that_the_credential_names_too_is_told_once() -> None:
    """Of what either asks for."""
    world = told_of_all(World(), {**EVERYWHERE, "events": ["authentication_error"]})
    world.apply("api", HELD | {"notify": [{**EVERYWHERE, "events": ["new_version"]}]})
    world.run(HOUR)
    assert told(world) == ["1-new_version"]
    saves = world.writes["credentials.save"]
    told_of_all(world)
    assert (world.writes["credentials.save"], told(world)) == (saves, ["1-new_version"])


def test_a_webhook_for_all_is_told_for_a_credential_only_what_the_operator_asks_for() -> None:
    """What the credential adds is for its own namespace to send; that it may not holds up nothing of the operator's."""
    world = told_of_all(World(), {**EVERYWHERE, "events": ["expiring", "authentication_error"]})
    no = Rejected(Reason.PROVIDER_NOT_ALLOWED, "all is not for namespace orders")
    world.backend.trouble = lambda call: no if call == "notify as it is named" else None
    wanted = HELD | {"notify": [{**EVERYWHERE, "events": ["new_version"]}]}
    world.apply("api", wanted)
    world.run(HOUR)
    assert told(world) == []
    refused = Rejected(Reason.NEEDS_REAUTH, "authorize again")
    world.backend.trouble = {"notify as it is named": no, "issue": refused}.get
    world.apply("api", wanted | {"rotation": {**HELD["rotation"], "trigger": "a"}})
    world.run(MINUTE)
    assert told(world) == ["2-authentication_error"]
    (waiting,) = (item for item in world.credentials["api"].status.notifications if item.sent_time is None)
    assert (waiting.event, waiting.error) == ("new_version", str(no))


def test_a_webhook_for_all_that_is_away_holds_nothing_up() -> None:
    """It is told later; what another is told does not wait for it."""
    world = told_of_all(World(), EVERYWHERE)
    world.apply("api", HELD)
    world.run(HOUR)
    world.backend.trouble = lambda call: Retryable("no connection") if call == "notify" else None
    world.apply("api", HELD | {"rotation": {**HELD["rotation"], "trigger": "a"}})
    world.run(5 * MINUTE)
    assert (states(world)[2], told(world)) == ("Active", ["1-new_version"])
    world.backend.trouble = lambda _: None
    world.run(2 * HOUR)
    assert told(world) == ["1-new_version", "2-new_version"]
