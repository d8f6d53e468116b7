"""What is told of a credential, and to whom: of each kind the latest, from when it is noted until it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core import notifying
from rekey.core.facts import Credential, Key
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.spec_notify import MAX_NOTIFY, Notify, NotifyEvent
from rekey.core.status import Condition, State, Status, Version
from rekey.core.status_notified import Notification

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOOK = Notify.model_validate({"ref": {"name": "hook"}})
OTHER = Notify.model_validate({"ref": {"kind": "ClusterCredentialProvider", "name": "hook"}, "events": ["new_version"]})
ERROR, BACK, NEW, EXPIRING = NotifyEvent
ALL = frozenset(NotifyEvent)
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
    told = notifying.listeners(wanted or (HOOK,), ())
    return found.model_copy(update={"notifications": notifying.outbox(told, Status(), found, now)})


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
        found = notifying.failed(found, item, "away " * 100, now, None, ALL)
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
    busy = notifying.failed(written(status(1)), notifying.pending(written(status(1)), NOON)[0], "", NOON, 90.0, ALL)
    assert notifying.next_look(busy) == NOON + timedelta(seconds=90)


EVERYWHERE = Notify.model_validate({"ref": {"kind": "ClusterCredentialProvider", "name": "all"}})
OF_ERRORS = EVERYWHERE.model_copy(update={"events": (ERROR,)})


def heard(found: Status, saved: Status, *audience: Notify, named: Sequence[Notify] = ()) -> Status:
    """Return what takes the place of the saved status, with what those are told who are told of every credential."""
    told = notifying.listeners(named, audience or (EVERYWHERE,))
    return found.model_copy(update={"notifications": notifying.outbox(told, saved, found, NOON)})


HEARD = all_sent(heard(status(1), Status())).notifications
SET_LATER: dict[str, tuple[Status, Status, Told]] = {
    "a version that is current already": (status(1), status(1), []),
    "the first version, when it becomes current": (status(1), Status(), [(NEW, 1)]),
    "the next version, when it becomes current": (status(1, 2), status(1), [(NEW, 2)]),
    "an earlier version that is current again": (status(1, 3, 2), status(1, 3), []),
    "a version that nobody could be told of before": (status(2, was=HEARD), status(2, was=HEARD), [(NEW, 2)]),
    "a version whose status was lost": (status(7), Status(), [(NEW, 7)]),
    "a backend that refuses us now": (status(1, reserved=2, true=REFUSED), status(1, reserved=2), [(ERROR, 2)]),
    "a backend that refused us before": (status(1, 2), status(1, 2), []),
    "a version that ends soon now": (status(1, true=ENDING), status(1), [(EXPIRING, 1)]),
}


@pytest.mark.parametrize("name", SET_LATER)
def test_what_is_told_to_who_is_told_of_every_credential(name: str) -> None:
    """What is wrong now, and every version from the write on that makes it current: nothing of what was before."""
    found, saved, wanted = SET_LATER[name]
    assert told(heard(found, saved)) == wanted


def test_where_all_is_well_nothing_is_written_when_such_a_webhook_is_set() -> None:
    """Of 100,000 credentials none is written because somebody new is told of them all from now on."""
    assert heard(status(1), status(1)).notifications == ()


def test_who_is_named_by_both_is_told_once_of_what_either_asks_for() -> None:
    """On behalf of the operator of what that one asks for only: the rest is the credential's, and may be refused."""
    expiring = EVERYWHERE.model_copy(update={"events": (EXPIRING, NEW)})
    now = status(1, reserved=2, true=REFUSED | ENDING)
    found = heard(now, now, OF_ERRORS, named=[HOOK, expiring])
    assert [(item.webhook, item.event) for item in notifying.pending(found, NOON)] == [
        *(("CredentialProvider/hook", event) for event in (ERROR, NEW, EXPIRING)),
        *(("ClusterCredentialProvider/all", event) for event in (ERROR, NEW, EXPIRING)),
    ]
    own, both = notifying.listeners([HOOK, expiring], [OF_ERRORS])
    assert [(one.webhook, one.named, one.of_all) for one in (own, both)] == [
        ("CredentialProvider/hook", True, frozenset()),
        ("ClusterCredentialProvider/all", True, {ERROR}),
    ]
    assert (own.along(ERROR), both.along(ERROR), both.along(NEW)) == (ALL, frozenset({ERROR}), ALL - {ERROR})
    item = next(one for one in found.notifications if (one.webhook, one.event) == (both.webhook, NEW))
    after = notifying.failed(found, item, "not for its namespace", NOON, None, both.along(NEW))
    left = [one.event for one in notifying.pending(after, NOON) if one.webhook == both.webhook]
    assert left == [ERROR], "it waits for nothing that the credential adds"
    assert told(heard(now, now, EVERYWHERE, named=[OF_ERRORS])) == [(ERROR, 2), (NEW, 1), (EXPIRING, 1)], "none is all"


def test_what_such_a_webhook_is_not_to_be_told_it_is_not_told() -> None:
    """Also of one that is told of all, and also if it asks for it later; who it stands beside does not matter."""
    first = heard(status(1, reserved=2, true=REFUSED), Status(), OF_ERRORS)
    assert told(first) == [(ERROR, 2)]
    assert told(heard(all_sent(first), first, EVERYWHERE)) == []
    two = (EVERYWHERE, OTHER)
    assert heard(status(1), Status(), *two) == heard(status(1), Status(), *reversed(two)), "their order is none"


def test_as_many_as_may_be_named_find_room() -> None:
    """Four by a credential, and four for all: each has a row for each kind of event."""
    most = [Notify.model_validate({"ref": {"name": f"a{number}"}}) for number in range(2 * MAX_NOTIFY)]
    now = status(2, was=(), true=ENDING | REFUSED)
    broken = heard(now, Status(), *most[MAX_NOTIFY:], named=most[:MAX_NOTIFY])
    mended = heard(status(2, was=broken.notifications), Status(), *most[MAX_NOTIFY:], named=most[:MAX_NOTIFY])
    assert len(mended.notifications) == len(most) * len(NotifyEvent)
    assert Status.model_validate(mended.to_json()) == mended


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
