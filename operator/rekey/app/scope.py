"""What this process covers: everything, or the shards that are its own."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from rekey.app.clock import SystemClock
from rekey.app.ears import Ears
from rekey.app.heard import Inbox
from rekey.app.intake import Intake
from rekey.app.kopf_shell import KopfShell
from rekey.app.leading import Entry
from rekey.app.preflight import Preflight
from rekey.app.resync import Take
from rekey.app.settings import Settings
from rekey.app.shard_map import ShardMap
from rekey.app.sharding import Known, Sharding
from rekey.app.takeover import Takeover
from rekey.core.facts import Key
from rekey.kube import census
from rekey.kube.client import Client


@dataclass(frozen=True, slots=True)
class Scope:
    """How it listens, what it does when a term begins, what it compares its cache with, and since when it is ready."""

    shell: KopfShell | Ears
    entry: Entry
    take: Take
    ready: Callable[[], str | None]
    follow: tuple[Callable[[], Coroutine[None, None, None]], ...] = ()
    """What goes on besides, for ever."""


def scope(
    settings: Settings, client: Client, intake: Intake, known: Known, atlas: ShardMap | None, preflight: Preflight
) -> Scope:
    """Return what this process covers."""
    cache, queue = known.cache, known.queue

    def needs_no_handler(key: Key, version: int) -> bool:
        return queue.is_working(key) or cache.knows(key, version)

    async def take() -> tuple[census.Census, ...]:
        return await census.take(client, settings.namespaces)

    if atlas is None:
        return Scope(
            KopfShell(client.access, settings.namespaces, Inbox(intake.take), needs_no_handler, preflight),
            Takeover(take, cache, queue, known.askers, SystemClock(), intake.synced),
            take,
            lambda: None if intake.synced.is_set() else "the first list is not complete",
        )
    shards = Sharding(client, atlas, known, rollouts=settings.max_rollouts)
    shards.ears = ears = Ears(client.access, settings.shards, intake.take, needs_no_handler, preflight, shards.stray)

    return Scope(
        ears,
        shards,
        shards.take,
        lambda: None if atlas.is_settled() else "it is not known for long enough which namespace is in which shard",
        (shards.follow,),
    )
