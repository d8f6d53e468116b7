"""What a request says: who it is about, how far it is, how it ended, and when it is looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core import request as requests
from rekey.core.answer import Answer, AnswerState
from rekey.core.facts import Key
from rekey.core.request import Ledger, Request, RequestStatus, report, wakes
from rekey.core.selecting import matches
from rekey.core.spec_consumers import LabelSelector
from rekey.core.spec_request import RequestReason, RotationRequestSpec
from tests.core.situations import HOUR, MINUTE, NOON, SECOND

SOON = NOON + SECOND
WEB = {"matchLabels": {"tier": "web"}}


def request(status: RequestStatus | None = None, **spec: Any) -> Request:
    """Return a request about `api` that was made at noon; with `selector` it is about those that match."""
    about = {} if "selector" in spec else {"credentialRef": {"name": "api"}}
    return Request(
        key=Key("orders", "now"),
        uid="uid-now",
        resource_version="5",
        generation=1,
        created=NOON,
        deleting=False,
        spec=RotationRequestSpec.model_validate({"reason": "Manual", **about, **spec}),
        status=status or RequestStatus(),
    )


def answer(state: str, before: int | None = 1, after: int | None = 2, uid: str = "uid-now") -> Answer:
    """Return what a credential says of a request."""
    return Answer(
        uid=uid,
        name="now",
        reason=RequestReason.MANUAL,
        state=AnswerState(state),
        from_version=before,
        to_version=after,
        message=f"it is {state}",
        finished_time=None if state == "Running" else SOON,
    )


def ledger(name: str = "api", *answers: Answer, **fields: Any) -> Ledger:
    """Return what is known of a credential whose condition Ready says `fine`."""
    return Ledger(**{"uid": f"uid-{name}", "labels": {"tier": "web"}, "says": "fine", **fields}, answers=answers)


def after(known: Mapping[str, Ledger], now: datetime = SOON, **spec: Any) -> RequestStatus:
    """Return the status of a request that is looked at twice."""
    first = request(**spec)
    return report(request(report(first, known, now), **spec), known, now)


def conditions(status: RequestStatus) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {item.type: (item.status, item.reason) for item in status.conditions}


def standing(known: Mapping[str, Ledger], **spec: Any) -> tuple[str, str, str]:
    """Return which condition is true (or none), the reason and the message."""
    status = after(known, **spec)
    truth = next((item.type for item in status.conditions if item.status == "True"), "")
    return truth, status.conditions[0].reason, status.conditions[0].message


STANDINGS: dict[str, tuple[dict[str, Ledger], dict[str, Any], tuple[str, str, str]]] = {
    "nothing was begun": ({"api": ledger()}, {}, ("", "Pending", "waits: fine")),
    "another request was answered": (
        {"api": ledger("api", answer("Succeeded", uid="other"))}, {}, ("", "Pending", "waits: fine"),
    ),
    "it runs": ({"api": ledger("api", answer("Running"))}, {}, ("", "Running", "it is Running; fine")),
    "it succeeded": ({"api": ledger("api", answer("Succeeded"))}, {}, ("Complete", "Succeeded", "it is Succeeded")),
    "it was refused": ({"api": ledger("api", answer("Refused"))}, {}, ("Failed", "Refused", "it is Refused")),
    "it failed": ({"api": ledger("api", answer("Failed"))}, {}, ("Failed", "Failed", "it is Failed")),
    "one of two runs": (
        {"a": ledger("a", answer("Running")), "b": ledger("b")}, {"selector": WEB},
        ("", "Running", "1 pending, 1 running"),
    ),
    "one of two is over": (
        {"a": ledger("a", answer("Succeeded")), "b": ledger("b", answer("Running"))}, {"selector": WEB},
        ("", "Running", "1 running, 1 succeeded"),
    ),
    "both are over and fine": (
        {"a": ledger("a", answer("Succeeded")), "b": ledger("b", answer("Succeeded"))}, {"selector": WEB},
        ("Complete", "Succeeded", "2 succeeded"),
    ),
    "one of two was refused": (
        {"a": ledger("a", answer("Succeeded")), "b": ledger("b", answer("Refused"))}, {"selector": WEB},
        ("Failed", "Refused", "1 succeeded, 1 refused"),
    ),
    "one of two failed and one was refused": (
        {"a": ledger("a", answer("Failed")), "b": ledger("b", answer("Refused"))}, {"selector": WEB},
        ("Failed", "Failed", "1 refused, 1 failed"),
    ),
    "nobody is there": (
        {}, {}, ("", "NothingFound", "there is no RotatedCredential api yet; waiting until 2026-03-02 12:01:00Z"),
    ),
    "nobody matches": (
        {"api": ledger(labels={})}, {"selector": WEB},
        ("", "NothingFound", "spec.selector matches no RotatedCredential yet; waiting until 2026-03-02 12:01:00Z"),
    ),
    "who is there is being deleted": (
        {"api": ledger(deleting=True)}, {},
        ("", "NothingFound", "there is no RotatedCredential api yet; waiting until 2026-03-02 12:01:00Z"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", STANDINGS)
def test_how_it_stands(situation: str) -> None:
    """Conditions and message, by the ledgers."""
    known, spec, expected = STANDINGS[situation]
    assert standing(known, **spec) == expected


@pytest.mark.parametrize("situation", STANDINGS)
def test_an_unchanged_world_gives_an_unchanged_status(situation: str) -> None:
    """A third look, later, has nothing to write."""
    known, spec, _ = STANDINGS[situation]
    status = after(known, **spec)
    assert report(request(status, **spec), known, SOON + SECOND) == status


def test_nobody_came() -> None:
    """A minute after the request was made it is over, and whoever comes then is not asked."""
    status = after({}, NOON + MINUTE)
    assert conditions(status) == {"Complete": ("False", "NothingFound"), "Failed": ("True", "NothingFound")}
    assert status.completion_time == NOON + MINUTE
    assert report(request(status), {"api": ledger()}, NOON + HOUR) == status


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than can be told of are not begun."""
    monkeypatch.setattr(requests, "MAX_RESULTS", 2)
    status = after({name: ledger(name) for name in "abc"}, selector=WEB)
    assert conditions(status)["Failed"] == ("True", "TooMany")
    assert status.results == ()


def test_who_is_meant_is_fixed_at_the_first_look() -> None:
    """Who matches later is not asked, who matches no more is; figures count those."""
    first = report(request(selector=WEB), {"a": ledger("a"), "b": ledger("b", labels={})}, SOON)
    later = {"a": ledger("a", answer("Succeeded"), labels={}), "b": ledger("b")}
    status = report(request(first, selector=WEB), later, SOON)
    assert [(item.name, item.uid, item.state.value) for item in status.results] == [("a", "uid-a", "Succeeded")]
    assert (status.total, status.done, status.succeeded) == (1, 1, 1)
    assert (status.start_time, status.completion_time) == (SOON, SOON)


@pytest.mark.parametrize("known", [{}, {"api": ledger(uid="another")}], ids=["gone", "made anew"])
def test_a_credential_that_was_deleted(known: dict[str, Ledger]) -> None:
    """Its result is that; one of the same name is another one."""
    first = report(request(), {"api": ledger()}, SOON)
    status = report(request(first), known, SOON)
    assert [(item.state.value, item.message) for item in status.results] == [("Failed", "the credential was deleted")]


def test_a_result_that_is_over_never_changes() -> None:
    """What the credential forgets, or says later, is nothing to the request."""
    spec: dict[str, Any] = {"selector": WEB}
    first = report(request(**spec), {"a": ledger("a", answer("Succeeded")), "b": ledger("b")}, SOON)
    later = report(request(first, **spec), {"a": ledger("a"), "b": ledger("b", answer("Refused"))}, SOON)
    assert [(item.state.value, item.to_version) for item in later.results] == [("Succeeded", 2), ("Refused", 2)]


WAKES: dict[str, tuple[RequestStatus, dict[str, Any], datetime | None]] = {
    "nobody is chosen: when patience ends": (RequestStatus(), {}, NOON + MINUTE),
    "it runs: when something changes": (report(request(), {"api": ledger()}, SOON), {}, None),
    "it is over: after a day": (after({"api": ledger("api", answer("Succeeded"))}), {}, SOON + timedelta(days=1)),
    "it is over, and is not to be kept": (
        after({"api": ledger("api", answer("Succeeded"))}), {"ttlAfterFinished": "0s"}, SOON,
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", WAKES)
def test_when_it_is_looked_at_again(situation: str) -> None:
    """Without any change, by the clock."""
    status, spec, expected = WAKES[situation]
    assert wakes(request(status, **spec)) == expected


def test_what_it_asks_of_a_credential() -> None:
    """Only of one it names in its status, by uid; an entry that is over says so."""
    status = report(request(), {"api": ledger()}, SOON)
    asked = request(status, reason="Revoke", version=3, requestedBy="alice").demand("uid-api")
    assert asked is not None
    assert (asked.uid, asked.name, asked.version, asked.requested_by, asked.settled) == (
        "uid-now", "now", 3, "alice", False,
    )  # fmt: skip
    assert request(status).demand("another") is None
    assert request().demand("uid-api") is None
    over = after({"api": ledger("api", answer("Succeeded"))})
    settled = request(over).demand("uid-api")
    assert settled is not None
    assert settled.settled


MATCHES: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "a label of that value": ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
    "a label of another value": ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
    "one of two labels": ({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False),
    "in": ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
    "not among these": ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "2"}, False),
    "in, and there is none": ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {}, False),
    "not in": ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "2"}, True),
    "not in, but is": ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "1"}, False),
    "not in, and there is none": ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
    "exists": ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    "exists, but does not": ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}, False),
    "does not exist": ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
    "does not exist, but does": ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": "1"}, False),
    "both parts must hold": (
        {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, {"a": "1"}, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", MATCHES)
def test_labels_match(situation: str) -> None:
    """As the API server matches them."""
    selector, labels, expected = MATCHES[situation]
    assert matches(LabelSelector.model_validate(selector), labels) is expected
