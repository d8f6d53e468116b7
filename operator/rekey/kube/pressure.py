"""How many requests are under way at once: fewer while the API server says that it is busy.

1. An answer 429 halves the number and holds everything for as long as the server asked (API Priority and Fairness says
   `Retry-After`); each answer brings back a little: additive increase, multiplicative decrease.
2. Who was refused fails and looks again later, by its own back-off; here only the others are held.
3. First come, first served, and none waits longer than it has time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

FEWEST: Final = 2
LONGEST_PAUSE: Final = 30.0
_SHORTEST_PAUSE: Final = 1.0


class Pressure:
    """A gate for requests of one event loop; `seconds` is a clock that never goes back."""

    def __init__(self, most: int, seconds: Callable[[], float] | None = None) -> None:
        self._most = most
        self._limit = float(most)
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds or self._loop.time
        self._closed_until = 0.0

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return int(self._limit)

    async def enter(self, within: float) -> None:
        """Wait until another request may be sent; each `enter` that returns is followed by one `leave`.

        Raises:
            TimeoutError: it was not its turn within that many seconds.
        """
        if not self._waiting and self._is_open():
            self._under_way += 1
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(within):
                await turn
        except (asyncio.CancelledError, TimeoutError):
            if turn.done() and not turn.cancelled():
                self._under_way -= 1  # it was let in and will not go
                self._let_in()
            raise

    def leave(self) -> None:
        """Make room for another."""
        self._under_way -= 1
        if self._limit < self._most:
            self._limit = min(self._most, self._limit + 1 / self._limit)
        if self._waiting:
            self._let_in()

    def refused(self, retry_after: float | None) -> None:
        """Take note of a 429; those of one moment count once."""
        now = self._seconds()
        if now < self._closed_until:
            return
        pause = min(LONGEST_PAUSE, max(_SHORTEST_PAUSE, retry_after or 0.0))
        self._limit = max(FEWEST, self._limit / 2)
        self._closed_until = now + pause
        self._loop.call_later(pause, self._let_in)

    def _is_open(self) -> bool:
        return self._under_way < int(self._limit) and self._seconds() >= self._closed_until

    def _let_in(self) -> None:
        while self._waiting and self._is_open():
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)
