"""What those in `spec.notify` are told: of each kind the latest, from when it was written down until it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core import notifying
from rekey.core.facts import Credential, Key
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.spec_notify import Notify, NotifyEvent
from rekey.core.status import Condition, State, Status, Version
from rekey.core.status_notified import Notification

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOOK = Notify.model_validate({"ref": {"name": "hook"}})
OTHER = Notify.model_validate({"ref": {"kind": "ClusterCredentialProvider", "name": "hook"}, "events": ["new_version"]})
ERROR, BACK, NEW, EXPIRING = NotifyEvent
Told = list[tuple[NotifyEvent, int]]


def status(
    *numbers: int, reserved: int | None = None, was: Sequence[Notification] = (), true: dict[str, str] | None = None
) -> Status:
    """Return the status with these versions, the last of them current, and these conditions true."""
    versions = [Version(number=number, state=State.ACTIVE, secret_name=f"x-v{number}") for number in numbers]
    if reserved is not None:
        versions.append(Version(number=reserved, state=State.RESERVED, secret_name="x"))
    return Status(
        versions=tuple(versions),
        current_version=numbers[-1] if numbers else None,
        last_rotation_time=NOON - MINUTE,
        notifications=tuple(was),
        conditions=tuple(
            Condition(type=kind, status="True", reason=why, message=f"why {why}", last_transition_time=NOON)
            for kind, why in (true or {}).items()
        ),
    )


def written(found: Status, *wanted: Notify, now: datetime = NOON) -> Status:
    """Return the status with what is to be told."""
    return found.model_copy(update={"notifications": notifying.outbox(wanted or (HOOK,), found, now)})


def all_sent(found: Status) -> Status:
    """Return the status after everything was taken."""
    for item in notifying.pending(found, NOON):
        found = notifying.sent(found, item, NOON)
    return found


def told(found: Status) -> Told:
    """Return what is to be sent."""
    return [(item.event, item.number) for item in notifying.pending(found, NOON)]


REFUSED = {"NeedsReauth": "NeedsReauth"}
ENDING = {"Expiring": "AboutToExpire"}
FIRST = all_sent(written(status(1))).notifications
BROKEN = all_sent(written(status(1, reserved=2, was=FIRST, true=REFUSED))).notifications
REVOKING = all_sent(written(status(1, 2, was=FIRST, true=REFUSED))).notifications
MENDED = all_sent(written(status(2, was=BROKEN))).notifications
STORIES: dict[str, tuple[Status, Told]] = {
    "nothing there yet": (status(), []),
    "the first version": (status(1), [(NEW, 1)]),
    "the same again": (status(1, was=FIRST), []),
    "the next version": (status(1, 2, was=FIRST), [(NEW, 2)]),
    "an earlier version that is current again": (status(1, was=all_sent(written(status(2))).notifications), []),
    "a first version that is refused": (status(reserved=1, true=REFUSED), [(ERROR, 1)]),
    "a version that is refused": (status(1, reserved=2, was=FIRST, true=REFUSED), [(ERROR, 2)]),
    "one that is still refused": (status(1, reserved=2, was=BROKEN, true=REFUSED), []),
    "one that is not refused, and not made yet": (status(1, reserved=2, was=BROKEN), []),
    "one that was made after all": (status(2, was=BROKEN), [(BACK, 2), (NEW, 2)]),
    "another one in its place": (status(3, was=BROKEN), [(BACK, 2), (NEW, 3)]),
    "one that goes on well": (status(2, was=MENDED), []),
    "a log-in that is still refused when the old one is to be revoked": (status(1, 2, was=REVOKING, true=REFUSED), []),
    "the same, mended": (status(1, 2, was=REVOKING), [(BACK, 2)]),
    "another one that is refused": (status(2, reserved=3, was=MENDED, true=REFUSED), [(ERROR, 3)]),
    "the end that comes near": (status(2, was=MENDED, true=ENDING), [(EXPIRING, 2)]),
}


@pytest.mark.parametrize("name", STORIES)
def test_what_is_told(name: str) -> None:
    """Each of a version, once."""
    found, wanted = STORIES[name]
    assert told(written(found)) == wanted


def test_what_nobody_took_stays() -> None:
    """A webhook that was away all the while is told that it was broken, and that it is mended, in this order."""
    broken = written(status(1, reserved=2, was=FIRST, true=REFUSED))
    mended = written(status(2, was=broken.notifications), now=NOON + 5 * MINUTE)
    assert told(mended) == [(ERROR, 2), (BACK, 2), (NEW, 2)]
    error = notifying.pending(mended, NOON)[0]
    assert (error.reason, error.message, error.time) == ("NeedsReauth", "why NeedsReauth", NOON)


def test_each_webhook_has_its_own() -> None:
    """What one did not ask for it is not told, also if it asks for it later; one that is named no more is forgotten."""
    found = written(status(1, reserved=2, true=REFUSED), HOOK, OTHER)
    assert [(item.webhook, item.event) for item in notifying.pending(found, NOON)] == [
        ("CredentialProvider/hook", ERROR),
        ("CredentialProvider/hook", NEW),
        ("ClusterCredentialProvider/hook", NEW),
    ]
    later = Notify.model_validate({"ref": {"kind": "ClusterCredentialProvider", "name": "hook"}})
    found = written(found, later)
    assert told(found) == [(NEW, 1)]
    assert {item.webhook for item in found.notifications} == {"ClusterCredentialProvider/hook"}


def test_a_webhook_that_does_not_take_it_waits_ever_longer() -> None:
    """All that it is to be told waits with it, an hour at most, or as it says; others do not."""
    found = written(status(1, reserved=2, true=REFUSED), HOOK, OTHER)
    pauses, now = [], NOON
    for _ in range(12):
        item = notifying.pending(found, now)[0]
        found = notifying.failed(found, item, "away " * 100, now, None)
        assert [one.webhook for one in notifying.pending(found, now)] == ["ClusterCredentialProvider/hook"]
        upcoming = notifying.next_look(found)
        assert upcoming is not None
        pauses.append((upcoming - now).total_seconds())
        now = upcoming
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    item = notifying.pending(found, now)[0]
    assert (item.tries, len(item.error or "")) == (12, 256)
    found = notifying.sent(found, item, now)
    assert next(one for one in found.notifications if one.event is ERROR).tries is None
    busy = notifying.failed(written(status(1)), notifying.pending(written(status(1)), NOON)[0], "", NOON, 90.0)
    assert notifying.next_look(busy) == NOON + timedelta(seconds=90)


def test_what_is_sent() -> None:
    """A CloudEvent whose id is of the credential, the version and what happened."""
    spec = RotatedCredentialSpec.model_validate({"generate": {"token": {}}})
    credential = Credential(Key("orders", "crm"), "uid-7", "1", 1, NOON, None, (), spec, Status())
    (item,) = notifying.pending(written(status(reserved=3, true=REFUSED)), NOON)
    message = notifying.message(credential, item)
    wanted: dict[str, Any] = {
        "specversion": "1.0",
        "id": "uid-7-3-authentication_error",
        "source": "/apis/rekey.dev/v1alpha1/namespaces/orders/rotatedcredentials/crm",
        "type": "dev.rekey.credential.authentication_error",
        "subject": "orders/crm",
        "time": "2026-11-21T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "namespace": "orders",
            "name": "crm",
            "uid": "uid-7",
            "version": 3,
            "reason": "NeedsReauth",
            "message": "why NeedsReauth",
        },
    }
    assert (message.id, message.body) == (wanted["id"], wanted)
    stored = Notification.model_validate(item.to_json())
    assert notifying.message(credential, stored) == message, "what was read back is sent as before"
