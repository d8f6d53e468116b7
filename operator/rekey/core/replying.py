"""How answers to requests enter and leave a ledger; the states of versions are `machine`'s alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rekey.core.answer import MAX_ANSWERS, Answer, AnswerState
from rekey.core.demand import Demand
from rekey.core.effects import Reply
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import Status

_MAKES = (RequestReason.MANUAL, RequestReason.COMPROMISE)


def merged(status: Status, answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """Return the answers on record with these in the place of, or behind, them."""
    return tuple(({item.uid: item for item in status.requests} | {item.uid: item for item in answers}).values())


def replied(status: Status, effect: Reply) -> Status:
    """Requests are answered, and old answers forgotten."""
    kept = [item for item in merged(status, effect.answers) if item.uid not in effect.forgotten]
    return status.model_copy(update={"requests": tuple(kept)})


def begun(
    status: Status, asked: Iterable[Demand], now: datetime, before: int | None, after: int | None
) -> tuple[Answer, ...]:
    """Return the answers with those that something is begun for now, as many as there is room for."""
    known = {item.uid for item in status.requests}
    fresh = [demand for demand in asked if demand.uid not in known][: MAX_ANSWERS - len(known)]
    text = f"from version {before} to version {after}" if before else f"to version {after}"
    return merged(status, (item.answer(AnswerState.RUNNING, text, now, before=before, after=after) for item in fresh))


def passed_on(status: Status, successor: int) -> Status:
    """Return the status in which what rested on a version that was refused rests on the next one."""
    if status.rotation is None or status.rotation.refused is None:
        return status
    number = status.rotation.number
    found = (
        item.model_copy(update={"to_version": successor})
        if (item.to_version, item.state) == (number, AnswerState.RUNNING) and item.reason in _MAKES
        else item
        for item in status.requests
    )
    return status.model_copy(update={"requests": tuple(found)})


def without(status: Status, number: int) -> tuple[Answer, ...]:
    """Return the answers without those that rest on a version that nobody saw: their requests count again."""
    return tuple(item for item in status.requests if item.to_version != number or item.reason not in _MAKES)


def compromised_by(status: Status, number: int) -> RevokeWhen | None:
    """Return how the versions before this one are to go, if it was made for a Compromise; the sooner of two wins."""
    wishes = {item.revoke for item in status.requests if item.to_version == number} - {None}
    if not wishes:
        return None
    return RevokeWhen.IMMEDIATELY if RevokeWhen.IMMEDIATELY in wishes else RevokeWhen.AFTER_ROLLOUT
