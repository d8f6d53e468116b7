"""Who is told what becomes of a credential: what is to be told, what was, and what failed and comes again.

1. What happened is written down in the same write as what it follows from, and sent only then: a crash loses nothing.
2. What was sent is written down afterwards. A crash in between sends it again, by the same id and with the same body.
3. An event is of one version, so its id is the credential's uid, the version's number, and what happened.
4. Who is told of all credentials hears of a version by the write that makes it current, or never: to set such a webhook
   writes nothing where all is well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rekey.core import ledger
from rekey.core.facts import Credential
from rekey.core.record import ceil, floor
from rekey.core.spec_notify import Notify, NotifyEvent
from rekey.core.spec_provide import ProviderRef
from rekey.core.status import Condition, Status
from rekey.core.status_notified import Notification

FIRST: Final = timedelta(seconds=5)
LONGEST: Final = timedelta(hours=1)
_SOURCE: Final = "/apis/rekey.dev/v1alpha1/namespaces/{0.namespace}/rotatedcredentials/{0.name}"
_NEEDS_REAUTH: Final = "NeedsReauth"
_EXPIRING: Final = "Expiring"
Key = tuple[str, NotifyEvent]


@dataclass(frozen=True, slots=True)
class Message:
    """One event as it is sent: the id by which a receiver knows it again, and its body."""

    id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who is told of a credential: because it names him, or because he is told of all of them, or both.

    `webhook`: by what the status knows him; `of_all`: what he is told on behalf of who runs the operator, whatever a
    credential asks for: the rest is on its own behalf.
    """

    webhook: str
    ref: ProviderRef
    events: frozenset[NotifyEvent]
    named: bool
    of_all: frozenset[NotifyEvent]

    def along(self, event: NotifyEvent) -> frozenset[NotifyEvent]:
        """Return what is told on the same behalf: one who may not be told of the one may be told of another."""
        return self.of_all if event in self.of_all else frozenset(NotifyEvent) - self.of_all


def listeners(named: Sequence[Notify], audience: Sequence[Notify]) -> tuple[Listener, ...]:
    """Return who is told of a credential: whom it names, and the audience of all; each once, of what either asks."""
    own = {_name(one): one for one in named}
    shared = {_name(one): one for one in sorted(audience, key=_name)}  # another order in a setting is no change
    return tuple(
        Listener(
            webhook,
            one.ref,
            _events(own.get(webhook)) | _events(shared.get(webhook)),
            named=webhook in own,
            of_all=_events(shared.get(webhook)),
        )
        for webhook, one in (own | shared).items()
    )


def outbox(told: Sequence[Listener], saved: Status, status: Status, now: datetime) -> tuple[Notification, ...]:
    """Return what is to be told, and was, by a status whose conditions are up to date, and which replaces `saved`."""
    known = {(item.webhook, item.event): item for item in status.notifications}
    return tuple(item for one in told for item in _of(one, known, saved, status, now))


def pending(status: Status, now: datetime) -> tuple[Notification, ...]:
    """Return what is to be sent now."""
    return tuple(item for item in status.notifications if _is_open(item) and (item.next_time or now) <= now)


def sent(status: Status, done: Notification, now: datetime) -> Status:
    """Return the status after it was accepted."""
    told = done.model_copy(update={"sent_time": floor(now), "tries": None, "next_time": None, "error": None})
    return _with(status, {(done.webhook, done.event): told})


def failed(
    status: Status,
    item: Notification,
    why: str,
    now: datetime,
    retry_after: float | None,
    along: frozenset[NotifyEvent],
) -> Status:
    """Return the status after a webhook did not take one: what it is told along with it waits, each time for longer."""
    tries = (item.tries or 0) + 1
    pause = min(LONGEST, FIRST * 2 ** min(tries - 1, 16))
    if retry_after is not None:
        pause = max(pause, min(LONGEST, timedelta(seconds=retry_after)))
    again = {"tries": tries, "next_time": ceil(now + pause), "error": why[:256]}
    keys = {(item.webhook, event) for event in along}
    waiting = [one for one in status.notifications if (one.webhook, one.event) in keys and _is_open(one)]
    return _with(status, {(one.webhook, one.event): one.model_copy(update=again) for one in waiting})


def next_look(status: Status) -> datetime | None:
    """Return when something is to be sent."""
    return min((item.next_time for item in status.notifications if item.next_time and _is_open(item)), default=None)


def message(credential: Credential, item: Notification) -> Message:
    """Return what is sent: a CloudEvent (1.0, structured), the same however often; never a value."""
    key, what = credential.key, f"{credential.uid}-{item.number}-{item.event}"
    body = {
        "specversion": "1.0",
        "id": what,
        "source": _SOURCE.format(key),
        "type": f"dev.rekey.credential.{item.event}",
        "subject": str(key),
        "time": f"{item.time:%Y-%m-%dT%H:%M:%SZ}",
        "datacontenttype": "application/json",
        "data": {
            "namespace": key.namespace,
            "name": key.name,
            "uid": credential.uid,
            "version": item.number,
            "reason": item.reason,
            "message": item.message,
        },
    }
    return Message(what, body)


def _name(wanted: Notify) -> str:
    return f"{wanted.ref.kind}/{wanted.ref.name}"


def _events(wanted: Notify | None) -> frozenset[NotifyEvent]:
    return frozenset(wanted.events or NotifyEvent) if wanted is not None else frozenset()


def _of(
    one: Listener, known: Mapping[Key, Notification], saved: Status, status: Status, now: datetime
) -> Iterator[Notification]:
    """Return what one webhook is told: of each kind the latest."""
    happened = {item.event: item for item in _happened(one.webhook, known, status, now)}
    for event in NotifyEvent:
        old, new = known.get((one.webhook, event)), happened.get(event)
        if new is None or not _is_news(one, old, new, saved):
            if old is not None:
                yield old
        elif event not in one.events:
            yield new.model_copy(update={"sent_time": new.time})  # so that it is not told when it is asked for later
        else:
            yield new


def _is_news(one: Listener, old: Notification | None, new: Notification, saved: Status) -> bool:
    if old is not None:
        return new.number > old.number
    return one.named or new.event is not NotifyEvent.NEW_VERSION or new.number > (saved.current_version or 0)


def _happened(webhook: str, known: Mapping[Key, Notification], status: Status, now: datetime) -> Iterator[Notification]:
    def one(event: NotifyEvent, number: int, since: datetime, why: Condition | None = None) -> Notification:
        reason, text = (why.reason, why.message[:256]) if why is not None else ("", "")
        return Notification(webhook=webhook, event=event, number=number, time=since, reason=reason, message=text)

    current = status.current_version
    if (reauth := _true(status, _NEEDS_REAUTH)) is not None and status.versions:
        reserved = ledger.reserved(status)
        number = reserved.number if reserved is not None else max(version.number for version in status.versions)
        yield one(NotifyEvent.AUTHENTICATION_ERROR, number, reauth.last_transition_time, reauth)
    error = known.get((webhook, NotifyEvent.AUTHENTICATION_ERROR))
    if error is not None and reauth is None and current is not None and current >= error.number:
        yield one(NotifyEvent.REACTIVATED, error.number, now)
    if current is not None:
        yield one(NotifyEvent.NEW_VERSION, current, status.last_rotation_time or now)
        if (expiring := _true(status, _EXPIRING)) is not None:
            yield one(NotifyEvent.EXPIRING, current, expiring.last_transition_time, expiring)


def _true(status: Status, kind: str) -> Condition | None:
    return next((item for item in status.conditions if item.type == kind and item.status == "True"), None)


def _is_open(item: Notification) -> bool:
    return item.sent_time is None


def _with(status: Status, changed: Mapping[Key, Notification]) -> Status:
    found = tuple(changed.get((item.webhook, item.event), item) for item in status.notifications)
    return status.model_copy(update={"notifications": found})
