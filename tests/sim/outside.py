"""A service outside the cluster that keeps keys, in memory: each of its calls can be the last one before a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_bytes
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import IV, Wrapped
from rekey.core.keyring import Begin, Disable, State, Wish, advance
from rekey.core.outside import Versions, named
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, Rejected, RekeyError
from rekey.providers.keyring.outside import OutsideRing, Service
from rekey.providers.keyring.ring import Keyring
from tests.sim.conformance_of_key_encryption import Keeper
from tests.sim.stage import Stage
from tests.sim.world import World
from tests.sim.world_stage import WorldStage

T = TypeVar("T")


@dataclass
class Kept:
    """A key: the bytes of its versions, and when they were made; `oldest`: the first that unwraps."""

    made: dict[int, tuple[bytes, datetime]] = field(default_factory=dict)
    oldest: int = 1


@dataclass
class OutsideService:
    """Keys of scopes, made when they are asked for; `trouble`: what a call meets."""

    world: World
    now: Callable[[], datetime]
    kept: dict[str, Kept] = field(default_factory=dict)
    trouble: Callable[[str], RekeyError | None] = lambda _: None

    def key(self, scope: str = "") -> Kept:
        """Return the key of a scope."""
        if scope not in self.kept:
            self.kept[scope] = Kept({1: (token_bytes(LENGTH), self.now())})
        return self.kept[scope]

    def add(self, scope: str = "") -> int:
        """Rotate the key, as whoever administers it."""
        made = self.key(scope).made
        made[max(made) + 1] = token_bytes(LENGTH), self.now()
        return max(made)

    async def encrypt(self, scope: str, key: DataKey) -> Wrapped:
        return self._called("encrypt", lambda: self._encrypt(scope, key))

    async def decrypt(self, scope: str, wrapped: Wrapped) -> DataKey:
        return self._called("decrypt", lambda: self._decrypt(scope, wrapped))

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        def effect() -> Wrapped:
            with self._decrypt(scope, wrapped) as key:
                return self._encrypt(scope, key)

        return self._called("rewrap", effect)

    async def versions(self, scope: str) -> Versions:
        def effect() -> Versions:
            key = self.key(scope)
            return Versions({one: when for one, (_, when) in key.made.items() if one >= key.oldest}, min(key.made))

        return self._called("versions", effect)

    async def rotate(self, scope: str) -> int:
        return self._called("rotate", lambda: self.add(scope))

    async def retire(self, scope: str, oldest: int) -> None:
        self._called("retire", lambda: setattr(self.key(scope), "oldest", oldest))

    async def trim(self, scope: str, first: int) -> None:
        def effect() -> None:
            key = self.key(scope)
            assert first <= key.oldest, "what unwraps is not trimmed"
            key.made = {one: value for one, value in key.made.items() if one >= first}

        self._called("trim", effect)

    def _called(self, call: str, effect: Callable[[], T]) -> T:
        if error := self.trouble(call):
            raise error
        return self.world.call(f"service.{call}", effect)

    def _encrypt(self, scope: str, key: DataKey) -> Wrapped:
        made, iv = self.key(scope).made, token_bytes(IV)
        return Wrapped(named(max(made)), iv + AESGCM(made[max(made)][0]).encrypt(iv, key.reveal(), scope.encode()))

    def _decrypt(self, scope: str, wrapped: Wrapped) -> DataKey:
        key, number = self.key(scope), int(wrapped.key_id[1:])
        try:
            assert number >= key.oldest
            iv, ciphertext = wrapped.value[:IV], wrapped.value[IV:]
            return DataKey(bytearray(AESGCM(key.made[number][0]).decrypt(iv, ciphertext, scope.encode())))
        except (AssertionError, KeyError, InvalidTag, ValueError):
            raise Rejected(Reason.STATE_UNREADABLE, f"version {wrapped.key_id} does not unwrap it") from None


class OutsideKeeper(Keeper):
    """Key rings whose keys are outside the cluster, recorded in Secrets of a stage."""

    def __init__(self, stage: Stage, service: Service) -> None:
        self.clock = stage.ports.clock
        ring = Keyring(stage.ports.secrets, self.clock, stage.namespace)
        self.keys = self.ring = OutsideRing(service, ring, self.clock)

    async def rotate(self, scope: str) -> None:
        ring = await self.ring.ensure(scope)
        after = advance(ring, Begin(Wish("again", "tests")), self.clock.now(), self.ring.next_id(ring))
        assert await self.ring.write(scope, ring, after) == after

    async def retire(self, scope: str) -> None:
        ring = await self.ring.ensure(scope)
        old = tuple(key.id for key in ring.in_state(State.DECRYPT_ONLY))
        await self.ring.write(scope, ring, advance(ring, Disable(old, 1), self.clock.now(), ""))


class RememberedKeeper(OutsideKeeper):
    """Those of a service in memory."""

    def __init__(self, stage: WorldStage) -> None:
        self.service = OutsideService(stage.world, stage.world.now)
        super().__init__(stage, self.service)

    def cut_off(self, *, away: bool) -> None:
        gone = NoAnswer("the service does not answer")
        self.service.trouble = lambda _: gone if away else None
