"""Where a verifier's content comes from, and how fresh it is."""

from dataclasses import dataclass
from typing import Protocol

from rekey_client.entries import Table


@dataclass(frozen=True, slots=True)
class Trust:
    """The last known good content, and since when nobody could say whether it still holds."""

    table: Table
    confirmed: float
    """When, by the steady clock, it was last known to be current; minus infinity: never."""
    degraded: bool = False


class Source(Protocol):
    """Gives the content; never raises, and never waits but for the very first time."""

    def trust(self, now: float) -> Trust:
        """Return the content; `now` is the steady clock's."""
        ...

    def miss(self, now: float) -> None:
        """Hear that an id is not known: there may be newer content."""
        ...
