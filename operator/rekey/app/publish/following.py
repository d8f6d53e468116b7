"""Keeps the shelf as the API server has it: one list, then a watch that is opened anew every few seconds.

1. Opening a watch, an event, a bookmark: each says that what is known is so now. A failure says nothing, and what is
   known stays; the watch goes on from where it was.
2. Every few minutes all is listed anew. Changes come in the order of their versions, so at the first one beyond the
   list's own the shelf must be as the list is. Where it is not, that is counted, said, and put right.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

from rekey.app.backoff import delay
from rekey.app.publish.metrics import Metrics
from rekey.app.publish.shelf import Scope, Shelf
from rekey.core.facts import Key
from rekey.core.publication import Publication, Unreadable, read
from rekey.errors import Forbidden, NotFound, RekeyError
from rekey.kube.client import Client
from rekey.kube.watching import Change, TooOld, changes, everything

WINDOW: Final = 20
"""Seconds that one watch lasts."""
LONGEST: Final = timedelta(seconds=10)
log = logging.getLogger(__name__)

Content = dict[Key, Publication | None]


class Follower:
    """Follows one scope."""

    def __init__(
        self, client: Client, scope: Scope, shelf: Shelf, metrics: Metrics, every: timedelta, window: int = WINDOW
    ) -> None:
        self._client = client
        self._scope = scope
        self._shelf = shelf
        self._metrics = metrics
        self._every = every.total_seconds()
        self._window = window
        self._position: int | None = None
        self._listed: tuple[Content, int] | None = None
        self._due = 0.0
        self._said: str | None = None

    async def run(self) -> None:
        """Follow without end."""
        attempt = 0
        while True:
            try:
                await self._listen()
            except TooOld:
                self._position = None
            except RekeyError as error:
                self._shelf.lost(self._scope)
                self._say(error)
                await asyncio.sleep(delay(f"publish {self._scope}", attempt, longest=LONGEST).total_seconds())
                attempt += 1
            else:
                attempt = 0

    async def _listen(self) -> None:
        """Follow for as long as one watch lasts."""
        if self._position is None:
            await self._begin()
        elif asyncio.get_running_loop().time() >= self._due:
            self._listed = await self._list()
            self._plan()
        assert self._position is not None  # noqa: S101  set by _begin
        async with aclosing(changes(self._client, self._scope, self._position, self._window)) as told:
            async for change in told:
                if change is not None:
                    self._take(change)
                self._heard()
        self._heard()

    async def _begin(self) -> None:
        content, self._position = await self._list()
        self._listed = None
        self._replace(content)
        self._heard()
        self._plan()
        log.info("following", extra={"namespace": self._scope, "count": len(self._shelf.within(self._scope))})

    def _plan(self) -> None:
        self._due = asyncio.get_running_loop().time() + self._every

    async def _list(self) -> tuple[Content, int]:
        items, version = await everything(self._client, self._scope)
        return {_key(found): self._read(found) for found in items}, version

    def _take(self, change: Change) -> None:
        is_bookmark = change.kind == "BOOKMARK"
        if self._listed is not None and change.version >= self._listed[1] + (not is_bookmark):
            self._compare(self._listed[0])
            self._listed = None
        if not is_bookmark:
            key = _key(change.found)
            self._shelf.put(key, None if change.kind == "DELETED" else self._read(change.found))
        self._position = change.version

    def _compare(self, listed: Content) -> None:
        """Find what is not served as it should be: memory and list are of the same version now."""
        served = self._shelf.within(self._scope)
        wanted = {key: one for key, one in listed.items() if one is not None}
        wrong = [key for key in served.keys() | wanted.keys() if served.get(key) != wanted.get(key)]
        for key in wrong:
            log.error(
                "what was served was not what the API server has; it is put right", extra={"credential": str(key)}
            )
        self._replace(listed)
        self._metrics.compared(len(wrong))

    def _replace(self, content: Content) -> None:
        for key in self._shelf.within(self._scope).keys() - content.keys():
            self._shelf.put(key, None)
        for key, publication in content.items():
            self._shelf.put(key, publication)

    def _read(self, found: Mapping[str, Any]) -> Publication | None:
        """Return what is to be served of an object: of one that cannot be read what was served before."""
        key = _key(found)
        before = self._shelf.get(key)
        try:
            publication = read(found)
        except Unreadable as error:
            log.warning(
                "a credential cannot be read; it is served as before",
                extra={"credential": str(key), "error": str(error)},
            )
            return before
        if publication is not None and publication.gaps and (before is None or before.gaps != publication.gaps):
            log.warning(
                "a key cannot be published: the status has no proof of it, or one that cannot be read",
                extra={"credential": str(key), "version": publication.gaps[0]},
            )
        return publication

    def _heard(self) -> None:
        self._shelf.heard(self._scope)
        if self._said is not None:
            log.info("the API server answers again", extra={"namespace": self._scope})
            self._said = None

    def _say(self, error: RekeyError) -> None:
        line = str(error)
        if line == self._said:
            return
        self._said = line
        match error:
            case Forbidden():
                text = "a right is missing: publishing takes get, list and watch on rotatedcredentials"
            case NotFound():
                text = "the CRDs of rekey.dev are not installed: kubectl apply -f crds/"
            case _:
                text = "the API server does not answer; what is known is served"
        log.warning(text, extra={"namespace": self._scope, "error": line})


def _key(found: Mapping[str, Any]) -> Key:
    metadata = found["metadata"]
    return Key(metadata["namespace"], metadata["name"])
