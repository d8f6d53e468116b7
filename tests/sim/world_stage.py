"""A stage in the simulated world."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Self, cast

from rekey.core.facts import Credential, Key
from rekey.core.request import Request
from tests.sim.cluster import Pod, Workload
from tests.sim.ports import NAMESPACE, Requests
from tests.sim.promises import Promises
from tests.sim.stage import Stage
from tests.sim.world import World

SPEC = {"generate": {"token": {}}, "rotation": {"interval": "720h"}}


class Unwatched:
    """Promises that are not checked."""

    def __getattr__(self, name: str) -> Self:
        return self

    def __call__(self, *_: object) -> None:
        """Check nothing."""


class WorldStage(Stage):
    """The ports of a fresh world, and the world in the part of everybody else."""

    def __init__(self) -> None:
        self.world = World()
        # Scenes call ports in ways in which no engine would.
        self.world.promises = cast("Promises", Unwatched())
        self.ports = self.world.engine.ports
        self.requests = Requests(self.world)
        self.namespace = NAMESPACE

    async def request(self, name: str) -> Request:
        self.world.ask(name, "Manual", "db")
        return self.world.requests[name]

    async def credential(self, name: str) -> Credential:
        self.world.apply(name, SPEC)
        return self.world.credentials[name]

    async def touch_credential(self, key: Key) -> None:
        old = self.world.credentials[key.name]
        self.world.credentials[key.name] = replace(old, resource_version=self.world.next_id())

    async def delete_credential(self, key: Key) -> None:
        if self.world.credentials[key.name].finalizers:
            self.world.delete(key.name)
        else:
            del self.world.credentials[key.name]

    async def deployment(self, name: str, labels: Mapping[str, str]) -> None:
        self.world.add(Workload(name, "db", replicas=0, labels=dict(labels)))

    async def touch_deployment(self, name: str) -> None:
        self.world.workloads[name].revision += 1

    async def delete_deployment(self, name: str) -> None:
        del self.world.workloads[name]

    async def pod(self, name: str, secret: str) -> None:
        never = self.world.time + timedelta(days=1)
        self.world.bare.append(Pod(name, None, never, {}, secret))

    async def end_pod(self, name: str) -> None:
        self.world.bare = [pod for pod in self.world.bare if pod.name != name]
