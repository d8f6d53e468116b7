"""Who keeps keys: a key ring on the Secrets of a stage, with a line to them that can be cut; the world's own."""

from dataclasses import dataclass

from rekey.core.keyring import Begin, Disable, State, Wish, advance
from rekey.errors import NoAnswer
from rekey.ports.secrets import NewSecret, SecretChange, Secrets, SecretView
from rekey.providers.keyring.ring import Keyring
from tests.sim.conformance_of_key_encryption import Keeper
from tests.sim.stage import Stage
from tests.sim.world import World


@dataclass
class Line:
    """The way to Secrets: it counts what goes over it, and can be cut."""

    secrets: Secrets
    away: bool = False
    asked: int = 0

    def _ask(self) -> Secrets:
        self.asked += 1
        if self.away:
            raise NoAnswer("the API server does not answer")
        return self.secrets

    async def read(self, namespace: str, name: str) -> SecretView | None:
        return await self._ask().read(namespace, name)

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        return await self._ask().create(namespace, new)

    async def change(self, namespace: str, name: str, change: SecretChange) -> SecretView:
        return await self._ask().change(namespace, name, change)

    async def delete(self, namespace: str, name: str, uid: str) -> None:
        await self._ask().delete(namespace, name, uid)


class RingKeeper(Keeper):
    """Key rings in Secrets of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.line = Line(stage.ports.secrets)
        self.keys = self.ring = Keyring(self.line, stage.ports.clock, stage.namespace)

    async def rotate(self, scope: str) -> None:
        ring = await self.ring.read(scope)
        assert ring is not None
        name = f"key-{len(ring.keys) + 1}"
        after = advance(ring, Begin(Wish(name, "tests")), self.stage.ports.clock.now(), name)
        assert await self.ring.write(scope, ring, after) == after

    async def retire(self, scope: str) -> None:
        ring = await self.ring.read(scope)
        assert ring is not None
        old = tuple(key.id for key in ring.in_state(State.DECRYPT_ONLY))
        await self.ring.write(scope, ring, advance(ring, Disable(old, 1), self.stage.ports.clock.now(), ""))

    def cut_off(self, *, away: bool) -> None:
        self.line.away = away


class WorldKeeper(Keeper):
    """The keys of a world."""

    def __init__(self, world: World) -> None:
        self.keys = self.world_keys = world.keys

    async def rotate(self, scope: str) -> None:
        self.world_keys.rotate(scope)

    async def retire(self, scope: str) -> None:
        self.world_keys.retire(scope)

    def cut_off(self, *, away: bool) -> None:
        self.world_keys.away = away
