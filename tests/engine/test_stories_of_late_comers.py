"""Stories of who comes late: a crash at the wrong moment, and a pass that began long ago."""

from tests.engine.scenarios import WEB
from tests.engine.telling import HOUR, MINUTE, settled, states, triggered, verdict
from tests.sim.cluster import Workload
from tests.sim.world import LOOP, Plug


def test_a_revocation_that_was_cut_off_is_ended_by_a_drift_check_too() -> None:
    """The Secret was deleted and nobody recorded it; the check that comes first does not ask for it back."""
    world = triggered(settled(), lasts=MINUTE)
    calls = len(world.plug.calls)
    world.run(HOUR, until=lambda: "secrets.delete" in world.plug.calls[calls:])
    place = world.plug.calls.index("secrets.delete", calls)
    world = triggered(settled(), lasts=MINUTE)
    world.plug = Plug(at=place, after=True, calls=world.plug.calls)
    world.run(HOUR, until=lambda: "api-v1" not in world.secrets)
    assert states(world) == {1: "Revoking", 2: "Active"}

    world.inspect("api")
    assert states(world) == {1: "Revoked", 2: "Active"}
    assert verdict(world, "Stalled") == ("False", "None")


def test_a_revocation_is_on_record_before_another_version_is_made() -> None:
    """Were it not, a crash would leave a bundle that shows version 3, and a ledger that withdraws version 1 from it."""
    world = triggered(settled(), lasts=MINUTE)
    triggered(world, "b", lasts=MINUTE)
    assert states(world) == {1: "Retiring", 2: "Active"}
    begin = len(world.plug.calls)
    world.run(HOUR)
    calls = world.plug.calls[begin:]
    gone = calls.index("secrets.delete")
    assert calls[gone : gone + 3] == ["secrets.delete", "credentials.save", "secrets.create"]


def test_a_pass_that_began_before_a_rotation_makes_no_version_after_it() -> None:
    """The template names a later version than the look knows: that is asked about before a number is skipped."""
    web = Workload("web", "api")
    world = settled(web, consumers=[WEB])
    triggered(world, lasts=MINUTE * 0, consumers=[WEB])
    look = world.credentials["api"]
    world.run(2 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Active"}
    LOOP.run_until_complete(world.engine.reconcile(look))
    assert {"api", "api-v2"} == set(world.secrets)
