"""The rotation of a key ring: decide, do one thing, look again, until there is nothing to do but wait.

A turn may end anywhere and be made again from the start: the ring says what was begun, the records what is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from rekey.core import keyring
from rekey.core.keyring import AGAIN, Progress, Rest, Ring, State, Wish, advance
from rekey.core.ring_steps import decide
from rekey.engine.rewrapping import inspect, rewrap
from rekey.engine.sealing import Sealing
from rekey.errors import Rejected
from rekey.ports.cluster import Clock
from rekey.ports.key_encryption import Keyrings
from rekey.ports.sealed import Records

NOTHING = Rest(None, "nothing was ever sealed")


@dataclass(frozen=True, slots=True)
class RingRotation:
    """The rotation of the ring of one scope; `retention`: how long a disabled key is kept."""

    scope: str
    rings: Keyrings
    sealing: Sealing
    records: Records
    clock: Clock
    retention: timedelta

    async def turn(self, wish: Wish | None) -> Rest:
        """Do all that can be done now, and return when to come back.

        Raises:
            Conflict: somebody else wrote the ring; look again.
            Retryable: who keeps the keys, or who stores the records, is away; what was done stays done.
        """
        ring, done = await self.rings.read(self.scope), Progress()
        if ring is None:
            return NOTHING
        while True:
            step = decide(ring, wish, done, self.clock.now(), self.retention)
            match step:
                case Rest():
                    return replace(step, seen=ring.revision)
                case keyring.Rewrap():
                    done = replace(done, rewrapped=await rewrap(self.sealing, self.records, _old(ring)))
                case keyring.Inspect():
                    done = replace(done, found=await inspect(self.sealing, self.records, ring.primary.id, self.clock))
                case keyring.Begin() | keyring.Disable() | keyring.Delete():
                    after = advance(ring, step, self.clock.now(), self.rings.next_id(ring))
                    try:
                        ring, done = await self.rings.write(self.scope, ring, after), Progress()
                    except Rejected as refused:  # a right is missing: what was begun waits for a person
                        return Rest(self.clock.now() + AGAIN, str(refused), stalled=True, seen=ring.revision)
                case _:
                    assert_never(step)


def _old(ring: Ring) -> frozenset[str]:
    return frozenset(key.id for key in ring.in_state(State.DECRYPT_ONLY))
