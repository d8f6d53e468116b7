"""Whole rotations read as stories, in the simulated world."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rekey.core.status import State
from tests.sim.cluster import Workload
from tests.sim.world import World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def spec(**changes: Any) -> dict[str, Any]:
    """Return a plain token spec with changes at the top level."""
    base: dict[str, Any] = {
        "generate": {"token": {"prefix": "ord_"}},
        "rotation": {"interval": "24h", "jitterPercent": 0},
        "overlap": {"duration": "10m"},
    }
    return base | changes


WEB = {"kind": "Deployment", "name": "web"}


def states(world: World, name: str = "api") -> dict[int, str]:
    """Return the states of all versions in the ledger."""
    return {version.number: version.state.value for version in world.credentials[name].status.versions}


def test_a_first_version_appears_and_is_ready() -> None:
    """A new credential gets version 1, a bundle, and Ready=True."""
    world = World()
    world.apply("api", spec())
    world.run(MINUTE)

    assert states(world) == {1: "Active"}
    assert {"api", "api-v1"} == set(world.secrets)
    assert world.said() == ["Issued"]
    assert {item.type: item.status for item in world.credentials["api"].status.conditions}["Ready"] == "True"


def test_a_rotation_without_consumers() -> None:
    """A trigger makes version 2; version 1 goes after the overlap, with seven writes in all."""
    world = World()
    world.apply("api", spec())
    world.run(MINUTE)
    before = len(world.plug.calls)
    world.apply("api", spec(rotation={"interval": "24h", "jitterPercent": 0, "trigger": "a"}))
    world.run(MINUTE)
    to_active = world.plug.calls[before:]
    world.run(HOUR)

    assert states(world) == {1: "Revoked", 2: "Active"}
    assert to_active == ["secrets.create", "secrets.change", "credentials.save"]
    assert len(world.plug.calls[before:]) <= 9, world.plug.calls[before:]
    assert world.said() == ["Issued", "OverlapStarted", "OverlapExpired", "Revoked"]
    assert set(world.secrets) == {"api", "api-v2"}


def test_a_rotation_with_a_consumer() -> None:
    """The consumer is restarted once, and version 1 goes after it has moved and the overlap is over."""
    world = World()
    web = world.add(Workload("web", "api"))
    world.apply("api", spec(consumers=[WEB]))
    world.run(MINUTE)
    world.apply("api", spec(consumers=[WEB], rotation={"interval": "24h", "jitterPercent": 0, "trigger": "a"}))
    world.run(HOUR)

    assert states(world) == {1: "Revoked", 2: "Active"}
    assert web.restarts == ["2"]
    assert world.said() == [
        "Issued",
        "Activated",
        "ConsumerRestarted",
        "OverlapStarted",
        "OverlapExpired",
        "Revoked",
    ]


def test_a_rollout_that_fails_is_rolled_back() -> None:
    """Version 1 is current again, byte for byte; version 2 is discarded in the end."""
    world = World()
    web = world.add(Workload("web", "api", fails_on=frozenset({"2"})))
    world.apply("api", spec(consumers=[WEB]))
    world.run(MINUTE)
    first = dict(world.secrets["api"].material.reveal())
    world.apply("api", spec(consumers=[WEB], rotation={"interval": "24h", "jitterPercent": 0, "trigger": "a"}))
    world.run(HOUR)

    assert states(world) == {1: "Active", 2: "Discarded"}
    assert web.restarts == ["2", None]
    assert dict(world.secrets["api"].material.reveal()) == first
    assert world.said() == [
        "Issued", "Activated", "ConsumerRestarted", "RolloutFailed", "RolledBack", "ConsumerRestarted", "Discarded",
    ]  # fmt: skip


def test_months_of_rotations_by_schedule() -> None:
    """Ninety days of daily rotations: each version once, never two restarts for one, nothing left over."""
    world = World()
    web = world.add(Workload("web", "api"))
    world.apply("api", spec(consumers=[WEB]))
    world.run(timedelta(days=90))

    newest = world.credentials["api"].status.current_version
    assert newest is not None
    assert 89 <= newest <= 91
    assert web.restarts == [str(number) for number in range(2, newest + 1)]
    assert all(version.state is not State.RETIRING for version in world.credentials["api"].status.versions)
