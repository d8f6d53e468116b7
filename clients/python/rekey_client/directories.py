"""Verifier Secrets mounted as folders, read again when they change.

1. A look is one stat per file, at most each `every` seconds, by one thread; the others go on with what there is.
2. Only the part that changed is parsed again, and of that only the entries that did.
3. What is half written or gone never replaces what was good: it stays, marked degraded, and every look tries again.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from threading import Lock

from rekey_client.clock import SYSTEM, Clock
from rekey_client.entries import FILES, Reader, Table, merge
from rekey_client.errors import Unreadable
from rekey_client.folder import Folder, Stamp
from rekey_client.sources import Trust

_log = logging.getLogger("rekey_client")


@dataclass
class _Part:
    folder: Folder
    reader: Reader = field(default_factory=Reader)
    table: Table | None = None
    stamp: Stamp | None = None
    confirmed: float = -inf
    problem: str = field(default="", compare=False)

    def look(self, now: float) -> bool:
        """Read the folder if it changed; return whether there is a new table."""
        stamp = self.folder.stamp()
        if stamp == self.stamp:
            self._well(now)
            return False
        try:
            table = self.reader.read(self.folder.read())
        except Unreadable as error:
            self._trouble(str(error))
            return False
        self.table, self.stamp = table, stamp
        self._well(now)
        return True

    def _well(self, now: float) -> None:
        if self.problem:
            _log.info("what %s says is current again", self.folder.path)
        self.confirmed, self.problem = now, ""

    def _trouble(self, problem: str) -> None:
        self.stamp = None  # whatever comes next is to be read, even if it looks like before
        if problem != self.problem:
            _log.error("cannot read a verifier Secret, going on with the last good content: %s", problem)
        self.problem = problem


class Directories:
    """The parts of what is accepted, each a folder."""

    def __init__(self, paths: Sequence[str | os.PathLike[str]], *, every: float = 0.5, clock: Clock = SYSTEM) -> None:
        self._parts = [_Part(Folder(path, *FILES)) for path in paths]
        self._every = every
        self._lock = Lock()
        self._next = -inf
        self._trust = Trust(Table(), -inf, degraded=True)
        self.trust(clock.steady())

    def trust(self, now: float) -> Trust:
        """Return the content, after a look if one is due."""
        if now >= self._next and self._lock.acquire(blocking=False):
            try:
                self._look(now)
                self._next = now + self._every
            finally:
                self._lock.release()
        return self._trust

    def miss(self, now: float) -> None:
        """Do nothing: the next look is near anyway."""

    def _look(self, now: float) -> None:
        changed = [part.look(now) for part in self._parts]
        good = [part for part in self._parts if part.table is not None]
        table = merge([part.table for part in good if part.table]) if any(changed) else self._trust.table
        confirmed = min((part.confirmed for part in good), default=-inf)
        self._trust = Trust(table, confirmed, degraded=any(part.problem for part in self._parts))
