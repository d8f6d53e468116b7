"""One Lease and our part in it: taken when it is free, renewed in time, given back at the end.

1. The term is published as one immutable value, so that any thread may look at it at any moment; who looks compares
   `until` with the clock himself. Nobody has to be told for a term to end.
2. Every try is bounded. What a try came to when no answer came is found by the next one, which reads first.
3. It is renewed only while `alive` says that the work it stands for goes on: a process that hangs must not lead.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol
from zlib import crc32

from rekey.app.logs import describe
from rekey.core import election
from rekey.core.election import NO_TERM, Move, Pace, Record, Sight
from rekey.errors import Conflict, NotFound, RekeyError, Taken
from rekey.kube.leases import Claim

_JITTER: Final = 0.2
log = logging.getLogger(__name__)


class Lease(Protocol):
    """The Lease at the API server."""

    async def read(self) -> Record | None:
        """Return it, None if there is none."""
        ...

    async def create(self, claim: Claim) -> Record:
        """Make it; `Taken` if there is one."""
        ...

    async def replace(self, known: Record, claim: Claim) -> Record:
        """Write into it as it was read; `Conflict` if somebody wrote in between, `NotFound` if it is gone."""
        ...

    async def ask(self, known: Record, me: str) -> Record:
        """Ask its holder for it."""
        ...


class Campaign:
    """The part of one process in the election for one Lease."""

    def __init__(
        self,
        name: str,
        me: str,
        pace: Pace,
        ticks: Callable[[], float],
        alive: Callable[[], bool],
    ) -> None:
        self.name = name
        self.term = NO_TERM
        self.renewed = 0.0
        self.me = me
        self._pace = pace
        self._ticks = ticks
        self._alive = alive
        self._told: Callable[[], None] = lambda: None
        self._sight = Sight()
        self._turn = 0
        self._cedes = False

    def tell(self, told: Callable[[], None]) -> None:
        """Tell from now on whenever the term is another one."""
        self._told = told

    def leads(self) -> bool:
        """Return whether our term lasts; from any thread."""
        return self._ticks() < self.term.until

    @property
    def transitions(self) -> int:
        """Return how often the Lease is known to have changed hands."""
        record = self._sight.record
        return 0 if record is None else record.transitions

    @property
    def holder(self) -> str:
        """Return who has the Lease, or is about to have it; empty: nobody, as far as is known."""
        record = self._sight.record
        if record is None or (not self.leads() and self._ticks() >= election.free_at(self._sight, self._pace)):
            return ""
        return record.wanted or record.holder

    @property
    def is_wanted(self) -> bool:
        """Return whether we lead and another asked for the Lease."""
        record = self._sight.record
        return self.leads() and record is not None and record.wanted not in {"", self.me}

    def cede(self) -> None:
        """Have the Lease handed to who asked for it, at the next attempt; from any thread."""
        self._cedes = True

    async def ask(self, lease: Lease) -> None:
        """Ask another for the Lease, if it was his when we last looked."""
        record = self._sight.record
        if record is None or record.wanted or self.leads():
            return
        try:
            async with asyncio.timeout(self._pace.patience):
                asked = await lease.ask(record, self.me)
        except (RekeyError, TimeoutError):
            return  # there will be another occasion
        self._sight = election.seen(self._sight, self.me, asked, self._ticks())
        log.info("asked for a Lease", extra={"lease": self.name, "holder": record.holder})

    async def run(self, lease: Lease) -> None:
        """Go on after the first attempt: stand for election and lead, for ever."""
        while True:
            await asyncio.sleep(self._pause())
            await self.attempt(lease)

    async def attempt(self, lease: Lease) -> None:
        """Do what is to be done about the Lease now."""
        try:
            async with asyncio.timeout(self._pace.patience):
                if self._alive():
                    await self._move(lease)
        except (RekeyError, TimeoutError) as error:
            log.warning("the Lease could not be reached", extra={"lease": self.name, "error": describe(error)})
        except Exception as error:  # noqa: BLE001  the election goes on whatever happens, or nobody leads
            log.error("unexpected error in the election", extra={"lease": self.name, "error": describe(error)})  # noqa: TRY400  the traceback would quote what it is about
        self._publish()

    async def release(self, lease: Lease) -> None:
        """Give the Lease back if it is ours, so that another may lead at once. Nothing else may run meanwhile."""
        term, self.term = self._sight.term, NO_TERM
        self._told()
        if term.number == 0:
            return
        try:
            async with asyncio.timeout(self._pace.patience):
                record = await lease.read()
                if record is not None and record.holder == self.me and record.transitions == term.number:
                    await lease.replace(record, Claim("", self._pace.duration, term.number))
                    log.info("the Lease is given back", extra={"lease": self.name, "term": term.number})
        except (RekeyError, TimeoutError) as error:
            log.warning("the Lease could not be given back", extra={"lease": self.name, "error": describe(error)})

    async def _move(self, lease: Lease) -> None:
        if not self.leads():
            await self._look(lease)
        try:
            await self._write(lease)
        except (Conflict, NotFound, Taken):
            await self._look(lease)
            await self._write(lease)

    async def _look(self, lease: Lease) -> None:
        before = self._sight.record
        self._sight = election.seen(self._sight, self.me, await lease.read(), self._ticks())
        after = self._sight.record
        self._publish()
        if self.is_wanted:
            self._told()
        if after is not None and after.holder != self.me and (before is None or before.holder != after.holder):
            log.info("standing by", extra={"lease": self.name, "holder": after.holder or "nobody"})

    async def _hand_over(self, lease: Lease, known: Record) -> None:
        """Write who asked for the Lease into it; our term is over before that."""
        number, self._cedes = self._sight.term.number, False
        self._sight = election.given_up(self._sight)
        self._publish()
        stored = await lease.replace(known, Claim(known.wanted, self._pace.duration, number, renews=False))
        self._sight = election.seen(self._sight, self.me, stored, self._ticks())
        log.info("the Lease is handed over", extra={"lease": self.name, "term": number, "holder": stored.holder})

    async def _write(self, lease: Lease) -> None:
        before = self._ticks()
        if self._cedes and self.is_wanted and self._sight.record is not None:
            await self._hand_over(lease, self._sight.record)
            return
        move = election.choose(self._sight, self.me, self._pace, before)
        if move is Move.WAIT:
            return
        number = election.number(self._sight, move, before)
        claim = Claim(self.me, self._pace.duration, number, takes=number != self._sight.term.number)
        known = self._sight.record
        if move is Move.CREATE or known is None:
            stored = await lease.create(claim)
        else:
            stored = await lease.replace(known, claim)
        self._sight = election.won(self._sight, stored, before, self._ticks(), self._pace)
        self.renewed = before
        self._publish()

    def _publish(self) -> None:
        """Show the term as it is now; say so when that is another one."""
        if self._ticks() >= self._sight.term.until:
            self._sight = election.given_up(self._sight)
        was, self.term = self.term, self._sight.term
        if was.since == self.term.since:
            return
        if was.number:
            log.warning("no longer leading", extra={"lease": self.name, "term": was.number})
        if self.term.number:
            log.info("leading", extra={"lease": self.name, "term": self.term.number, "holder": self.me})
        self._told()

    def _pause(self) -> float:
        """Return how long to wait: until the term ends or the Lease is free, if that is sooner than the next try."""
        self._turn += 1
        spread = crc32(f"{self.me}:{self._turn}".encode()) / 2**32
        usual = self._pace.retry * (1 - _JITTER * spread)
        now, term = self._ticks(), self._sight.term
        end = term.until if term.number else election.free_at(self._sight, self._pace)
        return min(usual, max(0.0, end - now)) if end > now else usual
