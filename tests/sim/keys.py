"""Who keeps the keys of the simulated world: in memory, with keys that can be rotated, taken out of use and away."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import IV, Wrapped
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, Rejected

if TYPE_CHECKING:
    from tests.sim.world import World


@dataclass
class Keys:
    """The keys of each scope by their ids, the one for new writes last; `away`: it does not answer, `takes`: late."""

    world: World
    scopes: dict[str, dict[str, bytes]] = field(default_factory=dict)
    away: bool = False
    takes: timedelta = timedelta(0)

    async def wrap(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted."""
        return self.world.call("keys.wrap", lambda: self._wrap(scope, key))

    async def unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key."""
        return self.world.call("keys.unwrap", lambda: self._unwrap(scope, wrapped))

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the last key."""

        def effect() -> Wrapped:
            with self._unwrap(scope, wrapped) as key:
                return self._wrap(scope, key)

        return self.world.call("keys.rewrap", effect)

    def rotate(self, scope: str = "") -> None:
        """Have another key wrap."""
        keys = self.scopes.setdefault(scope, {})
        keys[f"key-{len(keys) + 1}-of-{scope or 'all'}"] = token_bytes(LENGTH)

    def retire(self, scope: str = "") -> None:
        """Have all keys but the last unwrap nothing any more."""
        self.scopes[scope] = dict([list(self.scopes[scope].items())[-1]])

    def _keys(self, scope: str) -> dict[str, bytes]:
        if self.away:
            raise NoAnswer("the key service does not answer")
        self.world.pass_time(self.world.time + self.takes)
        if scope not in self.scopes:
            self.rotate(scope)
        return self.scopes[scope]

    def _wrap(self, scope: str, key: DataKey) -> Wrapped:
        (key_id, value), iv = list(self._keys(scope).items())[-1], token_bytes(IV)
        return Wrapped(key_id, iv + AESGCM(value).encrypt(iv, key.reveal(), scope.encode()))

    def _unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        iv, ciphertext = wrapped.value[:IV], wrapped.value[IV:]
        try:
            value = self._keys(scope)[wrapped.key_id]
            return DataKey(bytearray(AESGCM(value).decrypt(iv, ciphertext, scope.encode())))
        except (KeyError, InvalidTag, ValueError):
            raise Rejected(Reason.STATE_UNREADABLE, f"key {wrapped.key_id} does not unwrap it") from None
