"""A world in which values are sealed: a ring in its Secrets, and a shelf on which the sealed values stand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import cast

from rekey.app.ring_upkeep import KeptRings
from rekey.core.envelope import Place, Sealed, parse
from rekey.core.keyring import Key, Rest, Ring, Wish
from rekey.core.material import Material
from rekey.engine.counting import Counted
from rekey.engine.ring_rotation import RingRotation
from rekey.engine.sealing import Sealing
from rekey.errors import Conflict, NotFound, Retryable
from rekey.ports.sealed import Record
from rekey.providers.keyring.outside import OutsideRing
from rekey.providers.keyring.ring import Keyring
from tests.sim.outside import OutsideService
from tests.sim.ports import NAMESPACE, Secrets
from tests.sim.promises import Promises
from tests.sim.world import START, Plug, World
from tests.sim.world_stage import Unwatched

RETENTION = timedelta(days=30)
WISH = Wish("2026-11", "ann")
Interference = Callable[["Shelf", Place], None]


def untouched(shelf: Shelf, place: Place) -> None:
    """Nobody does anything."""


class Shelf:
    """Sealed values by place, each write on what was read; `before_store`: what somebody else does first.

    `busy`: so many reads are refused for now.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.texts: dict[Place, tuple[str, int]] = {}
        self.before_store: Interference = untouched
        self.under_way = self.most = 0
        self.ours = True
        self.busy = 0

    def put(self, place: Place, text: str) -> None:
        """Store a value, new or anew."""
        self.world.call("shelf.put", lambda: self._put(place, text), write=True)

    def _put(self, place: Place, text: str) -> None:
        self.texts[place] = (text, self.texts.get(place, ("", 0))[1] + 1)

    async def places(self, *, ours: bool) -> AsyncIterator[Place]:
        for place in list(self.texts) if self.ours or not ours else ():
            yield place

    async def read(self, place: Place) -> Record | None:
        if self.busy:
            self.busy -= 1
            raise Retryable("it is busy")
        found = self.world.call("shelf.read", lambda: self.texts.get(place))
        return Record(place, found[0], str(found[1])) if found is not None else None

    async def store(self, record: Record, text: str) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.before_store(self, record.place)
        self.under_way -= 1
        if record.place not in self.texts:
            raise NotFound(str(record.place))
        if str(self.texts[record.place][1]) != record.revision:
            raise Conflict(str(record.place))
        self.put(record.place, text)

    def sealed(self) -> dict[Place, Sealed]:
        """Return all values as they stand there."""
        return {place: parse(text) for place, (text, _) in self.texts.items()}

    def under(self) -> dict[str, int]:
        """Return how many values each key wraps."""
        return Counter(one.wrapped.key_id for one in self.sealed().values())


class Office:
    """Everything that seals, in a fresh world, with a clock that the tests set; `outside`: keys are not there."""

    def __init__(self, plug: Plug | None = None, *, outside: bool = False) -> None:
        self.world = World()
        self.world.promises = cast("Promises", Unwatched())
        self.world.plug = plug or self.world.plug
        self.shelf = Shelf(self.world)
        self.time = START
        self.counted: Counter[tuple[str, str]] = Counter()
        self.inside = Keyring(Secrets(self.world), self, NAMESPACE)
        self.service = OutsideService(self.world, self.now)
        self.keep_by(OutsideRing(self.service, self.inside, self) if outside else self.inside)

    def keep_by(self, keys: KeptRings) -> None:
        """Have keys kept by another one."""
        self.keys = keys
        self.sealing = Sealing(Counted(keys, self.count))
        self.rotation = RingRotation("", keys, self.sealing, self.shelf, self, RETENTION)

    def now(self) -> datetime:
        """Return the present instant."""
        return self.time

    async def turn_after(self, rest: Rest, wish: Wish | None = WISH) -> Rest:
        """Wait as long as it was said, and take the next turn."""
        assert rest.until is not None
        assert rest.until > self.time
        self.time = rest.until
        return await self.rotation.turn(wish)

    def count(self, operation: str, result: str) -> None:
        """Count a call of who keeps the keys."""
        self.counted[operation, result] += 1

    async def fill(self, number: int) -> None:
        """Seal and store so many values, but those that stand there already."""
        for place in map(place_of, range(number)):
            if place not in self.shelf.texts:
                self.shelf.put(place, await self.sealing.seal(state_of(place), place))

    async def ring(self) -> Ring:
        """Return the ring."""
        found = await self.keys.read("")
        assert found is not None
        return found

    async def states(self) -> list[str]:
        """Return the states of the keys, the oldest first."""
        return [key.state.value for key in (await self.ring()).keys]

    async def retiring(self) -> Key:
        """Return the oldest key."""
        return (await self.ring()).keys[0]

    async def settle(self, wish: Wish | None = WISH) -> Rest:
        """Take turn after turn, as time passes, until a key is deleted or nothing is to be done."""
        rest = await self.rotation.turn(wish)
        for _ in range(10):
            if rest.until is None:
                return rest
            rest = await self.turn_after(rest, wish)
        raise AssertionError(f"it does not come to its end: {rest.why}")

    async def opened(self) -> bool:
        """Tell whether each value is what was put in."""
        return all([await self.sealing.open(text, at) == state_of(at) for at, (text, _) in self.shelf.texts.items()])


def place_of(number: int) -> Place:
    """Return a place."""
    return Place(f"uid-{number}", 1 + number % 3, "refresh token")


def state_of(place: Place) -> Material:
    """Return what is to be sealed there."""
    return Material({"refresh_token": f"refresh-token-of-{place.uid}".encode()})
