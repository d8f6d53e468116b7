"""Pods at the API server (port `Pods`): one uncached list for all who asked before it began.

1. A list is shared only by callers who asked before it began; who asks during it waits for the next one.
   So however many credentials a namespace has, one list of its pods runs at a time.
2. A caller that goes away takes nobody's list with it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from rekey.core.facts import PodView
from rekey.kube.api import PODS
from rekey.kube.client import Client
from rekey.kube.pod_view import view

_NOT_ENDED: Final = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}


class KubePods:
    """The port over the API server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._running: dict[str, asyncio.Task[tuple[PodView, ...]]] = {}
        self._next: dict[str, asyncio.Task[tuple[PodView, ...]]] = {}

    async def list(self, namespace: str) -> tuple[PodView, ...]:
        """Return every pod that has not ended, as of an instant after the call."""
        waiting = self._next.get(namespace)
        if waiting is None:
            waiting = asyncio.create_task(self._read(namespace, self._running.get(namespace)))
            self._next[namespace] = waiting
        # A shield also hears the error of a list whose callers all went away; asyncio would complain.
        return await asyncio.shield(waiting)

    async def _read(self, namespace: str, before: asyncio.Task[tuple[PodView, ...]] | None) -> tuple[PodView, ...]:
        if before is not None:
            await asyncio.wait([before])
        this = self._next.pop(namespace)
        self._running[namespace] = this
        try:
            return tuple(view(pod) for pod in await self._client.list(PODS.all(namespace), _NOT_ENDED))
        finally:
            if self._running[namespace] is this:
                del self._running[namespace]
