"""What the parts of the process know of the election, and what the election knows of them; and the case without one."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from rekey.core.facts import Key
from rekey.ports.cluster import Clock


class Entry(Protocol):
    """What is done when a term begins or ends. With one Lease for all its shard is 0."""

    async def learn(self, shard: int) -> tuple[Key, ...]:
        """Find out what others did before; return the credentials that they changed."""
        ...

    def enqueue(self, shard: int, behind: Iterable[Key]) -> None:
        """Have everything looked at."""
        ...

    def leave(self, shard: int) -> None:
        """Take note that it is not ours any more."""
        ...

    async def rest(self, shard: int) -> None:
        """Wait until nothing is being worked on there."""
        ...


class Atlas(Protocol):
    """Which namespaces are in which shard."""

    def of(self, namespace: str) -> int:
        """Return the shard of a namespace."""
        ...

    def remaining(self, namespace: str) -> float:
        """Return for how many seconds that is known to be so."""
        ...


class Whole:
    """One shard."""

    def of(self, namespace: str) -> int:  # noqa: ARG002  the protocol's
        """Return the only one."""
        return 0

    def remaining(self, namespace: str) -> float:  # noqa: ARG002  the protocol's
        """Return that it always is so."""
        return math.inf


class Leading(Protocol):
    """What the parts of the process know of the election."""

    async def start(self, entry: Entry) -> None:
        """Begin; a Lease that is free is taken when this returns."""
        ...

    async def stop(self) -> None:
        """End, and let others act at once."""
        ...

    def begin(self, namespace: str) -> None:
        """Begin work on a credential there: nothing else is done in this task until the next call.

        Raises:
            NotLeading: it is not ours to act there.
        """
        ...

    def remaining(self, namespace: str) -> float:
        """Return for how many seconds effects in this namespace may still be sent."""
        ...

    def acting_since(self) -> datetime | None:
        """Return since when this process acts, None while it does not."""
        ...

    def is_well(self) -> bool:
        """Return whether nothing has died."""
        ...


class Alone:
    """No election: this process is the only one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started: datetime | None = None

    async def start(self, entry: Entry) -> None:  # noqa: ARG002  the port's
        """Take note of the moment."""
        self._started = self._clock.now()

    async def stop(self) -> None:
        """Do nothing."""

    def begin(self, namespace: str) -> None:
        """Do nothing."""

    def remaining(self, namespace: str) -> float:  # noqa: ARG002  the port's
        """Return that there is no end."""
        return math.inf

    def acting_since(self) -> datetime | None:
        """Return when it was begun."""
        return self._started

    def is_well(self) -> bool:
        """Return that nothing can die."""
        return True
