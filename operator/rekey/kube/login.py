"""Who Rekey is to the API server: the Authorization header of every request, renewed as it changes.

1. A ServiceAccount's token is a file that the kubelet renews; a kubeconfig's may come from a program.
2. Both are asked again every ten seconds, and at once after the API server refused what they gave.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_FRESH = 10.0


class Login(Protocol):
    """Where the Authorization header comes from."""

    async def header(self) -> str | None:
        """Return the header to send now; None to send none."""
        ...

    def refused(self) -> None:
        """Take note that the API server did not accept the last one."""
        ...


class TokenFile:
    """The token in a file that somebody else renews."""

    def __init__(self, path: Path, ticks: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._ticks = ticks
        self._header = f"Bearer {path.read_text().strip()}"
        self._again = ticks() + _FRESH

    async def header(self) -> str:
        """Return the token as the file has had it for at most ten seconds."""
        now = self._ticks()
        if now >= self._again:
            self._again = now + _FRESH
            token = _text(self._path)
            if token:
                self._header = f"Bearer {token}"
        return self._header

    def refused(self) -> None:
        """Read the file again before the next request."""
        self._again = 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # it is being replaced: the token at hand is good for a while yet
        return ""


class Program:
    """A header that a function gives which may block, as it may run a program (kubeconfig's exec plugins).

    `ask` returns the header; its argument says whether the last one was refused.
    """

    def __init__(
        self,
        ask: Callable[[bool], str | None],
        first: str | None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._ticks = ticks
        self._header = first
        self._again = ticks() + _FRESH
        self._was_refused = False

    async def header(self) -> str | None:
        """Return what the function gave last; ask again, in a thread, when that is old."""
        now = self._ticks()
        if now >= self._again:
            self._again = now + _FRESH
            refused, self._was_refused = self._was_refused, False
            self._header = await asyncio.to_thread(self._ask, refused)
        return self._header

    def refused(self) -> None:
        """Ask again before the next request, but no more than once in a while: the program may be slow."""
        self._was_refused = True
