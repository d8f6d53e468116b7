"""Whoever keeps the keys, with every call told: which operation, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from rekey.core.data_key import DataKey
from rekey.core.envelope import Wrapped
from rekey.errors import RekeyError
from rekey.ports.key_encryption import KeyEncryption

T = TypeVar("T")
Observe = Callable[[str, str], None]
"""Is told of every call: which operation, and `ok` or the name of the error's class."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The port `KeyEncryption` over another, as it is."""

    keys: KeyEncryption
    observe: Observe

    async def wrap(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted."""
        return await self._told("wrap", self.keys.wrap(scope, key))

    async def unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key; whoever asked overwrites it after use."""
        return await self._told("unwrap", self.keys.unwrap(scope, wrapped))

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the key for new writes."""
        return await self._told("rewrap", self.keys.rewrap(scope, wrapped))

    async def _told(self, operation: str, call: Awaitable[T]) -> T:
        try:
            answer = await call
        except RekeyError as error:
            self.observe(operation, type(error).__name__)
            raise
        self.observe(operation, "ok")
        return answer
