"""Events at the API server (port `Announcer`): sent in the background, bounded in every way.

1. An Event's name says what happened to what: the API server refuses a second one (409), and that is success.
   We remember names to spare it the question, but for less long than it keeps Events: an hour, as a rule.
2. Too many are dropped and counted, never waited for: there is one bounded queue for all, and for each
   credential a bucket that fills again slowly.
3. A warning is logged too: Events end after an hour, and not everybody looks at them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Self, TypeVar

import orjson

from rekey.core.facts import Credential
from rekey.core.reasons import NOTICES, Notice
from rekey.errors import NotLeading, RekeyError, Retryable, Taken
from rekey.kube.api import CREATE, CREDENTIALS, EVENTS
from rekey.kube.client import Client
from rekey.ports.cluster import Clock, News

_T = TypeVar("_T")

CONTROLLER: Final = "rekey.dev/operator"

_WAITING = 10_000
"""Events of 700 bytes; a mass rotation makes more than the API server takes beside it."""
_SENDERS = 4
_BURST = 60.0
_PER_SECOND = 0.2
_TRIES = 5
_REMEMBERED = 4_096
_KNOWN_FOR = timedelta(minutes=30)
_LONGEST_NOTE = 1_024
_LONGEST_INSTANCE = 128
log = logging.getLogger(__name__)

Drop = Callable[[str], None]
"""Told why an Event was dropped: `Full`, `TooMany`, `Refused`, `Stopped` or `NotLeading`."""


class KubeAnnouncer:
    """The port over the API server; it sends between entering and leaving `async with`."""

    def __init__(self, client: Client, clock: Clock, instance: str, dropped: Drop, patience: float = 5.0) -> None:
        self._client = client
        self._clock = clock
        self._instance = instance[:_LONGEST_INSTANCE]
        self._dropped = dropped
        self._patience = patience
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_WAITING)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._known: dict[str, datetime] = {}
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._senders = [asyncio.create_task(self._send()) for _ in range(_SENDERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send what is waiting, as far as patience goes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), self._patience)
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait()
            self._dropped("Stopped")

    def announce(self, credential: Credential, news: News) -> None:
        """Send the Event in the background; a second one of the same name changes nothing. Never raises."""
        name = f"{credential.uid}/{news.name}"
        known, now = self._known.get(name), self._clock.now()
        if known is not None and now - known < _KNOWN_FOR:
            return
        self._known.pop(name, None)
        if not self._may_send(credential.uid):
            self._dropped("TooMany")
            return
        try:
            self._queue.put_nowait((credential.key.namespace, orjson.dumps(self._event(credential, news))))
        except asyncio.QueueFull:
            self._dropped("Full")
            return
        _remember(self._known, name, now)
        if NOTICES[news.notice].warning and news.notice is not Notice.ORPHANED:  # `app.recorded` says that
            more = {"credential": str(credential.key), "reason": news.notice.value, "message_text": news.note}
            log.warning("something is out of order", extra=more)

    def _may_send(self, uid: str) -> bool:
        now = asyncio.get_running_loop().time()
        left, then = self._buckets.pop(uid, (_BURST, now))
        left = min(_BURST, left + (now - then) * _PER_SECOND)
        _remember(self._buckets, uid, (left - 1 if left >= 1 else left, now))
        return left >= 1

    async def _send(self) -> None:
        while True:
            namespace, event = await self._queue.get()
            try:
                await self._create(namespace, event)
            except asyncio.CancelledError:
                self._dropped("Stopped")
                raise
            finally:
                self._queue.task_done()

    async def _create(self, namespace: str, event: bytes) -> None:
        for attempt in range(_TRIES):
            try:
                await self._client.request(CREATE, EVENTS.all(namespace), body=orjson.Fragment(event))
            except Taken:
                return
            except Retryable as error:
                if attempt + 1 < _TRIES:
                    await asyncio.sleep(max(2.0**attempt, min(error.retry_after or 0.0, 30.0)))
            except NotLeading:
                self._dropped("NotLeading")
                return
            except RekeyError:
                break
            else:
                return
        self._dropped("Refused")

    def _event(self, credential: Credential, news: News) -> dict[str, Any]:
        about = {
            "apiVersion": CREDENTIALS.api_version,
            "kind": CREDENTIALS.kind,
            "namespace": credential.key.namespace,
            "name": credential.key.name,
            "uid": credential.uid,
            "resourceVersion": credential.resource_version,
        }
        return event(about, news, self._clock.now(), self._instance)


def event(about: dict[str, str], news: News, now: datetime, instance: str) -> dict[str, Any]:
    """Return an Event about an object."""
    kind = NOTICES[news.notice]
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": news.name},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "type": "Warning" if kind.warning else "Normal",
        "reason": str(news.notice),
        "action": kind.action,
        "note": cut(news.note),
        "regarding": about,
    }


def cut(note: str) -> str:
    """Return the note as it fits into an Event: 1024 bytes, not characters."""
    whole = note.encode()
    if len(whole) <= _LONGEST_NOTE:
        return note
    end = "…".encode()
    return (whole[: _LONGEST_NOTE - len(end)] + end).decode(errors="ignore")


def _remember(memory: dict[str, _T], key: str, value: _T) -> None:
    if len(memory) >= _REMEMBERED and key not in memory:
        del memory[next(iter(memory))]
    memory[key] = value
