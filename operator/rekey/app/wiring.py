"""The one place that knows every part of the running operator and puts them together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from rekey.app import probes
from rekey.app.cache import Cache
from rekey.app.clock import SystemClock
from rekey.app.drift import Drift
from rekey.app.heard import Inbox
from rekey.app.intake import Intake
from rekey.app.kopf_shell import KopfShell
from rekey.app.metrics import Gauges, Metrics
from rekey.app.observed import Observed
from rekey.app.progress import Progress
from rekey.app.queue import Lane, Queue
from rekey.app.resync import Resync
from rekey.app.settings import Settings
from rekey.app.watchdog import Watchdog
from rekey.app.workers import Workers
from rekey.core.facts import Key, Timing
from rekey.engine.reconcile import Engine
from rekey.kube import census
from rekey.kube.client import Client
from rekey.kube.config import Access
from rekey.kube.connect import connected
from rekey.kube.credentials import Parser
from rekey.kube.unreadable import Unreadable
from rekey.ports.cluster import Ports
from rekey.providers.generated import Generated


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts that `run` starts and stops."""

    client: Client
    cache: Cache
    workers: Workers
    drift: Drift
    resync: Resync
    intake: Intake
    shell: KopfShell
    server: probes.Probes
    heartbeat: probes.Heartbeat


@asynccontextmanager
async def wired(settings: Settings, access: Access) -> AsyncIterator[Operator]:
    """Give the operator, put together and not yet started; Events that wait at the end are still sent."""
    clock, parser = SystemClock(), Parser()
    metrics = Metrics(clock)
    cache = Cache(parser.parse, settings.max_rollouts_per_namespace, settings.max_rollouts)
    async with connected(
        access,
        clock,
        parser,
        instance=socket.gethostname(),
        observe=metrics.requested,
        dropped=metrics.event_dropped,
    ) as (client, bare):
        unreadable = Unreadable(client, parser, bare.announcer, clock)
        queue = Queue(asyncio.get_running_loop().time)
        progress = Progress(cache, queue, asyncio.get_running_loop().time)
        observed = Observed(bare.credentials, cache, (metrics.saved, progress.saved), unreadable.refuse)
        engine = _engine(settings, replace(bare, credentials=observed), cache)
        workers = Workers(queue, cache, observed, engine, clock, metrics)
        metrics.registry.register(Gauges(cache, queue, clock, workers, settings.metrics_per_credential))
        metrics.registry.register(progress)
        yield _put_together(settings, client, cache, queue, workers, metrics)


def _engine(settings: Settings, ports: Ports, cache: Cache) -> Engine:
    timing = Timing(cache_lag=settings.kubelet_cache_lag, propagation=settings.kubelet_propagation)
    return Engine(ports, Generated(), cache, cache, ports.clock.now(), timing)


def _put_together(
    settings: Settings, client: Client, cache: Cache, queue: Queue, workers: Workers, metrics: Metrics
) -> Operator:
    intake = Intake(cache, queue, workers.timer, metrics.deafened)
    shell = KopfShell(
        client.access,
        settings.namespaces,
        Inbox(intake.take),
        lambda key, version: queue.is_working(key) or cache.knows(key, version),
    )
    heartbeat = probes.Heartbeat()
    checks = alive(workers, queue, shell, heartbeat) | moving(cache, queue)
    return Operator(
        client=client,
        cache=cache,
        workers=workers,
        drift=_drift(settings, cache, queue),
        resync=_resync(settings, client, cache, queue),
        intake=intake,
        shell=shell,
        server=probes.Probes(checks, ready(intake), metrics.text),
        heartbeat=heartbeat,
    )


def _drift(settings: Settings, cache: Cache, queue: Queue) -> Drift:
    def check(key: Key) -> None:
        queue.add(key, Lane.RESYNC, check=True)

    drift = Drift(SystemClock(), settings.drift_interval, settings.drift_reads_per_second, check)
    cache.tell(entered=drift.follow, left=drift.drop)
    return drift


def _resync(settings: Settings, client: Client, cache: Cache, queue: Queue) -> Resync:
    async def take() -> tuple[census.Census, ...]:
        return await census.take(client, settings.namespaces)

    return Resync(take, cache, queue, settings.resync_interval, seed=socket.gethostname())


def ready(intake: Intake) -> Mapping[str, probes.Check]:
    """Return what the process is judged ready by."""
    return {"credentials are known": lambda: None if intake.synced.is_set() else "the first list is not complete"}


def moving(cache: Cache, queue: Queue) -> dict[str, probes.Check]:
    """Return what the work is judged by."""
    started = SystemClock().now()
    dog = Watchdog(cache, queue, SystemClock(), lambda: started)
    return {"nothing is forgotten": dog.nothing_is_forgotten, "work gets done": dog.work_gets_done}


def alive(workers: Workers, queue: Queue, shell: KopfShell, heartbeat: probes.Heartbeat) -> dict[str, probes.Check]:
    """Return what the process is judged alive by."""

    def lag() -> str | None:
        return f"late by {heartbeat.lag:.0f} s" if heartbeat.lag > probes.LONGEST_LAG else None

    def work() -> str | None:
        longest = queue.longest_work()
        return f"one credential for {longest:.0f} s" if longest > probes.LONGEST_WORK else None

    return {
        "the loop turns": lag,
        "workers live": lambda: None if workers.alive() else "a worker has died",
        "work goes on": work,
        "the ear is open": lambda: None if shell.is_well() else "the listening thread has ended",
    }
