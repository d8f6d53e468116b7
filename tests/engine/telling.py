"""What stories in the simulated world have in common: how they begin, and how they look at what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rekey.core.status import Condition, ConsumerStatus
from tests.engine.scenarios import spec
from tests.sim.cluster import Pod, Workload
from tests.sim.world import World

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def settled(*workloads: Workload, **changes: Any) -> World:
    """Return a world whose credential `api` has been at version 1 for an hour, with these workloads."""
    world = World()
    for workload in workloads:
        world.add(workload)
    world.apply("api", spec(**changes))
    world.run(HOUR)
    assert states(world) == {1: "Active"}
    return world


def triggered(world: World, trigger: str = "a", lasts: timedelta = MINUTE, **changes: Any) -> World:
    """Ask for a rotation and let time pass."""
    world.apply("api", spec(trigger, **changes))
    world.run(lasts)
    return world


def sicken(workload: Workload) -> None:
    """Let every pod of a workload serve no more."""
    for pod in workload.pods:
        pod.fails_at = pod.started


def heal(workload: Workload) -> None:
    """Let every pod serve again."""
    for pod in workload.pods:
        pod.fails_at = None


def states(world: World, name: str = "api") -> dict[int, str]:
    """Return the states of all versions in the ledger."""
    return {version.number: version.state.value for version in world.credentials[name].status.versions}


def condition(world: World, kind: str, name: str = "api") -> Condition:
    """Return one condition."""
    return next(item for item in world.credentials[name].status.conditions if item.type == kind)


def verdict(world: World, kind: str, name: str = "api") -> tuple[str, str]:
    """Return the status and the reason of one condition."""
    found = condition(world, kind, name)
    return found.status, found.reason


def consumer(world: World, name: str) -> ConsumerStatus:
    """Return what the status says of a consumer."""
    return next(item for item in world.credentials["api"].status.consumers if item.name == name)


def bare(world: World, name: str = "tool", **options: Any) -> Pod:
    """Start a pod that uses the bundle and belongs to nobody."""
    pod = Pod(name, None, world.time, {}, "api", **options)
    world.bare.append(pod)
    return pod


def values(world: World, secret: str = "api") -> dict[str, bytes]:
    """Return what a Secret says."""
    return dict(world.secrets[secret].material.reveal())


def heard(world: World, *reasons: str) -> dict[str, int]:
    """Return how often each of these Events was sent."""
    return {reason: world.said().count(reason) for reason in reasons}


def outcome(world: World, name: str) -> tuple[str, int | None, int | None]:
    """Return how a request ended at its only credential."""
    (found,) = world.requests[name].status.results
    return found.state.value, found.from_version, found.to_version


def why(world: World, name: str) -> str:
    """Return what a request says of its only credential."""
    (found,) = world.requests[name].status.results
    return found.message


def verdicts(world: World, name: str) -> dict[str, tuple[str, str]]:
    """Return the conditions of a request."""
    return {item.type: (item.status, item.reason) for item in world.requests[name].status.conditions}
