"""Where sealed values are stored: all of one scope, to have their data keys wrapped anew.

The data of a version's Secret cannot be replaced, for it is immutable; its annotations can: a sealed value is a line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from rekey.core.envelope import Place

ANNOTATION: Final = "rekey.dev/sealed"
"""Where a version's Secret has what is sealed of it."""

PURPOSE: Final = "what is kept for the next version"


@dataclass(frozen=True, slots=True)
class Record:
    """A sealed value as it was read; `revision`: of that reading, for whoever stores it back."""

    place: Place
    text: str
    revision: str


class Records(Protocol):
    """Whoever stores the sealed values of a scope."""

    def places(self, *, ours: bool) -> AsyncIterator[Place]:
        """Give every place at which a value stood when the call began; what came since need not be among them.

        `ours`: only those where we lead, and may store.
        """
        ...

    async def read(self, place: Place) -> Record | None:
        """Return what stands there by an uncached read; None: nothing any more."""
        ...

    async def store(self, record: Record, text: str) -> None:
        """Replace the text of a record as it was read.

        Raises:
            Conflict: somebody wrote in between; nothing was changed.
            NotFound: it is gone.
        """
        ...
