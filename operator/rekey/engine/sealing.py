"""Sealing what consumers must not see, and opening it: each one call of whoever keeps the keys, and counted.

1. Whatever goes wrong is raised: there is no plain text to fall back to.
2. A data key is used once and overwritten, also where wrapping it fails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rekey.core.envelope import Place, Sealed, lock, parse, unlock
from rekey.core.material import Material
from rekey.errors import RekeyError
from rekey.ports.key_encryption import KeyEncryption

T = TypeVar("T")
Observe = Callable[[str, str], None]
"""Is told of every call: which operation, and `ok` or the name of the error's class."""


class Sealing:
    """Seals and opens the values of one scope."""

    def __init__(self, keys: KeyEncryption, scope: str, observe: Observe) -> None:
        self._keys = keys
        self._scope = scope
        self._observe = observe

    async def seal(self, state: Material, place: Place) -> str:
        """Return the state as text that opens at that place only; each time it is another text.

        It must be stored within `keyring.SETTLE`, or sealed anew: later its key may be out of use.

        Raises:
            Retryable: who keeps the keys is away; nothing was sealed.
            Rejected: what it keeps cannot be used.
        """
        key, locked = lock(state, place)
        with key:
            wrapped = await self._counted("wrap", self._keys.wrap(self._scope, key))
        return Sealed(wrapped, locked).text()

    async def open(self, text: str, place: Place) -> Material:
        """Return the state that was sealed for that place.

        Raises:
            Retryable: who keeps the keys is away.
            Rejected: it was changed or moved, its format is unknown, or its key is out of use; a person must act.
        """
        sealed = parse(text)
        with await self._counted("unwrap", self._keys.unwrap(self._scope, sealed.wrapped)) as key:
            return unlock(key, sealed.locked, place)

    async def rewrap(self, text: str) -> str:
        """Return the same with its data key wrapped by the key for new writes; what is encrypted stays as it is.

        Raises:
            Retryable: who keeps the keys is away.
            Rejected: as of `open`, but for what is encrypted: that is not looked at.
        """
        sealed = parse(text)
        wrapped = await self._counted("rewrap", self._keys.rewrap(self._scope, sealed.wrapped))
        return Sealed(wrapped, sealed.locked).text()

    async def _counted(self, operation: str, call: Awaitable[T]) -> T:
        try:
            answer = await call
        except RekeyError as error:
            self._observe(operation, type(error).__name__)
            raise
        self._observe(operation, "ok")
        return answer
