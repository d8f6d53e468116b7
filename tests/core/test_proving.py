"""A version is used once to prove it: what is sent, what an answer says, and what is decided from it."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from rekey.core import effects, ledger, probing
from rekey.core.decide import decide
from rekey.core.effects import Activate, Condemn, Discard, Issue, Prove, Publish, What
from rekey.core.facts import BundleState, Facts
from rekey.core.machine import advance
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.probing import Reply
from rekey.core.reasons import Reason
from rekey.core.spec import HttpProbe
from rekey.core.status import Cause, State, Status, Step, Version
from rekey.core.status_probe import Finding, Probe
from tests.core.situations import (
    HOUR,
    NOON,
    Gist,
    active,
    after,
    ended,
    facts,
    gist,
    rotation,
    spec,
    status,
    version,
    waits,
)

URL = "https://till.orders.svc/whoami"
VALIDATION: dict[str, Any] = {"http": {"url": URL, "bearer": {}}}
WISH = spec(validation=VALIDATION)
OTHER = spec(validation={"http": {"url": "https://new.orders.svc/", "bearer": {}}})
BUNDLE, INTACT = frozenset({What.BUNDLE}), {"bundle": BundleState.INTACT, "bundle_version": 1}
BY = ledger.digest(HttpProbe.model_validate(VALIDATION["http"]))
A, R, U, F = Finding.ACCEPTED, Finding.REFUSED, Finding.UNREACHABLE, Finding.FORBIDDEN
TRIGGERED: dict[str, Any] = {"cause": Cause.TRIGGER}


def probe(finding: Finding, refused: int = 0, unreachable: int = 0, by: str = BY) -> Probe:
    """Return what the last try at noon showed."""
    return Probe(by=by, time=NOON, finding=finding, refused=refused, unreachable=unreachable, message="so it was")


def made(found: Probe | None = None, **fields: Any) -> Status:
    """Return a ledger in which version 2 was made and tried like that."""
    pending = version(2, State.ISSUED, issued_time=NOON, probe=found, **fields)
    return status(active(1), pending, rotation=rotation(Step.VALIDATING, **TRIGGERED))


def at(seconds: float, found: Status, wish: Any = WISH, **more: Any) -> Facts:
    """Return the facts so many seconds after the last try, with the bundle looked at."""
    return facts(found, after(seconds), wish, **{**INTACT, **more})


def given_up(attempts: int = 1, **fields: Any) -> Status:
    """Return the ledger after so many versions in a row were refused; the next may follow an hour after noon."""
    last = rotation(
        Step.ROLLED_BACK, refused=BY, attempts=attempts, next_attempt_time=NOON + HOUR, **{**TRIGGERED, **fields}
    )
    return status(active(1), ended(2, State.DISCARDED), rotation=last)


LATER = waits(NOON + HOUR, Reason.VALIDATION_REFUSED, stalled=True)
NEVER = waits(None, Reason.VALIDATION_REFUSED, stalled=True)
SITUATIONS: dict[str, tuple[Facts, Gist]] = {
    "a version that was made is proved": (at(0, made()), Prove(2)),
    "before it is, the bundle is looked at: it may be shown": (at(0, made(), bundle=None, bundle_version=None), BUNDLE),
    "what is shown is not proved any more": (at(0, made(), bundle_version=2), Activate(2)),
    "without a service it becomes current at once": (at(0, made(), spec()), Activate(2)),
    "with a validation that names none, too": (at(0, made(), spec(validation={})), Activate(2)),
    "what was accepted becomes current": (at(0, made(probe(A))), Activate(2)),
    "what another request accepted does not count": (at(0, made(probe(A, by="other"))), Prove(2)),
    "after a refusal a second passes": (at(0, made(probe(R, 1))), waits(after(1), Reason.VALIDATING)),
    "after two it is two": (at(1, made(probe(R, 2))), waits(after(2), Reason.VALIDATING)),
    "then it is tried again": (at(2, made(probe(R, 2))), Prove(2)),
    "after three it is taken back": (at(0, made(probe(R, 3))), Condemn(2, after(30), refused=BY)),
    "unless nobody looked whether it is shown": (at(0, made(probe(R, 3)), bundle=None), BUNDLE),
    "a lower threshold counts at once": (
        at(0, made(probe(R, 1)), spec(validation={**VALIDATION, "failureThreshold": 1})),
        Condemn(2, after(30), refused=BY),
    ),
    "refusals of another request do not count": (at(0, made(probe(R, 3, by="other"))), Prove(2)),
    "a missing answer is no trouble yet": (at(0, made(probe(U, 0, 2))), waits(after(2), Reason.VALIDATING)),
    "three are": (at(0, made(probe(U, 0, 3))), waits(after(4), Reason.VALIDATION_UNREACHABLE, stalled=True)),
    "the pause ends at five minutes": (
        at(0, made(probe(U, 0, 900))),
        waits(after(300), Reason.VALIDATION_UNREACHABLE, stalled=True),
    ),
    "two refusals and hundreds of missing answers discard nothing": (at(300, made(probe(U, 2, 900))), Prove(2)),
    "an address that is not allowed is said at once": (
        at(0, made(probe(F, 0, 1))),
        waits(after(1), Reason.VALIDATION_FORBIDDEN, stalled=True),
    ),
    "a version that was taken back is discarded": (at(0, made(probe(R, 3), rolled_back=True)), Discard(2)),
    "verifiers come first": (
        at(0, made(), spec(validation=VALIDATION, verifier={"secretName": "v", "format": "SHA256"})),
        Publish(2),
    ),
    "another version follows after a pause": (at(0, given_up()), LATER),
    "for the same rotation": (at(3600, given_up()), Issue(3, Cause.TRIGGER, again=True)),
    "the fourth refusal is not the last": (at(3600, given_up(4)), Issue(3, Cause.TRIGGER, again=True)),
    "the fifth is": (at(3600, given_up(5)), NEVER),
    "a new trigger is a person's word": (
        at(0, given_up(5), spec(validation=VALIDATION, rotation={"trigger": "b"})),
        Issue(3, Cause.TRIGGER),
    ),
    "another request is too, for the same rotation": (at(0, given_up(5), OTHER), Issue(3, Cause.TRIGGER)),
    "and so is none": (at(0, given_up(5), spec()), Issue(3, Cause.TRIGGER)),
    "a changed generator that was refused waits like that": (
        at(0, given_up(cause=Cause.GENERATION_CHANGED), spec(validation=VALIDATION, generate={"token": {"bytes": 48}})),
        LATER,
    ),
    "and is made again": (
        at(
            3600,
            given_up(cause=Cause.GENERATION_CHANGED),
            spec(validation=VALIDATION, generate={"token": {"bytes": 48}}),
        ),
        Issue(3, Cause.GENERATION_CHANGED, again=True),
    ),
    "a suspended credential makes none": (
        at(3600, given_up(), spec(validation=VALIDATION, suspend=True)),
        waits(None, Reason.SUSPENDED),
    ),
}


@pytest.mark.parametrize("case", SITUATIONS)
def test_decided(case: str) -> None:
    """What is next, from the making of a version to its first use by others, or its end."""
    found, expected = SITUATIONS[case]
    assert gist(decide(found)) == expected


HTTP = HttpProbe.model_validate({"url": URL, "bearer": {}, "expectStatus": [200, 404]})
ANSWERS: dict[str, tuple[Reply, Finding]] = {
    "what is expected": (Reply(200), A),
    "a 404 that is expected": (Reply(404), A),
    "a status that is not": (Reply(204), U),
    "a redirect": (Reply(302), U),
    "unauthorized": (Reply(401), R),
    "forbidden": (Reply(403), R),
    "any other refusal": (Reply(400), R),
    "the last of them": (Reply(499), R),
    "a timeout of its own": (Reply(408), U),
    "too early": (Reply(425), U),
    "busy": (Reply(429), U),
    "broken": (Reply(500), U),
    "away": (Reply(503), U),
    "nothing at all": (Reply(trouble="no connection"), U),
    "not to be asked": (Reply(trouble="not allowed", forbidden=True), F),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_judged(case: str) -> None:
    """Only a definite refusal refuses; whatever says nothing of the value discards nothing."""
    reply, expected = ANSWERS[case]
    finding, text = probing.judge(HTTP, reply)
    assert finding is expected
    assert text


HEADERS: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "bearer": ({"bearer": {}}, "Authorization", b"Bearer s3cret"),
    "a header of its own": ({"header": {"name": "X-Api-Key"}}, "X-Api-Key", b"s3cret"),
    "a header with a prefix": ({"header": {"name": "X-Key", "prefix": "Token "}}, "X-Key", b"Token s3cret"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_sent(case: str) -> None:
    """The value stands in one header, under its name."""
    way, name, value = HEADERS[case]
    sealed = probing.header(HttpProbe.model_validate({"url": URL, **way}), "token", _token(b"s3cret"))
    assert sealed == Material({name: value})


def test_sent_as_basic() -> None:
    """Name and value in base64."""
    http = HttpProbe.model_validate({"url": URL, "basic": {"username": "till"}})
    sealed = probing.header(http, "password", Material({"password": b"pa:ss"}))
    assert sealed is not None
    text = sealed.reveal()["Authorization"]
    assert b64decode(text.removeprefix(b"Basic ")) == b"till:pa:ss"


@pytest.mark.parametrize("value", [b"", b"a\r\nX-Evil: 1", b"\xff", b"a b"])
def test_what_cannot_stand_in_a_header_is_not_sent(value: bytes) -> None:
    """No value ends a header and begins another."""
    assert probing.header(HTTP, "token", _token(value)) is None


def _token(value: bytes) -> Material:
    return Material({"token": value})


COUNTED: dict[str, tuple[Probe | None, Finding, tuple[int, int]]] = {
    "the first refusal": (None, R, (1, 0)),
    "the second": (probe(R, 1), R, (2, 0)),
    "a refusal after missing answers": (probe(U, 1, 7), R, (2, 0)),
    "a missing answer after refusals": (probe(R, 2), U, (2, 1)),
    "the next missing answer": (probe(U, 2, 1), U, (2, 2)),
    "one that was forbidden": (probe(U, 0, 1), F, (0, 2)),
    "refusals of another request": (probe(R, 2, by="other"), R, (1, 0)),
    "an acceptance": (probe(U, 2, 3), A, (2, 0)),
}


@pytest.mark.parametrize("case", COUNTED)
def test_counted(case: str) -> None:
    """Refusals add up; missing answers only in a row; both only by the same request."""
    before, finding, expected = COUNTED[case]
    fresh: Version = probing.counted(version(2, State.ISSUED, probe=before), probe(finding))
    assert fresh.probe is not None
    assert (fresh.probe.refused, fresh.probe.unreachable) == expected


def test_a_try_is_on_record() -> None:
    """The ledger keeps what a try showed, and the rotation says what is being done; no state changes."""
    tried = probing.counted(ledger.find(made(), 2), probe(R))
    fresh = advance(made(), effects.Prove(2), Outcome(NOON, NOON, versions=(tried,)))
    assert ledger.find(fresh, 2).probe == probe(R, 1)
    assert ledger.find(fresh, 2).state is State.ISSUED
    assert fresh.rotation is not None
    assert fresh.rotation.step is Step.VALIDATING


def test_versions_in_a_row_are_counted() -> None:
    """Another one for the same rotation counts as one more, under the name of who asked; anything else begins anew."""
    before = given_up(2, requested_by="RotationRequest now")
    again = advance(before, effects.Issue(3, Cause.TRIGGER, again=True), Outcome(NOON, NOON)).rotation
    fresh = advance(before, effects.Issue(3, Cause.TRIGGER), Outcome(NOON, NOON)).rotation
    assert again is not None
    assert fresh is not None
    assert (again.attempts, again.requested_by, again.refused) == (3, "RotationRequest now", None)
    assert (fresh.attempts, fresh.requested_by) == (1, None)
