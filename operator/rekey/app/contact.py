"""Whether the API server answers: one line when not, one when again, and what /readyz says meanwhile."""

import logging
from collections.abc import Callable
from typing import Final

import aiohttp

from rekey.kube.client import Observe

PATIENCE: Final = 5.0
"""Seconds in which nothing was answered: fewer are an accident."""
log = logging.getLogger(__name__)


class Contact:
    """Is told of every request from any thread; `seconds` is a clock that never goes back."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._silent_since: float | None = None
        self.tell: Callable[[], None] = lambda: None
        """Is called when it answers again."""
        self.is_lost = False

    def heard(self) -> None:
        """Take note of an answer, whatever it was."""
        self._silent_since = None
        if self.is_lost:
            self.is_lost = False
            log.info("the API server answers again")
            self.tell()

    def missed(self) -> None:
        """Take note of a request that had no answer."""
        now = self._seconds()
        if self._silent_since is None:
            self._silent_since = now
        elif not self.is_lost and now - self._silent_since >= PATIENCE:
            self.is_lost = True
            log.warning("the API server does not answer; everything waits")

    def beside(self, observe: Observe) -> Observe:
        """Return who is told of every answer: this, and the one that is given."""

        def observed(verb: str, resource: str, code: int) -> None:
            if code:
                self.heard()
            else:
                self.missed()
            observe(verb, resource, code)

        return observed

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Take note of what a session's request met: a middleware."""
        try:
            answer = await handler(request)
        except (aiohttp.ClientError, OSError):
            self.missed()
            raise
        self.heard()
        return answer

    def trouble(self) -> str | None:
        """Return what is wrong, for a probe."""
        return "it does not; everything waits" if self.is_lost else None
