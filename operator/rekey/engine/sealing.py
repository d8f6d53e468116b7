"""Sealing what consumers must not see, and opening it: each one call of whoever keeps the keys.

1. Whatever goes wrong is raised: there is no plain text to fall back to.
2. A data key is wrapped before there is anything to encrypt by it: what a server tells once is not lost for want of a
   key, for then it is not asked at all. What comes after that, `Envelope.seal`, asks nobody.
3. A data key is used once and overwritten, also where wrapping it fails.
"""

from __future__ import annotations

from typing import Self, final

from rekey.core.data_key import DataKey
from rekey.core.envelope import Place, Sealed, Wrapped, lock, parse, unlock
from rekey.core.material import Material
from rekey.ports.key_encryption import KeyEncryption


@final
class Envelope:
    """A fresh data key, wrapped already: good for one value, until its `with` ends."""

    __slots__ = ("_key", "_wrapped")

    def __init__(self, key: DataKey, wrapped: Wrapped) -> None:
        """Take the key over: the caller uses it no more."""
        self._key = key
        self._wrapped = wrapped

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._key.overwrite()

    def seal(self, state: Material, place: Place) -> str:
        """Return the state as text that opens at that place only.

        It must be stored within `keyring.SETTLE` of the wrap, or sealed anew: later its key may be out of use.

        Raises:
            ValueError: something was sealed with it before.
        """
        return Sealed(self._wrapped, lock(self._key, state, place)).text()


class Sealing:
    """Seals and opens the values of one scope."""

    def __init__(self, keys: KeyEncryption, scope: str = "") -> None:
        self._keys = keys
        self._scope = scope

    async def prepare(self) -> Envelope:
        """Return what one value can be sealed with, to use and end in a `with`.

        Raises:
            Retryable: who keeps the keys is away; nothing can be sealed.
            Rejected: what it keeps cannot be used.
        """
        key = DataKey.fresh()
        try:
            return Envelope(key, await self._keys.wrap(self._scope, key))
        except BaseException:
            key.overwrite()
            raise

    async def seal(self, state: Material, place: Place) -> str:
        """Return the state as text that opens at that place only; each time it is another text.

        Raises:
            Retryable, Rejected: as of `prepare`.
        """
        with await self.prepare() as envelope:
            return envelope.seal(state, place)

    async def open(self, text: str, place: Place) -> Material:
        """Return the state that was sealed for that place.

        Raises:
            Retryable: who keeps the keys is away.
            Rejected: it was changed or moved, its format is unknown, or its key is out of use; a person must act.
        """
        sealed = parse(text)
        with await self._keys.unwrap(self._scope, sealed.wrapped) as key:
            return unlock(key, sealed.locked, place)

    async def rewrap(self, text: str) -> str:
        """Return the same with its data key wrapped by the key for new writes; what is encrypted stays as it is.

        Raises:
            Retryable: who keeps the keys is away.
            Rejected: as of `open`, but for what is encrypted: that is not looked at.
        """
        sealed = parse(text)
        return Sealed(await self._keys.rewrap(self._scope, sealed.wrapped), sealed.locked).text()
