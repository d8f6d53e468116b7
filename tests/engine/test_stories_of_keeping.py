"""Stories of refresh tokens that are kept sealed for the next renewal, told in the simulated world."""

from __future__ import annotations

from datetime import timedelta
from inspect import signature

from rekey.core.bundle import kept
from rekey.core.envelope import parse
from rekey.core.keyring import SETTLE
from rekey.core.material import Material
from rekey.engine.issuing import TRIES
from rekey.kube.client import Client
from rekey.ports.backend import Traits
from rekey.ports.sealed import ANNOTATION
from rekey.providers.backends import LONGEST
from rekey.providers.limits import PATIENCE
from tests.engine.scenarios_of_backends import CONSENT, GRANTED, TOKEN, consented
from tests.engine.telling import HOUR, MINUTE, condition, states, verdict
from tests.sim.world import World

RENEWAL = timedelta(minutes=29)


def granted() -> World:
    """Return a world with a token that was got by a person's consent."""
    world = World()
    world.backend.traits = Traits(makes_value=True, listable=False)
    consented(world)
    world.apply("api", GRANTED)
    world.run(MINUTE)
    assert states(world) == {1: "Active"}
    return world


def test_no_write_under_an_old_key_takes_as_long_as_a_rotation_waits() -> None:
    """Even if each request waits, is sent and is answered as late as it may, at the API server and at the backend."""
    request = 2 * signature(Client).parameters["timeout"].default  # its turn, and its answer
    pauses = 2.0 * (TRIES - 1)
    the_ring_is_written, it_was_read_before = request, request
    stored = TRIES * request + pauses
    a_service_wrapped_it = LONGEST  # what is read to get to it comes before that
    wrapped = max(the_ring_is_written + it_was_read_before, a_service_wrapped_it)
    assert wrapped + PATIENCE + LONGEST + stored < SETTLE.total_seconds()


def test_renewals_go_on_by_what_the_one_before_kept() -> None:
    """For three hours each refresh token is used once; it stands sealed beside its version, and nowhere in clear."""
    world = granted()
    world.run(3 * HOUR)
    issued = world.backend.calls["issue"]
    assert issued >= 6
    assert len(world.backend.refreshed) == issued
    assert not [name for name, view in world.secrets.items() if kept(view.material).keys()]
    current = world.credentials["api"].status.current_version
    assert parse(world.secrets[f"api-v{current}"].annotations[ANNOTATION]).wrapped.key_id == "key-1-of-all"
    assert ANNOTATION not in world.secrets["api"].annotations


def test_a_token_of_the_clients_own_asks_nobody_for_a_key() -> None:
    """Nothing is kept, so nothing is sealed."""
    world = World()
    world.backend.traits = Traits(makes_value=True, listable=False)
    world.apply("api", TOKEN)
    world.run(HOUR)
    assert not [call for call in world.plug.calls if call.startswith("keys.")]


def test_one_call_of_the_key_service_opens_and_one_seals() -> None:
    """For each renewal, whatever else is done."""
    world = granted()
    world.plug.calls.clear()
    world.run(RENEWAL)
    assert states(world)[2] == "Active"
    assert [call for call in world.plug.calls if call.startswith(("keys.", "backend.issue"))] == [
        "keys.unwrap",
        "keys.wrap",
        "backend.issue",
    ]


def test_without_the_key_service_nothing_is_asked_and_nothing_is_lost() -> None:
    """It is said, the current token stays, the server is left alone; when it is back the chain goes on."""
    world = granted()
    world.keys.away = True
    world.run(RENEWAL)
    assert world.backend.calls["issue"] == 1
    assert states(world) == {1: "Active", 2: "Reserved"}
    assert condition(world, "Ready").status == "True"
    assert verdict(world, "Stalled") == ("True", "KeyUnavailable")
    assert "waits for the key that seals: the key service does not answer" in condition(world, "Stalled").message
    assert len(world.backend.refreshed) == 1
    world.keys.away = False
    world.run(HOUR)
    assert verdict(world, "Stalled")[0] == "False"
    assert world.backend.calls["issue"] == len(world.backend.refreshed) > 1


def test_a_key_service_that_is_slow_has_nothing_asked_too_late() -> None:
    """What was announced long ago is not done any more: somebody else may act by then. It is said, and tried again."""
    world = granted()
    world.keys.takes = timedelta(seconds=6)
    world.run(RENEWAL)
    assert world.backend.calls["issue"] == 1
    assert condition(world, "Ready").status == "True"
    assert verdict(world, "Stalled") == ("True", "KeyUnavailable")
    world.keys.takes = timedelta(seconds=3)
    world.run(HOUR)
    assert verdict(world, "Stalled")[0] == "False"
    assert world.backend.calls["issue"] == len(world.backend.refreshed) > 1


def test_a_key_service_that_goes_away_while_the_server_answers_costs_no_refresh_token() -> None:
    """The key was wrapped before: what the server told is sealed all the same."""
    world = granted()

    def cut(call: str) -> Exception | None:
        world.keys.away = call == "issue"
        return None

    world.backend.trouble = cut
    world.run(RENEWAL)
    assert states(world)[2] == "Active"
    world.keys.away = False
    world.backend.trouble = lambda _: None
    world.run(HOUR)
    assert world.backend.calls["issue"] == len(world.backend.refreshed) > 2


def test_a_lost_key_is_said_and_a_new_consent_mends_it() -> None:
    """Nothing is asked by a consent that is older than what was lost: that one is used up."""
    world = granted()
    world.keys.rotate()
    world.keys.retire()
    world.run(RENEWAL)
    assert world.backend.calls["issue"] == 1
    assert verdict(world, "Stalled") == ("True", "StateUnreadable")
    assert "Secret api-v1" in condition(world, "Stalled").message
    consented(world, CONSENT + b"-again")
    world.run(2 * MINUTE)
    assert world.backend.calls["issue"] == 2
    assert verdict(world, "Stalled")[0] == "False"


def test_what_is_kept_is_not_taken_from_another_version() -> None:
    """A sealed value that somebody moved does not open, and is said."""
    world = granted()
    world.run(RENEWAL)
    one, two = (world.secrets[f"api-v{number}"] for number in (1, 2))
    moved = world.put("api-v2", dict(two.material.reveal()), one.owner, dict(one.annotations))
    object.__setattr__(moved, "uid", two.uid)
    world.run(RENEWAL)
    assert verdict(world, "Stalled") == ("True", "StateUnreadable")


def test_material_that_is_kept_is_told_by_its_name() -> None:
    """What begins with `issuer.`, and nothing else."""
    assert kept(Material({"issuer.a": b"1", "b": b"2", "previous.issuer.c": b"3"})) == Material({"issuer.a": b"1"})
