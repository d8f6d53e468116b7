"""Stories of two features that meet: a probe and verifiers, a leak and sick consumers, a value that is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.engine.scenarios import GATE, PROVED, PROVED_BOTH, VERIFIED, WEB, gate, spec
from tests.engine.telling import HOUR, MINUTE, SECOND, heal, settled, sicken, states, verdict
from tests.engine.test_stories_of_proving import Service
from tests.sim.cluster import Workload
from tests.sim.world import World


def is_taken_back(world: World) -> bool:
    """Tell whether a version is being taken back."""
    return any(version.rolled_back for version in world.credentials["api"].status.versions)


@pytest.mark.parametrize("revoke", ["Immediately", "AfterRollout"])
def test_a_leak_while_a_refused_version_is_taken_back(revoke: str) -> None:
    """What was refused goes at once: there are never two versions that nobody has yet (S3), and the leaked one goes."""
    changes: dict[str, Any] = {**PROVED_BOTH, "consumers": [GATE]}
    world = settled(gate(), **changes)
    world.service = Service(401)
    world.apply("api", spec("a", **changes))
    world.run(HOUR, until=lambda: is_taken_back(world))
    assert is_taken_back(world)
    world.ask("leak", "Compromise", revoke=revoke)
    world.service = Service(200)
    world.run(3 * HOUR)
    assert states(world) == {1: "Revoked", 2: "Discarded", 3: "Active"}


def test_a_verifier_that_blinks_while_it_settles() -> None:
    """It was restarted long before the version was shown: its time to be well again begins with that."""
    world = World()
    verifier = gate()
    world.add(verifier)
    overlap = {"duration": "10m", "propagation": "40m"}
    changes: dict[str, Any] = {**VERIFIED, "consumers": [GATE], "overlap": overlap, "validation": {"settle": "10m"}}
    world.apply("api", spec(**changes))
    world.run(2 * HOUR)
    world.apply("api", spec("a", **changes))
    world.run(2 * HOUR, until=lambda: states(world).get(2) == "Active")
    world.run(MINUTE)
    sicken(verifier)
    world.run(20 * SECOND)
    heal(verifier)
    world.run(3 * HOUR)
    assert "RolledBack" not in world.said()
    assert states(world) == {1: "Revoked", 2: "Active"}


def test_consumers_that_are_ill_because_the_value_is_lost() -> None:
    """They are not waited for, also not when the first version that replaces it was refused."""
    web = Workload("web", "api")
    validation = {**PROVED["validation"], "consumers": "Required"}
    world = settled(web, **PROVED | {"consumers": [WEB], "overlap": {"duration": "10m"}, "validation": validation})
    world.service = Service(401, 401, 401, 200)
    del world.secrets["api-v1"]
    del world.secrets["api"]
    sicken(web)
    world.inspect("api")
    world.run(HOUR)
    assert world.credentials["api"].status.current_version == 3


def test_consumers_that_stay_ill_after_a_leak() -> None:
    """The rotation that is due and does not begin says so: nothing stands still without a word."""
    web = Workload("web", "api")
    rotation = {"interval": "2h", "jitterPercent": 0}
    world = settled(web, consumers=[WEB], rotation=rotation, validation={"consumers": "Required"})
    web.fails_on = frozenset({"2"})
    world.ask("leak", "Compromise", revoke="Immediately")
    world.run(4 * HOUR)
    assert verdict(world, "Postponed") == ("True", "ConsumersUnhealthy")


def test_a_version_that_waits_until_it_is_about_to_expire() -> None:
    """It never becomes current: another one is made, which lives as long as it should."""
    rotation = {"interval": "24h", "jitterPercent": 0, "lifetime": "36h"}
    world = settled(**PROVED, rotation=rotation)
    world.service = Service(None)
    world.run(timedelta(hours=70))
    world.service = Service(200)
    world.run(HOUR)
    status = world.credentials["api"].status
    assert 2 not in {shown.number for shown in world.history["api"]}
    current = next(one for one in status.versions if one.number == status.current_version)
    assert current.expiration_time is not None
    assert current.expiration_time > world.time + timedelta(hours=20)
