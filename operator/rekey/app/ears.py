"""Listening to shards: a kopf for each that is ours, opened when it becomes so and closed when it ends."""

import asyncio
from collections.abc import Callable
from typing import Any

from rekey.app.heard import Heard, Inbox, Synced
from rekey.app.kopf_shell import KopfShell
from rekey.app.listening import Choice, NeedsNoHandler
from rekey.app.preflight import Preflight
from rekey.app.seen import Seen, key_of, look
from rekey.core import shards
from rekey.core.facts import Key
from rekey.kube.config import Access

Stray = Callable[[Key, str], None]
"""Told, on the main loop, of a credential that carries another shard than the one it was heard of in."""


class Ears:
    """As one `KopfShell`, but for shards. It belongs to the main loop."""

    def __init__(
        self,
        access: Access,
        number: int,
        take: Callable[[Heard], None],
        needs_no_handler: NeedsNoHandler,
        preflight: Preflight,
        stray: Stray,
    ) -> None:
        self._access = access
        self._number = number
        self._take = take
        self._needs_no_handler = needs_no_handler
        self._preflight = preflight
        self._stray = stray
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, KopfShell] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Wait for shards."""

    def open(self, shard: int) -> asyncio.Event:
        """Listen to this shard, too; return what is set when its first list is complete."""
        synced = asyncio.Event()

        def take(heard: Heard) -> None:
            if self._open.get(shard) is not shell:
                return  # it was closed while its thread still told of what it had listed
            self._take(heard)
            if isinstance(heard, Synced):
                synced.set()

        choice = Choice(shards.selector((shard,), self._number), lambda obj: self._keep(obj, shard))
        inbox = Inbox(take)
        shell = KopfShell(self._access, (), inbox, self._needs_no_handler, self._preflight, choice=choice)
        self._open[shard] = shell
        shell.start()
        return synced

    def close(self, shard: int) -> None:
        """Listen to it no more."""
        shell = self._open.pop(shard, None)
        if shell is not None:
            task = asyncio.create_task(shell.stop(), name=f"closing shard {shard}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def stop(self) -> None:
        """Listen to none."""
        for shard in tuple(self._open):
            self.close(shard)
        await asyncio.gather(*self._closing)

    def is_well(self) -> bool:
        """Return whether every thread runs that should."""
        return all(shell.is_well() for shell in self._open.values())

    def _keep(self, obj: dict[str, Any], shard: int) -> Seen:
        """Take what is kept of an object; called from kopf's thread."""
        metadata = obj["metadata"]
        if (metadata.get("labels") or {}).get(shards.LABEL) != str(shard):
            self._loop.call_soon_threadsafe(self._stray, key_of(obj), metadata["resourceVersion"])
        return look(obj)
