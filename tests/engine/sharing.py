"""Worlds in which several credentials tell verifiers in one Secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rekey.engine.aggregating import Aggregates
from rekey.engine.parts import Members
from tests.engine.scenarios import HOUR, MINUTE, spec
from tests.engine.telling import states, values
from tests.sim.cluster import Workload
from tests.sim.ports import Credentials
from tests.sim.promises_of_verifiers import listed
from tests.sim.world import LOOP, World

SECOND = timedelta(seconds=1)
ALL = "all"
SHARED: dict[str, Any] = {
    "verifier": {"secretName": ALL, "format": "SHA256", "aggregate": True},
    "overlap": {"duration": "10m", "propagation": "30s"},
}
NEW, NEXT, BOTH, DONE = {1: "current"}, {2: "next", 1: "current"}, {2: "current", 1: "previous"}, {2: "current"}


def sharing(*names: str, **changes: Any) -> World:
    """Return a world in which these credentials have been at version 1 for an hour, each with a client."""
    world = World()
    for name in names:
        world.add(Workload(f"{name}-web", name))
        world.apply(name, spec(consumers=[{"kind": "Deployment", "name": f"{name}-web"}], **{**SHARED, **changes}))
    world.run(HOUR)
    assert [states(world, name) for name in names] == [{1: "Active"}] * len(names)
    return world


def rotate(world: World, *names: str, trigger: str = "a", lasts: timedelta = MINUTE, **changes: Any) -> None:
    """Ask these for a rotation and let time pass."""
    for name in names:
        consumers = [{"kind": "Deployment", "name": f"{name}-web"}]
        world.apply(name, spec(trigger, consumers=consumers, **{**SHARED, **changes}))
    world.run(lasts)


def told(world: World, name: str) -> dict[int, str]:
    """Return what verifiers can read of one credential, in whatever part."""
    found = [listed(view, name) for secret, view in world.secrets.items() if secret.startswith(ALL)]
    return {number: status for part in found for number, status in part.items()}


def remove_by_force(world: World, name: str) -> None:
    """Take a credential away as somebody does who strips its finalizer: nobody cleans up, its Secrets are collected."""
    uid = world.credentials.pop(name).uid
    for secret in [secret for secret, view in world.secrets.items() if view.owner == uid]:
        del world.secrets[secret]
    for pod in (pod for pod in list(world.workloads) if pod == f"{name}-web"):
        del world.workloads[pod]


def entries(world: World, secret: str) -> list[tuple[str, int]]:
    """Return whose versions a Secret tells of, in its order."""
    return [
        (one["credential"], one["version"]) for one in json.loads(values(world, secret)["verifier.json"])["entries"]
    ]


class Slow:
    """A port that lets others run before and after each call, as any network does."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            result = await getattr(self._port, name)(*arguments, **options)
            await asyncio.sleep(0)
            return result

        return call


def shared(world: World) -> Aggregates:
    """Return what another process would have."""
    return Aggregates(world.engine.ports, Members(world.engine.claims.shares, Credentials(world).read))


def at_once(world: World, names: Sequence[str]) -> None:
    """Let the operator work on these credentials at the same time."""
    ports = world.engine.ports
    world.engine.ports = replace(ports, secrets=Slow(ports.secrets), credentials=Slow(ports.credentials))
    world.engine.shared = shared(world)

    async def work() -> list[Any]:
        return await asyncio.gather(*(world.engine.reconcile(world.credentials[name]) for name in names))

    for name, result in zip(names, LOOP.run_until_complete(work()), strict=True):
        world.wake[name] = result.until
