"""The key ring is looked after: rotated when a person asks for it or its key is old enough, and what was done is said.

1. Only who leads in the ring's namespace changes it. With shards, who leads elsewhere wraps anew what is stored there,
   and the ring is made by its leader at once: others could not make it for the first value of theirs. So is the record
   of one whose keys are outside the cluster, for no value asks for it.
2. Nothing is kept that a crash may not lose: the next leader reads the ring, and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from rekey.core.keyring import Did, Entry, Rest, Ring, State, wished
from rekey.core.reasons import Notice
from rekey.engine.rewrapping import rewrap
from rekey.engine.ring_rotation import RingRotation
from rekey.errors import Conflict, NotLeading, RekeyError
from rekey.ports.cluster import News
from rekey.ports.key_encryption import KeyEncryption, Keyrings
from rekey.ports.lead import Lead

EVERY: Final = 20.0
BY: Final = "REKEY_KEY_ROTATION_INTERVAL"
_FRESH: Final = timedelta(minutes=10)
_NOTICES: Final = {
    Did.CREATED: Notice.RING_CREATED,
    Did.ROTATED: Notice.RING_ROTATED,
    Did.DISABLED: Notice.KEY_DISABLED,
    Did.DELETED: Notice.KEY_DELETED,
}
log = logging.getLogger(__name__)


class Says(Protocol):
    """Who tells people."""

    async def say(self, ring: Ring, news: News) -> None:
        """Send an Event about the ring, once by its name."""
        ...


class KeptRings(KeyEncryption, Keyrings, Protocol):
    """Rings, and what is wrapped by them."""

    async def ensure(self, scope: str) -> Ring:
        """Return the ring, and make it if there is none."""
        ...

    def name(self, scope: str) -> str:
        """Return the name of the ring's Secret."""
        ...


@dataclass(slots=True)
class Upkeep:
    """Whoever looks after the ring; `home`: its namespace, `interval`: after how long a key is old (0: never).

    `outside`: its keys are kept outside the cluster, where somebody may rotate them.
    """

    ring: KeptRings
    rotation: RingRotation
    events: Says
    lead: Lead
    home: str
    interval: timedelta
    sharded: bool
    outside: bool = False
    rest: Rest | None = None
    trouble: str = ""

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        """Do what can be done now."""
        trouble = ""
        try:
            if self.lead.remaining(self.home) > 0:
                await self._keep()
            elif self.sharded:
                await self._help()
        except (Conflict, NotLeading):
            pass  # somebody else was first: look again
        except RekeyError as error:
            trouble = str(error)
        if trouble and trouble != self.trouble:
            log.warning("the key ring cannot be looked after", extra={"error": trouble})
        self.trouble = trouble

    async def _keep(self) -> None:
        scope, now = self.rotation.scope, self.rotation.clock.now()
        ring = await (self.ring.ensure(scope) if self.sharded or self.outside else self.ring.read(scope))
        if ring is None:
            return
        wish = wished(ring, now, self.interval, BY)
        if self._is_due(ring, now, asked=wish is not None):
            self.rest = None  # a turn that breaks off has begun what it does not tell: another one is due
            self.rest = await self.rotation.turn(wish)
            ring = await self.ring.read(scope) or ring
        await self._tell(ring, now)

    def _is_due(self, ring: Ring, now: datetime, *, asked: bool) -> bool:
        """Say whether there may be something to do: what was begun is finished before what is asked for next."""
        rest = self.rest
        if rest is None or rest.seen != ring.revision or (rest.until is not None and now >= rest.until):
            return True
        return asked and not ring.in_state(State.DECRYPT_ONLY)

    async def _help(self) -> None:
        ring = await self.ring.read(self.rotation.scope)
        old = frozenset(key.id for key in ring.in_state(State.DECRYPT_ONLY)) if ring is not None else frozenset()
        now = self.rotation.clock.now()
        if ring is None or not old:
            self.rest = None
        elif self._is_due(ring, now, asked=False):
            await rewrap(self.rotation.sealing, self.rotation.records, old)
            why = "who leads in the ring's namespace looks whether all is done"
            self.rest = Rest(now + timedelta(minutes=1), why, seen=ring.revision)

    async def _tell(self, ring: Ring, now: datetime) -> None:
        for entry in ring.history:
            if entry.at + _FRESH > now:
                name = f"{self.ring.name(self.rotation.scope)}.{entry.key}.{entry.did.lower()}"
                await self.events.say(ring, News(name, _NOTICES[entry.did], _said(entry)))
        if self.rest is not None and self.rest.stalled:
            name = f"{self.ring.name(self.rotation.scope)}.stalled.{now:%Y%m%d%H}"
            await self.events.say(ring, News(name, Notice.RING_STALLED, self.rest.why))


def _said(entry: Entry) -> str:
    records = "" if entry.records is None else f"; {entry.records} sealed values were looked at, none is under it"
    return f"key {entry.key}: {entry.did}, at the word of {entry.by}{records}"
