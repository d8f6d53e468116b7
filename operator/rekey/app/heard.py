"""What one thread hears and another one acts on: the words, and how they are handed over."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rekey.app.seen import Seen
from rekey.core.facts import Key


@dataclass(frozen=True, slots=True)
class Gone:
    """A credential was deleted."""

    key: Key
    version: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A RotationRequest, as the API server sends it."""

    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A RotationRequest was deleted."""

    key: Key
    version: int


@dataclass(frozen=True, slots=True)
class Synced:
    """Everything that was there at the start has been handed over."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """Listening ended and begins anew after a while."""


SOON: Final = 0.02

Heard = Seen | Gone | Asked | Withdrawn | Synced | Deaf


class Inbox:
    """What one thread hands over to the event loop of another, in order."""

    def __init__(self, deliver: Callable[[Heard], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._items: deque[Heard] = deque()
        self._called = False
        self._planned = False

    def put(self, item: Heard) -> None:
        """Hand it over at once; from any thread."""
        self._items.append(item)
        self._wake()

    def put_later(self, item: Heard) -> None:
        """Hand it over soon, together with others; from any thread with a loop."""
        self._items.append(item)
        if not self._planned and not self._called:
            self._planned = True
            asyncio.get_running_loop().call_later(SOON, self._wake)

    def _wake(self) -> None:
        self._planned = False
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._called = False
        while self._items:
            self._deliver(self._items.popleft())
