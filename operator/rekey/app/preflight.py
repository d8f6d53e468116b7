"""Before the work begins: is there an API server, the CRDs, and every right? One clear line each, then waiting.

1. Nothing is given up: a cluster that comes up later, a CRD or a role that is applied later is found within half a
   minute. What is missing is said when it changes and every five minutes, and by /readyz all the time.
2. Each missing right is named: one in words, several by resource.
3. The CRDs are looked for again whenever listening failed: they may be gone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from rekey.app.backoff import delay
from rekey.app.contact import Contact
from rekey.errors import Forbidden, Rejected, RekeyError, Retryable
from rekey.kube import rights
from rekey.kube.client import Client
from rekey.kube.rights import Right

LONGEST: Final = timedelta(seconds=30)
REMINDER: Final = 300.0
log = logging.getLogger(__name__)


class Obstacle(RekeyError):
    """Wait: something that a person has to provide is missing."""


class Preflight:
    """Waits for what is missing; `obstacle` says what that is, or None; `contact`, whether the server answers."""

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.obstacle: str | None = None

    async def pass_all(self, client: Client, needed: tuple[Right, ...]) -> None:
        """Return when everything is there, however long it takes."""
        await self.until_served(client)
        await self._until_passed(lambda: _rights(client, needed))

    async def until_served(self, client: Client) -> None:
        """Return when there is an API server that knows our kinds."""
        await self._until_passed(lambda: _server_and_crd(client))

    async def _until_passed(self, look: Callable[[], Awaitable[None]]) -> None:
        attempt, said_at = 0, 0.0
        seconds = asyncio.get_running_loop().time
        while True:
            try:
                await look()
            except Obstacle as obstacle:
                line = str(obstacle)
                if line != self.obstacle or seconds() - said_at >= REMINDER:
                    log.warning(line)
                    self.obstacle, said_at = line, seconds()
                await asyncio.sleep(delay("preflight", attempt, longest=LONGEST).total_seconds())
                attempt += 1
            else:
                self.obstacle = None
                return


async def _server_and_crd(client: Client) -> None:
    try:
        served = await rights.is_served(client)
    except Retryable as error:
        raise Obstacle(f"the API server {client.access.server} cannot be used: {error}; waiting for it") from error
    except (Forbidden, Rejected) as error:
        raise Obstacle(f"the API server {client.access.server} does not let us look: {error}; waiting") from error
    if not served:
        raise Obstacle(
            "the CRDs of rekey.dev are not installed, or not all: run `kubectl apply -f crds/`; waiting for them"
        )


async def _rights(client: Client, needed: tuple[Right, ...]) -> None:
    try:
        missing = await rights.missing(client, needed)
    except RekeyError as error:
        raise Obstacle(f"our rights cannot be checked: {error}; waiting") from error
    match missing:
        case ():
            return
        case (right,):
            raise Obstacle(f"missing right: {right}; waiting for somebody to grant it")
        case _:
            raise Obstacle(f"missing rights {rights.listed(missing)}; apply examples/operator/rbac.yaml; waiting")
