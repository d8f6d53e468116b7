"""RotationRequest objects, as the engine needs them."""

from __future__ import annotations

from typing import Protocol

from rekey.core.facts import Key
from rekey.core.request import Request, RequestStatus


class Requests(Protocol):
    """The RotationRequests. Every write carries the resourceVersion of the read it was decided on."""

    async def read(self, key: Key) -> Request | None:
        """Return the request by an uncached read, None if there is none."""
        ...

    async def save(self, request: Request, status: RequestStatus) -> Request:
        """Replace its status and return the request as stored.

        Raises:
            Conflict: somebody wrote in between; nothing was changed.
            NotFound: it is gone.
        """
        ...

    async def delete(self, request: Request) -> None:
        """Delete it if it is as it was read; if it is gone there is nothing to do.

        Raises:
            Conflict: somebody wrote in between; nothing was changed.
        """
        ...
