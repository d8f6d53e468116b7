"""The life of `rekey publish`: put together, follow and serve until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rekey
from rekey.app import probes
from rekey.app.clock import ServerClock, SystemClock
from rekey.app.publish.answers import Answers
from rekey.app.publish.certificate import Certificate
from rekey.app.publish.door import Door
from rekey.app.publish.following import WINDOW, Follower
from rekey.app.publish.metrics import Gauges, Metrics
from rekey.app.publish.settings import PublishSettings
from rekey.app.publish.shelf import Shelf
from rekey.errors import RekeyError
from rekey.kube.client import Client
from rekey.kube.config import Access

_GRACE: Final = 5.0
log = logging.getLogger(__name__)


class CannotServe(RekeyError):
    """Tell the person who started us what to change."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """What runs: its ports, and what it serves."""

    shelf: Shelf
    certificate: Certificate | None
    port: int
    http_port: int


def run(settings: PublishSettings, access: Access) -> None:
    """Serve until told to stop.

    Raises:
        RekeyError: it cannot serve with these settings on this machine.
    """
    asyncio.run(_run(settings, access))


async def _run(settings: PublishSettings, access: Access) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log.info("starting", extra={"release": rekey.__version__, "server": access.server})
    async with serving(settings, access, stop):
        await stop.wait()
        log.info("stopping")
        # Clients and load balancers learn only now that we go.
        await asyncio.sleep(settings.drain.total_seconds())
    log.info("stopped")


@asynccontextmanager
async def serving(
    settings: PublishSettings, access: Access, stop: asyncio.Event, *, window: int = WINDOW
) -> AsyncIterator[Publisher]:
    """Give what serves and follows; an error that ends a part of it ends all.

    Raises:
        RekeyError: it cannot be begun.
    """
    clock, heartbeat, metrics = ServerClock(), probes.Heartbeat(), Metrics()
    shelf = Shelf(settings.namespaces, clock, settings.stale_after)
    certificate = Certificate(Path(settings.tls_directory), SystemClock()) if settings.tls_directory else None
    metrics.registry.register(Gauges(shelf, lambda: certificate.expires.timestamp() if certificate else None))
    door = Door(Answers(shelf, metrics, settings.max_age), settings.max_connections)
    health = probes.Probes(_alive(heartbeat), _ready(shelf, stop), metrics.text)
    async with Client(access) as client:
        client.dated = clock.hear
        works: list[Coroutine[Any, Any, None]] = [door.watch()]
        works += [certificate.follow()] if certificate else []
        works += [
            Follower(client, scope, shelf, metrics, settings.compare_interval, window).run() for scope in shelf.scopes
        ]
        try:
            await _listen(settings, certificate, door, health)
            log.info("answering probes", extra={"port": health.port})
            log.info("serving", extra={"port": door.port})
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in works]
                yield Publisher(shelf, certificate, door.port, health.port)
                for task in tasks:
                    task.cancel()
        finally:
            heartbeat.stop()
            await door.close(_GRACE)
            await health.stop()


async def _listen(
    settings: PublishSettings, certificate: Certificate | None, door: Door, health: probes.Probes
) -> None:
    port = settings.port
    try:
        await door.open(probes.listening(port, settings.host), certificate.context if certificate else None)
        port = settings.http_port
        await health.start(port)
    except OSError as error:
        raise CannotServe(f"port {port} cannot be used ({error.strerror}): set --port or --http-port") from error


def _alive(heartbeat: probes.Heartbeat) -> dict[str, probes.Check]:
    def lag() -> str | None:
        return f"late by {heartbeat.lag:.0f} s" if heartbeat.lag > probes.LONGEST_LAG else None

    return {"the loop turns": lag}


def _ready(shelf: Shelf, stop: asyncio.Event) -> dict[str, probes.Check]:
    return {
        "credentials are known": lambda: None if shelf.is_full else "no list was answered yet",
        "it goes on": lambda: "it was told to stop" if stop.is_set() else None,
    }
