"""The one place that knows every part of the running operator and puts them together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from rekey.app import keys, probes
from rekey.app.asking import Asking
from rekey.app.backends import declared
from rekey.app.book import Book
from rekey.app.cache import Cache
from rekey.app.clock import ServerClock, SystemClock, ticks
from rekey.app.contact import Contact
from rekey.app.drift import Drift
from rekey.app.ears import Ears
from rekey.app.electing import elected, shard_map
from rekey.app.fencing import Fencing, wanted
from rekey.app.intake import Intake
from rekey.app.kopf_shell import KopfShell
from rekey.app.leading import Entry, Leading
from rekey.app.ledgers import Ledgers
from rekey.app.metrics import Gauges, Metrics
from rekey.app.metrics_of_providers import ProviderGauges
from rekey.app.observed import Observed
from rekey.app.preflight import Preflight
from rekey.app.progress import Progress
from rekey.app.queue import Lane, Queue
from rekey.app.recorded import Recorded
from rekey.app.resync import Resync
from rekey.app.scope import Scope, scope
from rekey.app.settings import Settings
from rekey.app.shard_map import ShardMap
from rekey.app.sharding import Known
from rekey.app.standings import Standings
from rekey.app.watchdog import Watchdog
from rekey.app.workers import Workers
from rekey.core.facts import Fence, Key, Timing
from rekey.engine.limits import Surroundings
from rekey.engine.reconcile import Engine
from rekey.engine.requests import Requester
from rekey.kube.client import Client
from rekey.kube.config import Access
from rekey.kube.connect import connected
from rekey.kube.credentials import Parser
from rekey.kube.provider_status import KubeProviderStatus
from rekey.kube.requests import KubeRequests
from rekey.kube.unreadable import Unreadable
from rekey.ports.cluster import Credentials, Ports
from rekey.providers.backends import DeclaredBackends, undivided
from rekey.providers.generated import Generated
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.getting import Getter
from rekey.providers.http.prober import HttpProber
from rekey.providers.http.prometheus import PrometheusMeter

Background = Callable[[], Coroutine[None, None, None]]
"""What goes on for ever besides the work."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts that `run` starts and stops."""

    client: Client
    preflight: Preflight
    cache: Cache
    workers: Workers
    asking: Asking
    engine: Engine
    drift: Drift
    background: tuple[Background, ...]
    intake: Intake
    shell: KopfShell | Ears
    server: probes.Probes
    heartbeat: probes.Heartbeat
    lead: Leading
    entry: Entry


@asynccontextmanager
async def wired(settings: Settings, access: Access) -> AsyncIterator[Operator]:
    """Give the operator, put together and not yet started; Events that wait at the end are still sent."""
    clock, parser, heartbeat = ServerClock(), Parser(), probes.Heartbeat()
    metrics, contact = Metrics(clock), Contact(ticks)
    cache = Cache(parser.parse, settings.max_rollouts_per_namespace, settings.max_rollouts)
    atlas, allowed = shard_map(settings), Allowed(settings.probe_allowed)
    lead, standings = elected(settings, access, metrics, clock, heartbeat.silence, atlas), _standings(metrics)
    getter, backends = Getter(allowed, lead), _declares(access, clock, allowed, atlas, standings)
    kept = keys.Keys(settings, clock, metrics, backends)
    try:
        async with connected(
            access,
            clock,
            parser,
            instance=socket.gethostname(),
            observe=contact.beside(metrics.requested),
            dropped=metrics.event_dropped,
            prober=HttpProber(getter),
            meter=PrometheusMeter(getter),
            backends=partial(backends, lead=lead),
            keys=kept.counted,
            lead=lead,
        ) as (client, bare):
            client.dated = clock.hear
            unreadable = Unreadable(client, parser, bare.announcer, clock)
            queue, book = Queue(asyncio.get_running_loop().time), Book()
            progress = Progress(cache, queue, asyncio.get_running_loop().time)
            observed = Observed(bare.credentials, cache, (metrics.saved, progress.saved), unreadable.refuse)
            ports = replace(bare, credentials=observed, announcer=Recorded(bare.announcer))
            engine = _engine(settings, ports, cache, book, bare.credentials)
            workers = Workers(queue, cache, observed, engine, clock, metrics, lead, contact)
            asking = Asking(book, *_requests(client, cache, clock), queue, clock, lead)
            metrics.registry.register(Gauges(cache, queue, clock, workers, settings.metrics_per_credential))
            metrics.registry.register(progress)
            parts = _Parts(engine, client, cache, queue, workers, asking, metrics, heartbeat, lead, atlas, contact)
            written = partial(standings.run, KubeProviderStatus(client, lead, clock.now))
            fencing = _fencing(settings, client, engine, metrics)
            yield _put_together(settings, parts, (kept.upkeep(client, lead).run, written, *fencing))
    finally:
        await lead.stop()  # last, so that Events that waited were still sent by who led


def _declares(
    access: Access, clock: ServerClock, allowed: Allowed, atlas: ShardMap | None, standings: Standings
) -> Callable[..., DeclaredBackends]:
    place = atlas.place if atlas is not None else undivided
    return partial(declared, home=access.namespace, clock=clock, allowed=allowed, place=place, tell=standings.tell)


def _standings(metrics: Metrics) -> Standings:
    standings = Standings()
    metrics.registry.register(ProviderGauges(standings.known))
    return standings


def _requests(client: Client, cache: Cache, clock: ServerClock) -> tuple[KubeRequests, Requester]:
    requests = KubeRequests(client)
    return requests, Requester(requests, clock, partial(Ledgers, cache))


def _engine(settings: Settings, ports: Ports, cache: Cache, book: Book, storage: Credentials) -> Engine:
    around = Surroundings(cache, cache, book, storage, cache, settings.webhooks)
    lag, propagation, deadline = settings.kubelet_cache_lag, settings.kubelet_propagation, settings.lease_renew_deadline
    timing = Timing(cache_lag=lag, propagation=propagation, intent=min(Timing().intent, deadline))
    return Engine(ports, Generated(), around, ports.clock.now(), timing)


def _fencing(settings: Settings, client: Client, engine: Engine, metrics: Metrics) -> tuple[Background, ...]:
    def told(found: Fence) -> None:
        engine.fence = found

    fence = wanted(settings, client.access)
    return (Fencing(client, fence, told, metrics.registry).run,) if fence is not None else ()


@dataclass(frozen=True, slots=True)
class _Parts:
    engine: Engine
    client: Client
    cache: Cache
    queue: Queue
    workers: Workers
    asking: Asking
    metrics: Metrics
    heartbeat: probes.Heartbeat
    lead: Leading
    atlas: ShardMap | None
    contact: Contact


def _put_together(settings: Settings, parts: _Parts, more: tuple[Background, ...]) -> Operator:
    client, cache, queue, workers = parts.client, parts.cache, parts.queue, parts.workers
    intake = Intake(cache, queue, workers.timer, parts.asking, parts.metrics.deafened, sharded=parts.atlas is not None)
    preflight, known = Preflight(parts.contact), Known(cache, queue, workers.timer, parts.asking)
    covered = scope(settings, client, intake, known, parts.atlas, preflight)
    resync = Resync(covered.take, cache, queue, settings.resync_interval, seed=socket.gethostname())
    parts.contact.tell = parts.engine.answered
    cache.tell_of_rewinds(parts.asking.rewind)
    cache.tell_of_rewinds(partial(_look_at_all, cache, queue))
    checks = (
        alive(parts, covered.shell)
        | moving(parts)
        | {"the election goes on": lambda: None if parts.lead.is_well() else "its thread has ended"}
    )
    return Operator(
        client=client,
        preflight=preflight,
        cache=cache,
        workers=workers,
        asking=parts.asking,
        engine=parts.engine,
        drift=_drift(settings, cache, queue),
        background=(resync.run, *covered.follow, *more),
        intake=intake,
        shell=covered.shell,
        server=probes.Probes(checks, ready(preflight, covered), parts.metrics.text),
        heartbeat=parts.heartbeat,
        lead=parts.lead,
        entry=covered.entry,
    )


def _look_at_all(cache: Cache, queue: Queue) -> None:
    for seen in cache:
        queue.add(seen.key, Lane.RESYNC)


def _drift(settings: Settings, cache: Cache, queue: Queue) -> Drift:
    def check(key: Key) -> None:
        queue.add(key, Lane.RESYNC, check=True)

    drift = Drift(SystemClock(), settings.drift_interval, settings.drift_reads_per_second, check)
    cache.tell(entered=drift.follow, left=drift.drop)
    return drift


def ready(preflight: Preflight, covered: Scope) -> Mapping[str, probes.Check]:
    """Return what the process is judged ready by."""
    return {
        "nothing is missing": lambda: preflight.obstacle,
        "the API server answers": preflight.contact.trouble,
        "credentials are known": covered.ready,
    }


def moving(parts: _Parts) -> dict[str, probes.Check]:
    """Return what the work is judged by."""
    dog = Watchdog(parts.cache, parts.queue, parts.engine.ports.clock, parts.lead.acting_since)
    return {"nothing is forgotten": dog.nothing_is_forgotten, "work gets done": dog.work_gets_done}


def alive(parts: _Parts, shell: KopfShell | Ears) -> dict[str, probes.Check]:
    """Return what the process is judged alive by."""

    def lag() -> str | None:
        return f"late by {parts.heartbeat.lag:.0f} s" if parts.heartbeat.lag > probes.LONGEST_LAG else None

    def work() -> str | None:
        longest = parts.queue.longest_work()
        return f"one credential for {longest:.0f} s" if longest > probes.LONGEST_WORK else None

    return {
        "the loop turns": lag,
        "workers live": lambda: None if parts.workers.alive() and parts.asking.alive() else "a worker has died",
        "work goes on": work,
        "the ear is open": lambda: None if shell.is_well() else "the listening thread has ended",
    }
