"""Tasks that take work from a queue: begun together, and ended within a grace."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any


class Crew:
    """They end by themselves when their queue is closed; who does not in time is cancelled."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, number: int, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Begin so many."""
        self._tasks = [asyncio.create_task(work(), name=f"{name} {n}") for n in range(number)]

    async def end(self, grace: timedelta) -> int:
        """Wait for all, and return how many were interrupted after the grace."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return len(late)

    def alive(self) -> bool:
        """Return whether none has ended."""
        return all(not task.done() for task in self._tasks)
