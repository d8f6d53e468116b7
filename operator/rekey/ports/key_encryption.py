"""Who keeps the keys that encrypt data keys: a key ring in the cluster, or a service outside of it.

1. One operation of Rekey is one call here: `wrap` to seal a value, `unwrap` to open it, `rewrap` when keys change.
   Nothing is remembered from one call to the next, so a key that was taken out of use is out of use at once.
2. A scope has keys of its own: "" is the environment, any other name (a DNS label) a tenant.
3. There is no way around it: who cannot be reached raises, and nothing is written in plain text.
"""

from __future__ import annotations

from typing import Protocol

from rekey.core.data_key import DataKey
from rekey.core.envelope import Wrapped
from rekey.core.keyring import Ring


class KeyEncryption(Protocol):
    """Wraps data keys with the key of a scope that is in use, and unwraps them with any that still may."""

    async def wrap(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted by the one key that is for new writes.

        Raises:
            Retryable: the keeper of the keys is away, slow or busy; nothing was wrapped.
            Rejected: what it keeps cannot be used; a person must look.
        """
        ...

    async def unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key; whoever asked overwrites it after use.

        Raises:
            Retryable: the keeper of the keys is away, slow or busy.
            Rejected: the wrapped key was changed, is of another scope, or its key was disabled or is not there.
        """
        ...

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the one key that is for new writes.

        Raises:
            Retryable: the keeper of the keys is away, slow or busy; nothing was wrapped.
            Rejected: as of `unwrap`.
        """
        ...


class Keyrings(Protocol):
    """The key rings that Rekey keeps itself, one of each scope; the key bytes never leave whoever keeps them."""

    async def read(self, scope: str) -> Ring | None:
        """Return the ring by an uncached read; None: nothing was ever sealed in that scope."""
        ...

    def next_id(self, ring: Ring) -> str:
        """Return the id of the key that the next rotation of a ring makes."""
        ...

    async def write(self, scope: str, before: Ring, after: Ring) -> Ring:
        """Replace the ring as it was read: keys that are new are made, those that are left out are gone for good.

        Raises:
            Conflict: somebody wrote in between; nothing was changed.
            NotFound: it is gone.
        """
        ...
