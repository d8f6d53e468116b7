"""A ring whose keys are versions of a key outside the cluster (ports `KeyEncryption` and `Keyrings`).

1. To wrap, unwrap or re-wrap is one call of the service, and nothing is read of the ring: no key is in the cluster.
2. The ring's Secret is a record: which versions there are, since when, who had it rotated. What is done is done at the
   service first, which is right where they differ: whoever rotates the key there has the ring rotated, and a crash
   between the two leaves nothing open.
3. What keys of the Secret wrapped before is opened with them, until it is re-wrapped: as in any rotation.
4. A service that does not let us in is away: whatever a person mends there, nothing of a credential is lost by it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from rekey.core.data_key import DataKey
from rekey.core.envelope import Wrapped
from rekey.core.keyring import Key, Ring, State
from rekey.core.outside import Versions, is_outside, merged, named, numbers
from rekey.core.reasons import Reason
from rekey.errors import Conflict, Rejected, Retryable
from rekey.ports.cluster import Clock
from rekey.providers.keyring.ring import Keyring

T = TypeVar("T")


class Service(Protocol):
    """Who keeps a key for each scope; errors are those of a port of backends."""

    async def encrypt(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted by the newest version."""
        ...

    async def decrypt(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key."""
        ...

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the newest version."""
        ...

    async def versions(self, scope: str) -> Versions:
        """Return what there is of the key."""
        ...

    async def rotate(self, scope: str) -> int:
        """Have a new version wrap from now on; return the newest."""
        ...

    async def retire(self, scope: str, oldest: int) -> None:
        """Have no version before this one unwrap any more; that can be undone there."""
        ...

    async def trim(self, scope: str, first: int) -> None:
        """Have every version before this one gone for good."""
        ...


class OutsideRing:
    """The rings of all scopes; `ring` keeps their records, and the keys that were in the cluster before."""

    def __init__(self, service: Service, ring: Keyring, clock: Clock) -> None:
        self._service = service
        self._ring = ring
        self._clock = clock
        self.name = ring.name

    async def wrap(self, scope: str, key: DataKey) -> Wrapped:
        """Return the data key, encrypted by the newest version."""
        return await _asked(self._service.encrypt(scope, key))

    async def unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        """Return the data key; whoever asked overwrites it after use."""
        if is_outside(wrapped.key_id):
            return await _asked(self._service.decrypt(scope, wrapped))
        return await self._ring.unwrap(scope, wrapped)

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        """Return the same data key, encrypted by the newest version."""
        if is_outside(wrapped.key_id):
            return await _asked(self._service.rewrap(scope, wrapped))
        with await self._ring.unwrap(scope, wrapped) as key:
            return await self.wrap(scope, key)

    async def read(self, scope: str) -> Ring | None:
        """Return the ring as the service has it; None: it was never looked after."""
        record = await self._ring.read(scope)
        return None if record is None else merged(record, await self._service.versions(scope), self._clock.now())

    async def ensure(self, scope: str) -> Ring:
        """Return the ring, and have its record say what the service does."""
        versions, record, now = await self._service.versions(scope), await self._ring.read(scope), self._clock.now()
        if record is None:
            return await self._ring.create(scope, merged(Ring(()), versions, now))
        ring = merged(record, versions, now)
        return ring if ring.keys == record.keys else await self._ring.write(scope, record, ring)

    async def write(self, scope: str, before: Ring, after: Ring) -> Ring:
        """Have done at the service what makes the difference, then write it down."""
        old, new, usable = numbers(before.keys), numbers(after.keys), numbers(_usable(after))
        if set(new) - set(old) and await self._service.rotate(scope) not in new:
            raise Conflict("somebody else rotated the key at the same time")
        if usable[0] > numbers(_usable(before))[0]:
            await self._service.retire(scope, usable[0])
        if new[0] > old[0]:
            await self._service.trim(scope, new[0])
        return await self._ring.write(scope, before, after)

    def next_id(self, ring: Ring) -> str:
        """Return the id of the next key of a ring."""
        return named(max(numbers(ring.keys), default=0) + 1)


def _usable(ring: Ring) -> list[Key]:
    return [key for key in ring.keys if key.state is not State.DISABLED]


async def _asked(call: Awaitable[T]) -> T:
    """Return the answer; only what is wrong with the wrapped key itself is said of the credential."""
    try:
        return await call
    except Rejected as refused:
        if refused.reason == Reason.STATE_UNREADABLE:
            raise
        raise Retryable(str(refused)) from refused
