"""What backends told once and the cluster would not store yet: kept in this process's memory until it does.

1. It is known to nobody else. Who leads after us does not learn of it: a crash costs it, as one before its first try.
2. It is stored under the number it was made for or not at all, and create-only: what another process stored under that
   number meanwhile is taken instead, and this is forgotten.
3. One for each credential, and of so many only the last: what is not fetched back does not fill the memory.
"""

from __future__ import annotations

from typing import Final, final

from rekey.ports.backend import Claim, Granted

MOST: Final = 1024


@final
class Unstored:
    """Granted versions whose Secrets do not exist, by the credential they are of."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Claim, Granted]] = {}

    def of(self, claim: Claim) -> Granted | None:
        """Return what was granted as that version, if it is to be stored still."""
        known, granted = self._kept.get(claim.owner, (None, None))
        return granted if known == claim else None

    def keep(self, claim: Claim, granted: Granted) -> None:
        """Keep it until it is stored, or given up."""
        self.forget(claim.owner)
        self._kept[claim.owner] = claim, granted
        if len(self._kept) > MOST:
            self.forget(next(iter(self._kept)))

    def forget(self, owner: str) -> None:
        """Keep nothing of that credential any more."""
        self._kept.pop(owner, None)
