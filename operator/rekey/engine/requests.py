"""One RotationRequest, once: its status is brought up to date, or it is deleted when its time is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rekey.core.request import Ledger, Request, report, wakes
from rekey.ports.cluster import Clock
from rekey.ports.requests import Requests

Known = Callable[[str], Mapping[str, Ledger]]
"""Gives the ledgers of a namespace's credentials, by name."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a look ended: the request as stored (None: gone), and when to look again (None: when something changes)."""

    request: Request | None
    until: datetime | None


class Requester:
    """Keeps requests up to date; it keeps nothing between looks."""

    def __init__(self, requests: Requests, clock: Clock, known: Known) -> None:
        self._requests = requests
        self._clock = clock
        self._known = known

    async def reconcile(self, request: Request) -> Turn:
        """Write what the credentials' ledgers say of the request, if its status says something else.

        Raises:
            Conflict, NotFound: it is another one than was looked at.
            Retryable: the API server was away or busy.
            Forbidden: a right is missing.
        """
        if request.deleting:
            return Turn(request, None)
        now = self._clock.now()
        until = wakes(request)
        if request.finished and until is not None and until <= now:
            await self._requests.delete(request)
            return Turn(None, None)
        status = report(request, self._known(request.key.namespace), now)
        if status != request.status:
            request = await self._requests.save(request, status)
        return Turn(request, wakes(request))
