"""Whether this process acts: what workers and the client ask, and what is done when a term begins.

1. A term is acted in only after what others did before it was learned: one list of names and versions, read from
   storage. What was elected before it began to listen hears all of that anyway.
2. Work that began in one term does nothing in another: it may have decided on what is long past.
3. A term that ends is not noticed here, it is compared with the clock at every question.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rekey.app.campaign import Campaign
from rekey.app.elector import Elector
from rekey.app.leading import Atlas, Entry, Whole
from rekey.errors import NotLeading, RekeyError
from rekey.ports.cluster import Clock

_AGAIN: Final = 1.0
_begun_in: ContextVar[tuple[int, float]] = ContextVar("term")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Post:
    """Our part in one election: the term that is known of, the one that is acted in, and whether it is about to end.

    Terms are told apart by their beginnings; 0: none.
    """

    shard: int
    campaign: Campaign
    known: float = 0.0
    acting: float = 0.0
    closing: bool = False
    task: asyncio.Task[None] | None = None


class Leadership:
    """What is ours to act on, by election. It belongs to the main loop; the elector's thread calls `_changed`."""

    def __init__(
        self,
        campaigns: Sequence[Campaign],
        elector: Elector,
        *,
        ticks: Callable[[], float],
        clock: Clock,
        atlas: Atlas | None = None,
    ) -> None:
        self._posts = [_Post(shard, campaign) for shard, campaign in enumerate(campaigns)]
        self._elector = elector
        self._atlas = atlas or Whole()
        self._entry: Entry | None = None
        self._ticks = ticks
        self._clock = clock
        self._since = clock.now()
        self._loop = asyncio.get_running_loop()
        self._listens = atlas is not None  # of several shards each is listened to only when it is ours
        for campaign in campaigns:
            campaign.tell(self._changed)

    async def start(self, entry: Entry) -> None:
        """Begin; a Lease that is free is taken when this returns."""
        self._entry = entry
        await self._elector.start()
        self._listens = True

    async def stop(self) -> None:
        """End, and let others act at once."""
        for post in self._posts:
            if post.task is not None:
                post.task.cancel()
        await self._elector.stop()

    def begin(self, namespace: str) -> None:
        """Begin work on a credential there: nothing else is done in this task until the next call.

        Raises:
            NotLeading: it is not ours to act there.
        """
        post = self._posts[self._atlas.of(namespace)]
        _begun_in.set((post.shard, post.acting))
        if post.closing or self.remaining(namespace) <= 0:
            raise NotLeading("another process acts")

    def remaining(self, namespace: str) -> float:
        """Return for how many seconds effects there may still be sent, by whoever began in this term."""
        post = self._posts[self._atlas.of(namespace)]
        term, here = post.campaign.term, (post.shard, post.acting)
        if post.acting == 0 or term.since != post.acting or _begun_in.get(here) != here:
            return 0.0
        return min(term.until - self._ticks(), self._atlas.remaining(namespace))

    def acting_since(self) -> datetime | None:
        """Return since when this process acts on what it acts on, None while it does not."""
        acts = any(post.acting and post.campaign.term.since == post.acting for post in self._posts)
        return self._since if acts else None

    def is_well(self) -> bool:
        """Return whether the thread of the election lives."""
        return self._elector.is_well()

    def _changed(self) -> None:
        """Take note that a term is another one, or that a Lease is asked for; called from the elector's thread."""
        self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        for post in self._posts:
            if post.campaign.term.since != post.known:
                self._turn(post, post.campaign.term.since)
            elif post.campaign.is_wanted and post.known and not post.closing and self._entry is not None:
                if post.task is not None and not post.acting:
                    post.task.cancel()  # who had all shards first would else learn all of them before it hands any over
                post.closing = True
                post.task = asyncio.create_task(self._close(post, self._entry), name="ending a term")

    def _turn(self, post: _Post, since: float) -> None:
        """Take note of another term, or of the end of one."""
        if post.task is not None:
            post.task.cancel()
        if post.known and self._entry is not None:
            self._entry.leave(post.shard)
        post.known, post.acting, post.closing = since, 0.0, False
        if since and not self._listens:
            self._act(post)
        elif since and self._entry is not None:
            post.task = asyncio.create_task(self._enter(post, self._entry), name="entering a term")

    async def _enter(self, post: _Post, entry: Entry) -> None:
        """Act in this term as soon as it is known what others did before it."""
        behind = None
        while behind is None:
            try:
                behind = await entry.learn(post.shard)
            except RekeyError as error:
                log.warning(
                    "it is not known yet what others did", extra={"lease": post.campaign.name, "error": str(error)}
                )
                await asyncio.sleep(_AGAIN)
        self._act(post)
        entry.enqueue(post.shard, behind)
        log.info("acting", extra={"lease": post.campaign.name, "term": post.campaign.term.number})
        self._look()  # it may have been asked for meanwhile

    async def _close(self, post: _Post, entry: Entry) -> None:
        """Let work in hand end, begin none, and have the Lease handed over."""
        await entry.rest(post.shard)
        post.campaign.cede()

    def _act(self, post: _Post) -> None:
        post.acting, self._since = post.known, self._clock.now()
