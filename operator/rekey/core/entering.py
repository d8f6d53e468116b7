"""How a version enters a ledger: it was made here, it is to be made at a backend, or it was found."""

from __future__ import annotations

from typing import Final, TypeAlias

from rekey.core import demand, effects, ledger, replying
from rekey.core.changing import put
from rekey.core.edges import EDGES, IllegalTransition, Verb, go
from rekey.core.outcome import Outcome
from rekey.core.record import floor
from rekey.core.status import Cause, Rotation, Status, Step, Version

OBSERVED: Final = "observedTrigger"
"""Under which the trigger before this rotation's is pinned."""


Entry: TypeAlias = effects.Issue | effects.Reserve | effects.Announce | effects.Obtain | effects.Adopt


def enter(status: Status, effect: Entry, out: Outcome) -> Status:
    """Return the status after one of these effects was done with that outcome."""
    match effect:
        case effects.Issue():
            return _issued(status, effect, out)
        case effects.Reserve():
            return _reserved(status, effect, out)
        case effects.Announce():
            return _announced(status, effect.number, out)
        case effects.Obtain():
            return _obtained(status, effect, out)
        case effects.Adopt():
            return _adopted(status, out)


def _issued(status: Status, effect: effects.Issue, out: Outcome) -> Status:
    """A version exists in its own Secret; nobody uses it yet."""
    version = Version(
        number=out.number or effect.number,
        state=EDGES[None, Verb.ISSUE],
        secret_name=out.secret_name,
        handle=out.handle,
        digest=out.digest,
        issued_time=out.issued or out.before,
        expiration_time=out.expires,
        proof=out.proof,
    )
    return _begun(status, effect, version, out)


def _reserved(status: Status, effect: effects.Reserve, out: Outcome) -> Status:
    """A version is about to be made at a backend: nothing is there before this is saved."""
    version = Version(
        number=effect.number,
        state=EDGES[None, Verb.RESERVE],
        secret_name=out.secret_name,
        digest=out.digest,
        intent_time=floor(out.before),
    )
    return _begun(status, effect, version, out)


def _announced(status: Status, number: int, out: Outcome) -> Status:
    """Something is about to be done with a version at its backend, again."""
    version = ledger.find(status, number)
    tries = (version.tries or 0) + 1
    return put(status, version.model_copy(update={"intent_time": floor(out.before), "tries": tries}))


def _obtained(status: Status, effect: effects.Obtain, out: Outcome) -> Status:
    """A reserved version exists at its backend and in its own Secret."""
    version = ledger.find(status, effect.number)
    found = {
        "handle": out.handle,
        "backend_id": out.backend_id,
        "issued_time": out.issued or out.before,
        "expiration_time": out.expires,
        "proof": out.proof,
        "probe": out.probe,
        "refusal": None,
        "tries": None,
    }
    return put(status, go(version, Verb.ISSUE, **found))


def _begun(status: Status, effect: effects.Issue | effects.Reserve, version: Version, out: Outcome) -> Status:
    """Return the status in which the rotation to that version has begun."""
    asked = [item for item in effect.asked if item.uid in out.asked]
    seen = {} if status.observed_trigger is None else {OBSERVED: status.observed_trigger}
    rotation = Rotation(
        id=out.rotation_id,
        number=version.number,
        cause=effect.cause,
        requested_by=demand.credit(asked, status.rotation if effect.again else None),
        step=Step.ISSUING,
        started_time=out.before,
        attempts=demand.attempts(status.rotation, effect.cause, again=effect.again),
        spec={**(out.pinned or {}), **seen},
    )
    carried = replying.passed_on(status, version.number)
    answers = replying.begun(carried, asked, out.after, status.current_version, version.number)
    return put(status, version, rotation=rotation, observed_trigger=out.trigger, requests=answers)


def _adopted(status: Status, out: Outcome) -> Status:
    """The ledger was made from what is in the cluster; numbering goes on above it."""
    current = next(version for version in out.versions if version.state is EDGES[None, Verb.ADOPT])
    older = [version for version in out.versions if version is not current]
    if any(version.state is not EDGES[None, Verb.RECALL] for version in older):
        raise IllegalTransition("what is found beside the current version is retiring")
    step = Rotation(
        id=out.rotation_id,
        number=current.number,
        cause=Cause.REBUILT,
        step=Step.ROLLING_OUT,
        started_time=out.after,
        spec=dict(out.pinned or {}),
    )
    return put(
        status,
        *out.versions,
        bundle=out.bundle,
        current_version=current.number,
        last_rotation_time=ledger.current_since(current),
        observed_trigger=out.trigger,
        rotation=step if older else None,
    )
