"""Before the work begins: is there an API server, the CRD, and every right? One clear line each, then waiting.

1. Nothing is given up: a cluster that comes up later, a CRD or a role that is applied later is found within half a
   minute. The line is said again at every look, so that the end of the log always tells what is missing.
2. Each missing right is named in a line of its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from rekey.app.backoff import delay
from rekey.errors import Forbidden, Rejected, RekeyError, Retryable
from rekey.kube import rights
from rekey.kube.client import Client
from rekey.kube.rights import Right

LONGEST: Final = timedelta(seconds=30)
log = logging.getLogger(__name__)


class Obstacle(RekeyError):
    """Wait: something that a person has to provide is missing; one line each says what."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


async def pass_all(client: Client, needed: tuple[Right, ...]) -> None:
    """Return when everything is there, however long it takes."""
    await _until_passed(lambda: _server_and_crd(client))
    await _until_passed(lambda: _rights(client, needed))


async def _until_passed(look: Callable[[], Awaitable[None]]) -> None:
    attempt = 0
    while True:
        try:
            await look()
        except Obstacle as obstacle:
            wait = delay("preflight", attempt, longest=LONGEST).total_seconds()
            for line in obstacle.lines:
                log.warning(line, extra={"seconds": round(wait, 1)})
            await asyncio.sleep(wait)
            attempt += 1
        else:
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
    if missing:
        raise Obstacle(*(f"missing right: {right}; waiting for somebody to grant it" for right in missing))
