"""When a request that was begun is over: read off the ledger, so that a lost answer is found again."""

from __future__ import annotations

from rekey.core import ledger, probing
from rekey.core.answer import Answer, AnswerState
from rekey.core.facts import Facts
from rekey.core.spec_request import RequestReason
from rekey.core.status import State, Step, Version

_Ending = tuple[AnswerState, str] | None


def settled(answer: Answer, facts: Facts) -> Answer | None:
    """Return the answer as it ended; None while it has not."""
    if answer.state is not AnswerState.RUNNING:
        return None
    ending = _ENDINGS[answer.reason](answer, facts)
    if ending is None:
        return None
    state, text = ending
    return answer.model_copy(update={"state": state, "message": text, "finished_time": facts.now})


def _find(facts: Facts, number: int | None) -> Version | None:
    return next((item for item in facts.status.versions if item.number == number), None)


def _made(answer: Answer, facts: Facts) -> _Ending:
    number = answer.to_version
    version = _find(facts, number)
    if version is not None and version.rolled_back and _follows_another(facts, version):
        return None
    if version is not None and version.rolled_back:
        return AnswerState.FAILED, f"version {number} was taken back; version {facts.status.current_version} is current"
    if version is not None and version.state in {State.RESERVED, State.ISSUED, State.PUBLISHED}:
        return None
    if version is not None and version.state is State.ACTIVE and _is_moving(facts, version):
        return None
    if answer.reason is RequestReason.MANUAL:
        where = "is current" if facts.spec.renews else "is current and every consumer uses it"
        if version is None or version.state is not State.ACTIVE:
            where = f"was made, and version {facts.status.current_version} followed it"
        return AnswerState.SUCCEEDED, f"version {number} {where}"
    older = [item for item in facts.status.versions if item.compromised and item.state in ledger.LIVE]
    if any(item.number < (number or 0) for item in older):
        return None
    return AnswerState.SUCCEEDED, f"version {number} was made and every older version is revoked"


def _follows_another(facts: Facts, refused: Version) -> bool:
    """Say whether another version is made for the same rotation, in the place of one that was refused."""
    rotation = facts.status.rotation
    if rotation is None or rotation.number != refused.number:
        return False
    return probing.is_refused(rotation) and rotation.attempts < probing.MAX_REFUSED


def _is_moving(facts: Facts, version: Version) -> bool:
    rotation = facts.status.rotation
    mine = rotation is not None and rotation.number == version.number
    return mine and rotation is not None and rotation.step in {Step.ISSUING, Step.PUBLISHING, Step.ROLLING_OUT}


def _taken_back(answer: Answer, facts: Facts) -> _Ending:
    failed = _find(facts, answer.from_version)
    if failed is not None and not failed.rolled_back:
        return AnswerState.FAILED, f"version {facts.status.current_version} became current meanwhile"
    if failed is None or failed.state in ledger.ENDED or failed.overlap_start_time is not None:
        return AnswerState.SUCCEEDED, f"version {answer.to_version} is current again and every consumer uses it"
    return None


def _revoked(answer: Answer, facts: Facts) -> _Ending:
    version = _find(facts, answer.from_version)
    if version is None or version.state in ledger.ENDED:
        return AnswerState.SUCCEEDED, f"version {answer.from_version} is revoked"
    if version.state is State.ACTIVE:
        return AnswerState.FAILED, f"version {version.number} became current again"
    return None


_ENDINGS = {
    RequestReason.MANUAL: _made,
    RequestReason.COMPROMISE: _made,
    RequestReason.ROLLBACK: _taken_back,
    RequestReason.REVOKE: _revoked,
}
