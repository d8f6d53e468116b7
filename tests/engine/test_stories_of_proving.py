"""A version is used once before anybody is given it: rotations with a service that accepts, refuses or is away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from rekey.core import proving
from rekey.core.facts import How
from tests.engine.scenarios import BOTH_SIDES, GATE, PROVED, PROVED_BOTH, WEB, gate, spec
from tests.engine.telling import (
    HOUR,
    MINUTE,
    condition,
    heard,
    outcome,
    settled,
    states,
    triggered,
    values,
    verdict,
    why,
)
from tests.sim.cluster import Workload
from tests.sim.world import World

SECOND = timedelta(seconds=1)


class Service:
    """A service that answers what it is told, try by try; the last answer for ever."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)
        self.shown: list[bytes] = []

    def __call__(self, value: bytes) -> int | None:
        self.shown.append(value)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def served(*answers: int | None, **changes: Any) -> tuple[World, Service]:
    """Return a world at version 1 that a service accepted, which answers these from now on."""
    world = settled(**{**PROVED, **changes})
    world.service = service = Service(*answers)
    return world, service


def shown(world: World) -> set[int]:
    """Return the versions that the bundle ever showed."""
    return {item.number for item in world.history["api"] if item.number is not None}


def secret(world: World, name: str) -> bytes:
    """Return the header that a version makes."""
    return b"Bearer " + values(world, name)["token"]


def test_the_service_sees_the_value_before_the_bundle_shows_it() -> None:
    """It is asked once, with what is stored; then the version becomes current."""
    world, service = served(200)
    triggered(world, lasts=5 * SECOND, **PROVED)
    assert service.shown == [secret(world, "api-v2")]
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert secret(world, "api-v2") in world.proved


def test_without_a_probe_nobody_is_asked() -> None:
    """Nothing is sent for a credential that names no service."""
    world = settled()
    world.service = service = Service(401)
    triggered(world)
    assert service.shown == []


def test_a_refused_version_is_discarded_and_another_one_made() -> None:
    """After three refusals; nobody was given it, and the second is accepted half a minute later."""
    world, service = served(401, 403, 401, 200)
    triggered(world, lasts=20 * SECOND, **PROVED)
    assert states(world) == {1: "Active", 2: "Discarded"}
    assert "api-v2" not in world.secrets
    assert verdict(world, "Stalled") == ("True", "ValidationRefused")
    assert verdict(world, "Ready") == ("True", "ValidationRefused")
    world.run(MINUTE)
    assert states(world) == {1: "Retiring", 2: "Discarded", 3: "Active"}
    assert shown(world) == {1, 3}
    assert len(service.shown) == 4
    assert verdict(world, "Stalled") == ("False", "None")
    assert heard(world, "ValidationRefused", "Discarded", "ValueLost") == {
        "ValidationRefused": 1,
        "Discarded": 1,
        "ValueLost": 0,
    }


def test_two_refusals_and_then_an_answer_are_no_refusal() -> None:
    """Below the threshold the version is kept."""
    world, _ = served(401, 401, 200)
    triggered(world, **PROVED)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert heard(world, "ValidationRefused") == {"ValidationRefused": 0}


def test_a_service_that_always_refuses_ends_it() -> None:
    """Five versions in a row, then none until somebody mends it; the old one is current all the time."""
    world, service = served(403)
    triggered(world, lasts=24 * HOUR, **PROVED)
    assert {number for number in states(world) if number > 1} <= {3, 4, 5, 6}
    assert len(set(service.shown)) == 5
    assert states(world)[1] == "Active"
    assert shown(world) == {1}
    assert verdict(world, "Stalled") == ("True", "ValidationRefused")
    assert "5 versions in a row" in condition(world, "Stalled").message
    world.service = Service(200)
    triggered(world, "b", **PROVED)
    assert states(world)[7] == "Active"


MENDED: dict[str, dict[str, Any]] = {
    "another URL": {"validation": {"http": {"url": "https://new.orders.svc/", "bearer": {}}}},
    "no probe any more": {"validation": None},
}


@pytest.mark.parametrize("case", MENDED)
def test_a_mended_spec_needs_no_trigger(case: str) -> None:
    """What was refused by another request is tried again at once, for the same cause."""
    world, _ = served(403)
    triggered(world, lasts=24 * HOUR, **PROVED)
    world.service = Service(200)
    triggered(world, lasts=10 * SECOND, **MENDED[case])
    assert states(world)[7] == "Active"
    rotation = world.credentials["api"].status.rotation
    assert rotation is not None
    assert (rotation.cause, rotation.attempts) == ("Trigger", 1)


def test_the_first_version_waits_for_the_service_too() -> None:
    """A refused first version is no lost value; there is no bundle until one is accepted."""
    world = World()
    world.service = Service(401, 401, 401, 200)
    world.apply("api", spec(**PROVED))
    world.run(20 * SECOND)
    assert states(world) == {1: "Discarded"}
    assert "api" not in world.secrets
    assert verdict(world, "Ready") == ("False", "ValidationRefused")
    world.run(MINUTE)
    assert states(world) == {1: "Discarded", 2: "Active"}
    assert heard(world, "ValueLost", "Issued") == {"ValueLost": 0, "Issued": 1}


def test_a_first_version_that_is_always_refused_ends_it_too() -> None:
    """Five versions, then none; a trigger is a person's word."""
    world = World()
    world.service = service = Service(401)
    world.apply("api", spec(**PROVED))
    world.run(24 * HOUR)
    assert len(set(service.shown)) == 5
    assert verdict(world, "Stalled") == ("True", "ValidationRefused")
    world.service = Service(200)
    triggered(world, **PROVED)
    assert states(world)[6] == "Active"


AWAY: dict[str, int | None] = {"nothing listens": None, "it is broken": 503, "it is busy": 429, "it sends away": 302}


@pytest.mark.parametrize("case", AWAY)
def test_a_service_that_is_away_discards_nothing(case: str) -> None:
    """The version is kept for hours, asked less and less often, and used as soon as the service is back."""
    world, service = served(AWAY[case])
    triggered(world, lasts=6 * HOUR, **PROVED)
    assert states(world) == {1: "Active", 2: "Issued"}
    assert verdict(world, "Stalled") == ("True", "ValidationUnreachable")
    assert verdict(world, "Ready")[0] == "True"
    assert 72 <= len(service.shown) <= 90
    assert len(set(service.shown)) == 1
    assert heard(world, "Stalled", "ValidationRefused") == {"Stalled": 1, "ValidationRefused": 0}
    world.service = Service(200)
    world.run(6 * MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    assert verdict(world, "Stalled") == ("False", "None")


def test_one_missing_answer_alarms_nobody() -> None:
    """It stalls only when as many tries came to nothing as refusals would discard it."""
    world, _ = served(None, None, 200)
    triggered(world, **PROVED)
    assert states(world)[2] == "Active"
    assert heard(world, "Stalled") == {"Stalled": 0}


def test_an_address_that_is_not_allowed_is_said() -> None:
    """Nothing is sent; the condition names the setting; another URL is tried at once."""
    away: dict[str, Any] = {"validation": {"http": {"url": "https://elsewhere.example.com/", "bearer": {}}}}
    world = settled()
    world.service = service = Service(200)
    triggered(world, lasts=HOUR, **away)
    assert service.shown == []
    assert states(world) == {1: "Active", 2: "Issued"}
    assert verdict(world, "Stalled") == ("True", "ValidationForbidden")
    assert "REKEY_PROBE_ALLOWED" in condition(world, "Stalled").message
    assert heard(world, "Stalled") == {"Stalled": 1}
    triggered(world, lasts=5 * SECOND, **PROVED)
    assert states(world)[2] == "Active"


def test_an_authority_that_is_missing_is_said() -> None:
    """The Secret with `ca.crt` may come later; nothing is sent before."""
    http = {**PROVED["validation"]["http"], "caSecretName": "ours"}
    world = settled()
    triggered(world, lasts=MINUTE, validation={"http": http})
    assert "Secret ours has no ca.crt" in condition(world, "Stalled").message
    world.put("ours", {"ca.crt": b"pem"})
    world.run(6 * MINUTE)
    assert states(world)[2] == "Active"


def test_verifiers_know_the_version_before_the_service_is_asked() -> None:
    """A service that checks by the verifier's Secret would refuse it otherwise."""
    world = _both_sides()
    told: list[set[int]] = []

    def answer(_: bytes) -> int:
        told.append(_knows(world))
        return 200

    world.service = answer
    triggered(world, lasts=5 * MINUTE, consumers=BOTH_SIDES, **PROVED_BOTH)
    assert told == [{1, 2}]
    assert world.workloads["gate"].template == {"api": "2"}
    assert states(world)[2] == "Active"


def test_a_version_that_verifiers_know_is_taken_back_from_them() -> None:
    """Verifiers are moved back, then the version is discarded; clients never had it."""
    world = _both_sides()
    world.service = Service(401)
    triggered(world, lasts=100 * SECOND, consumers=BOTH_SIDES, **PROVED_BOTH)
    world.run(HOUR, lambda: states(world)[2] == "Discarded")
    assert shown(world) == {1}
    assert 2 not in _knows(world)
    assert world.workloads["web"].restarts == []


def _both_sides() -> World:
    verifiers = (gate(), Workload("reloads", "api-verifier", how=How.VOLUME))
    world = settled(*verifiers, consumers=BOTH_SIDES, **PROVED_BOTH)
    world.add(Workload("web", "api"))
    world.run(MINUTE)
    return world


def _knows(world: World) -> set[int]:
    text = values(world, "api-verifier")["verifier.json"]
    return {entry["version"] for entry in json.loads(text)["entries"]}


def test_a_request_follows_the_version_that_was_made_instead() -> None:
    """It is not failed by a refusal, and says who asked for the second version too."""
    world, _ = served(401, 401, 401, 200)
    world.ask("now", "Manual")
    world.run(20 * SECOND)
    assert outcome(world, "now") == ("Running", 1, 2)
    world.run(5 * MINUTE)
    assert outcome(world, "now") == ("Succeeded", 1, 3)
    rotation = world.credentials["api"].status.rotation
    assert rotation is not None
    assert rotation.requested_by == "RotationRequest now"


def test_a_request_fails_when_no_more_are_made() -> None:
    """After five refused versions it says so."""
    world, _ = served(401)
    world.ask("now", "Manual")
    world.run(24 * HOUR)
    assert outcome(world, "now") == ("Failed", 1, 6)
    assert "was taken back" in why(world, "now")


def test_a_leak_is_not_left_because_of_a_refusal() -> None:
    """From what others know there is no way back: the version is kept, and asked for again and again."""
    world, service = served(401)
    world.ask("leak", "Compromise", revoke="AfterRollout")
    world.run(HOUR)
    assert states(world) == {1: "Active", 2: "Issued"}
    assert verdict(world, "Stalled") == ("True", "ValidationRefused")
    assert len(set(service.shown)) == 1
    world.service = Service(200)
    world.run(6 * MINUTE)
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert outcome(world, "leak")[0] == "Succeeded"


def test_a_leak_that_is_to_go_at_once_waits_for_no_service() -> None:
    """Nor does it while a version waits that was made before: that one is discarded."""
    world, _ = served(None)
    triggered(world, **PROVED)
    assert states(world) == {1: "Active", 2: "Issued"}
    world.ask("leak", "Compromise", revoke="Immediately")
    world.run(10 * SECOND)
    assert states(world) == {1: "Revoked", 2: "Discarded", 3: "Active"}


def test_a_changed_generator_discards_what_waits() -> None:
    """What was made by an older spec is not proved any more."""
    world, _ = served(None)
    triggered(world, **PROVED)
    world.service = Service(200)
    triggered(world, generate={"token": {"prefix": "ord_", "bytes": 48}}, **PROVED)
    assert states(world) == {1: "Retiring", 2: "Discarded", 3: "Active"}


def test_a_credential_is_deleted_while_it_waits() -> None:
    """Nothing is left of the version that nobody used."""
    world, _ = served(None, deletionPolicy="Revoke")
    triggered(world, deletionPolicy="Revoke", **PROVED)
    world.delete("api")
    world.run(HOUR)
    assert world.credentials == {}
    assert not [name for name in world.secrets if name.startswith("api")]


def test_no_value_is_said(everything: Callable[[World], Iterable[str]]) -> None:
    """Neither in the ledger, nor in a condition, nor in an Event, however it ends."""
    world, service = served(401, 401, 401, None, None, None, 500, 200)
    triggered(world, lasts=HOUR, **PROVED)
    texts = "\n".join(everything(world))
    assert "answered 500" in texts or "answered 401" in texts
    for value in service.shown:
        assert value.decode() not in texts
        assert value.removeprefix(b"Bearer ").decode() not in texts


@pytest.fixture
def everything() -> Callable[[World], Iterable[str]]:
    """Give what can be read of a credential by anybody."""
    return lambda world: [
        *(note for _, _, note in world.news),
        *(str(item.status.to_json()) for item in world.credentials.values()),
    ]


def test_a_step_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is shown without having been accepted: the look at what was proved finds it."""
    world, _ = served(401)
    monkeypatch.setattr(proving, "prove", lambda *_: None)
    with pytest.raises(AssertionError, match="P1"):
        triggered(world, **PROVED)


def test_a_probe_comes_after_its_intent() -> None:
    """What is known of the version is saved before it is used: a crash finds it in the ledger."""
    world, service = served(None)
    triggered(world, lasts=SECOND, **PROVED)
    calls = world.plug.calls
    asked = len(calls) - calls[::-1].index("prober.ask")
    made = len(calls) - calls[::-1].index("secrets.create")
    assert service.shown
    assert "credentials.save" in calls[made:asked]


def test_what_the_bundle_shows_is_never_refused_afterwards() -> None:
    """The service accepts once and refuses from then on, and the operator ends at any call between the two."""
    world, _ = served(200)
    begin = len(world.plug.calls)
    triggered(world, lasts=5 * SECOND, **PROVED)
    ended = set()
    for index in range(begin, len(world.plug.calls)):
        world, service = served(200, 401)
        world.plug.at, world.plug.after = index, True
        triggered(world, lasts=HOUR, **PROVED)
        ended.add(states(world)[max(shown(world))])
        assert len(service.shown) > 1 or shown(world) == {1, 2}
    assert ended == {"Active"}


def test_a_gate_that_fails_is_not_asked_for() -> None:
    """The service is asked only when verifiers are ready: one that fails with the version ends it first."""
    world = settled(gate(fails_on=frozenset({"2"})), consumers=[GATE, WEB], **PROVED_BOTH)
    world.service = service = Service(200)
    triggered(world, lasts=30 * MINUTE, consumers=[GATE, WEB], **PROVED_BOTH)
    assert states(world) == {1: "Active", 2: "Discarded"}
    assert service.shown == []
