"""kopf, imported lightly and set up so that it only listens.

1. kopf imports whatever client library is installed, to know its types: up to 18 MiB for something never used here.
   They are hidden while kopf is imported, unless one is loaded anyway; nobody else notices.
2. The storages keep nothing: the usual ones copy every object three times for each event, and write annotations.
3. No patience ends: kopf would otherwise stop after a minute without an API server.
4. The watches are renewed when they are silent for 70 s: bookmarks come every minute.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from rekey.app.backoff import Endless

_HEAVY: Final = ("kubernetes", "kubernetes.client", "kubernetes_asyncio", "pykube")


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: `import` says that there is none
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _hidden(*_HEAVY):
    import kopf


class NoDiff(kopf.DiffBaseStorage):
    """Remember no earlier state of an object."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return kopf.BodyEssence({})

    def fetch(self, **_: object) -> kopf.BodyEssence:
        """Return nothing to compare with."""
        return kopf.BodyEssence({})

    def store(self, **_: object) -> None:
        """Write nothing."""


class NoProgress(kopf.ProgressStorage):
    """Remember no progress of handlers."""

    def fetch(self, **_: object) -> None:
        """Return nothing."""

    def store(self, **_: object) -> None:
        """Write nothing."""

    def purge(self, **_: object) -> None:
        """Write nothing."""

    def touch(self, **_: object) -> None:
        """Write nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return it as it is, uncopied."""
        return essence


def listening() -> kopf.OperatorSettings:
    """Return settings under which kopf only listens."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = NoDiff()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.consistency_timeout = 0
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 0.2
    settings.watching.chunk_size = 100
    settings.watching.inactivity_timeout = 70
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = Endless("kopf", timedelta(milliseconds=100), timedelta(seconds=30))
    settings.execution.max_workers = 1
    return settings


__all__ = ["kopf", "listening"]
