"""The credentials' port with an observer: what the engine saves is known to the cache, counted and logged."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from rekey.app.cache import Cache
from rekey.app.seen import look, written
from rekey.core.facts import Credential, Key
from rekey.core.status import Status
from rekey.ports.cluster import Credentials

Saved = Callable[[Status, Status], None]
"""Told of every save: the status before and after."""

Refuse = Callable[[Key], Awaitable[int | None]]
"""Writes into a credential's status that it cannot be parsed; gives the version this has, None if it is gone."""

log = logging.getLogger(__name__)


class Observed:
    """The port `Credentials`: it does what the inner one does, and takes note."""

    def __init__(self, inner: Credentials, cache: Cache, saved: Sequence[Saved], refuse: Refuse) -> None:
        self._inner = inner
        self._cache = cache
        self._saved = saved
        self._refuse = refuse

    async def read(self, key: Key) -> Credential | None:
        """Return the credential by an uncached read; the cache holds it from then on.

        If it is older than what was known before it was asked for, etcd was restored from a copy. One whose shard ended
        meanwhile is not kept: that is forgotten, and would come back so.
        """
        before = self._cache.newest(key)
        found = await self._inner.read(key)
        if found is not None and self._cache.keeps(key):
            version = int(found.resource_version)
            if version < min(before, self._cache.newest(key)):  # and no other read has found that out meanwhile
                self._cache.rewind()
            self._cache.put(look(written(found)))
            self._cache.learn(key, version)
        return found

    async def save(self, credential: Credential, status: Status) -> Credential:
        """Replace its status; the watch event that this causes is no news."""
        stored = await self._inner.save(credential, status)
        self._cache.learn(stored.key, int(stored.resource_version))
        for saved in self._saved:
            saved(credential.status, status)
        if status.current_version != credential.status.current_version:
            cause = status.rotation.cause.value if status.rotation is not None else None
            log.info(
                _arrival(credential.status.current_version, status.current_version),
                extra={"credential": str(stored.key), "version": status.current_version, "cause": cause},
            )
        return stored

    async def finalize(self, credential: Credential, *, present: bool) -> Credential | None:
        """Put our finalizer on or take it off; the watch event that this causes is no news."""
        stored = await self._inner.finalize(credential, present=present)
        if stored is not None:
            self._cache.learn(stored.key, int(stored.resource_version))
        return stored

    async def refuse(self, key: Key) -> None:
        """Have its status say that it cannot be parsed; the watch event that this causes is no news."""
        version = await self._refuse(key)
        if version is not None:
            self._cache.learn(key, version)


def _arrival(before: int | None, after: int | None) -> str:
    """Return the sentence for a version that is current now."""
    if after is None:
        return "no version is current"
    if before is None:
        return "the first version is current"
    return "another version is current" if after > before else "an earlier version is current again"
