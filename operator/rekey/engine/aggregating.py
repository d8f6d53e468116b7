"""Who tells verifiers of many credentials: one writer for each Secret, which takes together what came while it wrote.

1. The parts are read, then the credential is made sure of, then they are written with the resourceVersions that were
   read: what was decided on an older ledger, in whatever process, changes nothing that a newer one has told.
2. What is told of others is taken over as it is stored, so nobody's memory can drop it.
3. Nothing is kept of the Secrets, but who waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakValueDictionary

from rekey.core.facts import BundleState, Facts
from rekey.core.spec_verifier import Verifier
from rekey.core.verifying import Told
from rekey.engine import parts, showing
from rekey.engine.parts import Members, Shared
from rekey.errors import Conflict, NotFound, Rejected, RekeyError
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretView


@dataclass(frozen=True, slots=True)
class Written:
    """The first part as stored, how many parts there are, and when any was last written (None: unknown)."""

    view: SecretView
    parts: int
    at: datetime | None


@dataclass(slots=True, eq=False)
class _Wish:
    """One credential that has something to tell; when that has `ended`, what came of it."""

    facts: Facts
    verifier: Verifier
    told: Sequence[Told]
    ended: bool = False
    written: Written | None = None
    failed: RekeyError | None = None


@dataclass(slots=True, weakref_slot=True)
class _Queue:
    """Who waits to write into one Secret; it lives as long as somebody does."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Wish] = field(default_factory=list)


class Aggregates:
    """All Secrets that several credentials share."""

    def __init__(self, ports: Ports, members: Members) -> None:
        self._ports = ports
        self._members = members
        self._queues: WeakValueDictionary[tuple[str, str], _Queue] = WeakValueDictionary()

    async def write(self, facts: Facts, verifier: Verifier, told: Sequence[Told]) -> Written | None:
        """Have the Secret say this of the credential; None if there is no Secret, and nothing to say.

        Raises:
            Conflict, NotFound: something changed since it was looked at.
            Rejected: the Secret is somebody else's, or of another format.
            RekeyError: whatever else kept it from being written.
        """
        queue = self._queues.setdefault((facts.credential.key.namespace, verifier.secret_name), _Queue())
        mine = _Wish(facts, verifier, told)
        queue.waiting.append(mine)
        try:
            async with queue.lock:
                if not mine.ended:
                    await self._flush(queue, mine)
        finally:
            queue.waiting = [wish for wish in queue.waiting if wish is not mine]
        if mine.failed is not None:
            raise mine.failed
        return mine.written

    async def compare(self, facts: Facts, verifier: Verifier, told: Sequence[Told]) -> BundleState:
        """Return whether the Secret says this of the credential, and nothing of any that is gone.

        Raises:
            Rejected: the Secret is somebody else's, or of another format.
        """
        shared, own = _shared([_Wish(facts, verifier, told)]), {str(facts.credential.key): told}
        slots = await parts.plan(self._members, shared, await parts.read(self._ports, shared), own)
        return BundleState.INTACT if all(slot.is_right for slot in slots) else BundleState.CHANGED

    async def _flush(self, queue: _Queue, mine: _Wish) -> None:
        """Write for all who wait.

        What was refused may be one's own fault, and what conflicts is read anew: then the others try for themselves. If
        the API server is away they would only wait for it one after the other: that is said to all.
        """
        batch = [wish for wish in queue.waiting if wish.verifier.format is mine.verifier.format]
        try:
            await self._write(batch)
        except Rejected:
            if len(batch) == 1:
                raise
            await self._write([mine])
        except (Conflict, NotFound):
            raise
        except RekeyError as failed:
            for wish in batch:
                if not wish.ended:
                    wish.ended, wish.failed = True, failed
        finally:
            queue.waiting = [wish for wish in queue.waiting if not wish.ended]

    async def _write(self, batch: Sequence[_Wish]) -> None:
        shared = _shared(batch)
        views = await parts.read(self._ports, shared)
        await asyncio.gather(*(self._confirm(wish) for wish in batch))
        decided = [wish for wish in batch if not wish.ended]
        if not decided:
            return
        own = {str(wish.facts.credential.key): wish.told for wish in decided}
        slots = await parts.plan(self._members, shared, views, own)
        found = [await parts.put(self._ports, shared, slot) for slot in slots]
        at = max((view.written for view in found if view.written is not None), default=None)
        for wish in decided:
            wish.ended, wish.written = True, Written(found[0], len(found), at) if found else None

    async def _confirm(self, wish: _Wish) -> None:
        """Make sure, after the Secret was read, that the credential is the one that was decided on."""
        try:
            await showing.still_decided(self._ports, wish.facts)
        except Conflict as changed:
            wish.ended, wish.failed = True, changed


def _shared(wishes: Sequence[_Wish]) -> Shared:
    """Return which Secret it is, with all that any of them knows of it."""
    first, known = wishes[0], [wish.facts.status.verifier for wish in wishes]
    return Shared(
        namespace=first.facts.credential.key.namespace,
        secret=first.verifier.secret_name,
        form=first.verifier.format,
        parts=max((one.parts or 0 for one in known if one is not None), default=0),
        uids=frozenset(one.uid for one in known if one is not None),
    )
