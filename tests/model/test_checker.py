"""The checker finds a broken promise in a history that was written to break it, and that promise alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.model.checker import AT_REST, RULES, judge, promises
from tests.model.sheet import NOON, Sheet

OVERLAP = {"duration": "10s"}
STALLED = {"type": "Stalled", "status": "True", "reason": "NameTaken", "message": "Secret api exists"}


def first(**spec: object) -> Sheet:
    """Return a history in which version 1 is current, and a pod holds it."""
    sheet = Sheet().spec(**{"overlap": OVERLAP, **spec}).version(1).bundle(1).ledger("Active")
    return sheet.template().wait(20).pod()


def overlapping(**spec: object) -> Sheet:
    """Return a history in which version 2 has become current by request, and no pod holds version 1 any more."""
    sheet = first(**spec).spec(**{"overlap": OVERLAP, "rotation": {"trigger": "a"}, **spec})
    sheet = sheet.wait(20).version(2).bundle(2, 1).ledger("Retiring", "Active", at_rest=False).template(api="2")
    return sheet.wait(5).pod("web-2").pod("web-1", gone=True)


def revoked(sheet: Sheet, state: str = "Revoking") -> Sheet:
    """Let version 1 be revoked in the order of the protocol."""
    sheet = sheet.ledger(state, "Active", at_rest=False).bundle(2).version(1, gone=True)
    return sheet.ledger("Revoked", "Active")


def failed() -> Sheet:
    """Return a history in which version 2 failed and version 1 is current again, all pods with it."""
    sheet = overlapping().ledger("Retiring", "Active-rolled", at_rest=False).wait(5).bundle(1, 2)
    sheet = sheet.ledger("Active", "Retiring-rolled", at_rest=False).template().wait(5).pod("web-3")
    return sheet.pod("web-2", gone=True).wait(10)


TOLD = {"uid": "api-verifier"}
VERIFIED = {
    "verifier": {"secretName": "api-verifier", "format": "SHA256"},
    "overlap": {"duration": "10s", "propagation": "10s"},
}


def told(*states: str, ago: int = 0) -> dict[str, Any]:
    """Return a ledger with a verifier, of which the last version was published so many seconds after noon."""
    versions = [
        {"number": number, "state": state, "secretName": f"api-v{number}"} for number, state in enumerate(states, 1)
    ]
    versions[-1]["publishedTime"] = f"{NOON + timedelta(seconds=ago):%FT%TZ}"
    return {"versions": versions, "verifier": TOLD}


def published(*numbers: int, wait: int = 10) -> Sheet:
    """Return a history in which version 2 was published, verifiers know these, and some time has passed."""
    sheet = Sheet().spec(**VERIFIED).version(1).verifier(1).bundle(1).ledger("Active", **told("Active"))
    sheet = sheet.template().wait(20).pod().spec(**VERIFIED, rotation={"trigger": "a"}).version(2).verifier(*numbers)
    return sheet.ledger("Active", "Published", at_rest=False, **told("Active", "Published", ago=20)).wait(wait)


def used(sheet: Sheet) -> Sheet:
    """Let version 2 become current, and every pod move to it."""
    sheet = sheet.bundle(2, 1).ledger("Retiring", "Active", at_rest=False, **told("Retiring", "Active", ago=20))
    return sheet.template(api="2").wait(5).pod("web-2").pod("web-1", gone=True).wait(10)


def tomorrow() -> str:
    """Return an instant that is still to come."""
    return (NOON + timedelta(days=1)).isoformat()


def _asked() -> Sheet:
    """Return a history in which another version is asked for."""
    return first().spec(overlap=OVERLAP, rotation={"trigger": "a"})


def _keeping() -> Sheet:
    """Return a history in which version 1 holds what is for the next version only."""
    return Sheet().spec(overlap=OVERLAP).version(1, **{"issuer.key": "k"}).bundle(1).ledger("Active")


def _alone() -> Sheet:
    """Return a history without a pod."""
    return first().pod(gone=True)


def _held() -> Sheet:
    """Return a history in which a pod still holds version 1, while version 2 is current."""
    sheet = first().spec(overlap=OVERLAP, rotation={"trigger": "a"}).wait(20)
    return sheet.version(2).bundle(2, 1).ledger("Retiring", "Active", at_rest=False)


def _rotated_by_itself() -> Sheet:
    """Return a history in which version 2 follows from nothing."""
    sheet = first().wait(20).version(2).bundle(2, 1).ledger("Retiring", "Active", at_rest=False)
    return revoked(sheet.template(api="2").wait(5).pod("web-2").pod("web-1", gone=True).wait(10))


def _two() -> Sheet:
    """Return a history in which one credential is stuck, and another has not begun what was asked."""
    stuck = {"name": "stuck", "uid": "stuck", "generation": 1}
    body = {"metadata": stuck, "spec": {}, "status": {"observedGeneration": 1, "conditions": [STALLED]}}
    return _asked().ledger("Active", observedTrigger=None).put("rotatedcredentials", body)


GOOD: dict[str, Callable[[], Sheet]] = {
    "a first version": first,
    "a rotation": lambda: revoked(overlapping().wait(10)),
    "a rollback": lambda: (
        failed()
        .ledger("Active", "Revoking-rolled", at_rest=False)
        .bundle(1)
        .version(2, gone=True)
        .ledger("Active", "Discarded-rolled")
    ),
    "a bundle that the test deletes and the operator restores": lambda: (
        first().bundle(1, gone=True, by_hand=True).bundle(1)
    ),
    "a version that the test deletes and the operator restores": lambda: (
        first().version(1, gone=True, by_hand=True).version(1, meta={"uid": "again"})
    ),
    "a value that the test changes and the operator restores": lambda: (
        first().bundle(1, token="x", by_hand=True).bundle(1)
    ),
    "a value of which the test leaves no copy": lambda: (
        first()
        .bundle(1, gone=True, by_hand=True)
        .version(1, gone=True, by_hand=True)
        .version(2)
        .bundle(2)
        .ledger("Retiring", "Active", at_rest=False)
        .template(api="2")
        .wait(5)
        .pod("web-2")
        .pod(gone=True)
        .wait(10)
        .ledger("Revoking", "Active", at_rest=False)
        .ledger("Revoked", "Active")
    ),
    "a template that the test puts back once": lambda: revoked(
        overlapping().template(by_hand=True).template(api="2").wait(10)
    ),
    "a stranger that the test writes": lambda: first().secret("api-v2", "", by_hand=True, token="x"),
    "a deletion that revokes": lambda: (
        first(deletionPolicy="Revoke").deleting().bundle(1, gone=True).version(1, gone=True).left()
    ),
    "a deletion that retains": lambda: first().deleting().version(1, owner="").bundle(1, owner="").left(),
    "a revocation by force at the deadline": lambda: revoked(
        overlapping(overlap={"duration": "10s", "deadline": "20s", "atDeadline": "Revoke"}).wait(20), "Revoking-forced"
    ),
    "a version that keeps something for the next one, and is made again without it": lambda: (
        _keeping().version(1, gone=True, by_hand=True).version(1, meta={"uid": "again"})
    ),
    "a rotation with verifiers": lambda: revoked(used(published(1, 2)).verifier(2)),
    "what verifiers read is deleted by the test": lambda: revoked(
        used(published(1, 2).verifier(gone=True, by_hand=True)).verifier(2)
    ),
    "one that is stuck and says so": lambda: first().ledger("Active", at_rest=False, conditions=[STALLED]),
}

BAD: dict[str, tuple[str, Callable[[], Sheet]]] = {
    "a version is dropped that a pod holds": ("S1", lambda: _held().bundle(2).bundle(2, 1)),
    "a version goes before its overlap is over": ("S2", lambda: revoked(overlapping().wait(2))),
    "a version goes although it is on hold": (
        "S2",
        lambda: revoked(overlapping(hold={"until": tomorrow(), "reason": "audit"}).wait(10)),
    ),
    "a version goes although the policy keeps it": (
        "S2",
        lambda: revoked(overlapping(revocationPolicy="Manual").wait(10)),
    ),
    "a version is forced out although nobody asked for that": (
        "S2",
        lambda: revoked(overlapping(overlap={"duration": "10s", "deadline": "20s"}).wait(20), "Revoking-forced"),
    ),
    "the ledger commits while a pod holds the version": (
        "S2",
        lambda: _held().wait(10).ledger("Revoking", "Active", at_rest=False).pod(gone=True),
    ),
    "a version is deleted that the ledger still accepts": (
        "S2",
        lambda: overlapping().wait(10).bundle(2).version(1, gone=True).ledger("Revoked", "Active"),
    ),
    "a version is made again with another value": (
        "S3",
        lambda: first().version(1, gone=True, by_hand=True).version(1, token="other", meta={"uid": "again"}),
    ),
    "two versions are pending": ("S3", lambda: _asked().version(2).spec(rotation={"trigger": "b"}).version(3)),
    "a bundle shows what is not stored": ("S4", lambda: _asked().pod(gone=True).bundle(2, 1).ledger("Active")),
    "a bundle shows nothing": ("S4", lambda: first().pod(gone=True).secret("api", token="value-1").bundle(1)),
    "the current version is deleted": ("S4", lambda: _alone().version(1, gone=True)),
    "the bundle is deleted": ("S4", lambda: first().pod(gone=True).bundle(1, gone=True).bundle(1)),
    "a bundle mixes two versions": ("S5", lambda: overlapping().bundle(2, 1, token="value-1").bundle(2, 1)),
    "what stands behind previous is of another version": (
        "S5",
        lambda: overlapping().bundle(2, 1, **{"previous.token": "value-2"}).bundle(2, 1),
    ),
    "a bundle shows what is for the next version only": (
        "S5",
        lambda: _keeping().bundle(1, None, **{"issuer.key": "k"}).bundle(1),
    ),
    "a stranger's Secret is written": (
        "S6",
        lambda: first().secret("mine", "", by_hand=True, a=1).secret("mine", "", a=2),
    ),
    "a stranger's Secret is deleted": (
        "S6",
        lambda: first().secret("mine", "", by_hand=True, a=1).secret("mine", "", gone=True, a=1),
    ),
    "a Secret is taken over that nobody offered": (
        "S6",
        lambda: Sheet().secret("api", "", by_hand=True, token=1).spec().version(1).bundle(1).ledger("Active"),
    ),
    "a consumer is restarted twice for one version": (
        "S8",
        lambda: revoked(overlapping().template().template(api="2").wait(10)),
    ),
    "a template that the test put back is written a third time": (
        "S8",
        lambda: revoked(
            overlapping().template(by_hand=True).template(api="2").template(by_hand=True).template(api="2").wait(10)
        ),
    ),
    "a version is made without a cause": ("S8", _rotated_by_itself),
    "a Secret is made for a credential of another namespace": (
        "S10",
        lambda: first().secret("other-v1", "elsewhere", meta={"labels": {"rekey.dev/credential": "other"}}, token="x"),
    ),
    "a template names a credential of another namespace": ("S10", lambda: first().template(other="2")),
    "a version is used that verifiers do not know": ("V1", lambda: used(published(1))),
    "a version is used before verifiers had the time": ("V1", lambda: used(published(1, 2, wait=2))),
    "a version is taken from verifiers that a pod holds": ("V2", lambda: published(1, 2).verifier(2)),
    "what verifiers read is deleted": ("V2", lambda: published(1, 2).verifier(1, 2, gone=True)),
}
UNFINISHED: dict[str, tuple[str, Callable[[], Sheet]]] = {
    "a version is on no record": ("S3", lambda: _asked().version(2).ledger("Active")),
    "a version on record is gone": ("S3", lambda: first().version(1, gone=True, by_hand=True)),
    "a Secret is owned by who is gone": ("S3", lambda: first().deleting().left()),
    "a rotation is never ended": (
        "L1",
        lambda: revoked(overlapping().wait(10)).ledger("Revoked", "Active", at_rest=False),
    ),
    "a rotation that was asked for never begins": ("L1", lambda: _asked().ledger("Active", observedTrigger=None)),
    "a credential is never looked at": ("L1", lambda: first().ledger("Active", observedGeneration=-1)),
    "a deletion is never ended": ("L1", lambda: first().deleting()),
    "a standstill without a reason": (
        "L2",
        lambda: first().ledger("Active", at_rest=False, conditions=[{**STALLED, "reason": "None"}]),
    ),
    "one waits for another that is stuck": ("L3", _two),
}


@pytest.mark.parametrize("title", GOOD)
def test_a_history_that_keeps_all_promises_passes(title: str) -> None:
    """Nothing is found where nothing is broken, not even where the test itself did harm."""
    assert [str(one) for one in judge(GOOD[title]().history(), resting=True)] == []


@pytest.mark.parametrize("title", BAD)
def test_a_broken_promise_is_found(title: str) -> None:
    """Exactly the promise that was broken is named."""
    promise, sheet = BAD[title]
    found = judge(sheet().history())
    assert promises(found) == {promise}, [str(one) for one in found]


@pytest.mark.parametrize("title", UNFINISHED)
def test_what_was_left_undone_is_found_at_rest(title: str) -> None:
    """Exactly the promise that was broken is named, and only if nothing more is going to happen."""
    promise, sheet = UNFINISHED[title]
    history = sheet().history()
    assert judge(history) == []
    found = judge(history, resting=True)
    assert promises(found) == {promise}, [str(one) for one in found]


def test_every_promise_of_the_checker_is_broken_by_some_history() -> None:
    """There is no rule of the checker that could not fail."""
    assert {promise for promise, _ in BAD.values()} == RULES.keys()
    assert {promise for promise, _ in UNFINISHED.values()} == AT_REST.keys()
