"""What RotationRequests ask of a credential, and what they are answered from its ledger.

1. A request is answered once: what stands in `status.requests` is never begun again.
2. What is asked together is one: a new version answers every Manual and Compromise request that was known when it was
   made, and every Manual request that was made before it, or within `TOGETHER` after it if it was made for one.
3. A Compromise counts strictly: only a version that was made for it answers it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rekey.core import ledger, probing, schedule, start
from rekey.core.answer import MAX_ANSWERS, OVER, Answer, AnswerState
from rekey.core.demand import Demand
from rekey.core.effects import Act, Commit, Condemn, Decision, Hold, Reply
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.retire import on_hold
from rekey.core.settling import settled
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import MAX_VERSIONS, Cause, State, Version

TOGETHER = timedelta(seconds=10)
KEPT = timedelta(minutes=10)
_ROOM = 4


def reply(facts: Facts) -> Decision | None:
    """What can be said of a request by the ledger alone is said at once: that it is over, or that it is refused."""
    if not facts.demands and not facts.status.requests:
        return None
    ended = [after for item in facts.status.requests if (after := settled(item, facts)) is not None]
    fresh = [answer for demand in start.unanswered(facts) if (answer := _judge(demand, facts)) is not None]
    crowded = len(facts.status.requests) + len(start.waiting(facts)) - (MAX_ANSWERS - start.RESERVED)
    forgotten = _forgettable(facts, crowded)
    if not ended and not fresh and not (forgotten and crowded > 0):
        return None
    return Act(Reply((*ended, *fresh), forgotten), "requests are answered from the ledger")


def _forgettable(facts: Facts, crowded: int) -> frozenset[str]:
    """Return the answers that nobody needs: of requests long gone, and, for room, of those that know how they ended."""
    if facts.demands is None:
        return frozenset()
    known = {demand.uid: demand.settled for demand in facts.demands}
    over = [item for item in facts.status.requests if item.state in OVER]
    gone = [item.uid for item in over if item.uid not in known and _long_ago(item, facts.now)]
    spare = [item.uid for item in over if known.get(item.uid) and item.uid not in gone]
    return frozenset([*gone, *spare[: max(0, crowded - len(gone))]])


def _long_ago(item: Answer, now: datetime) -> bool:
    return item.finished_time is not None and now > item.finished_time + KEPT


def _judge(demand: Demand, facts: Facts) -> Answer | None:
    """Return the answer to a request for which nothing is to be begun; None: something is."""
    match demand.reason:
        case RequestReason.MANUAL:
            return _manual(demand, facts)
        case RequestReason.COMPROMISE:
            return None
        case RequestReason.ROLLBACK:
            why = _no_way_back(demand, facts)
            return None if why is None else demand.answer(AnswerState.REFUSED, why, facts.now)
        case RequestReason.REVOKE:
            return _revoke(demand, facts)


def _manual(demand: Demand, facts: Facts) -> Answer | None:
    if facts.spec.suspend:
        text = "spec.suspend is true, so no rotation begins: resume the credential, then ask again"
        return demand.answer(AnswerState.REFUSED, text, facts.now)
    made = {item.to_version: item.from_version for item in facts.status.requests if item.reason is demand.reason}
    for version in facts.status.versions:
        live = version.state in {State.ISSUED, State.PUBLISHED, State.ACTIVE} and not version.rolled_back
        if not live or version.issued_time is None:
            continue
        is_newer = version.issued_time > demand.created
        if is_newer or (version.number in made and demand.created <= version.issued_time + TOGETHER):
            text = f"version {version.number} is as new as was asked for"
            before = made.get(version.number)
            return demand.answer(AnswerState.RUNNING, text, facts.now, before=before, after=version.number)
    return None


def _no_way_back(demand: Demand, facts: Facts) -> str | None:
    """Return why the version before cannot be current again; None if it can."""
    current, before = ledger.active(facts.status), ledger.previous(facts.status)
    if facts.spec.renews:
        return "a token is renewed, not rotated: the one before ends soon; ask for another one by `reason: Manual`"
    if current is None:
        return "there is no current version"
    if any(item.rolled_back and item.state in ledger.LIVE for item in facts.status.versions):
        return f"a version was taken back already: version {before.number if before else current.number} is the last"
    if before is None:
        return f"version {current.number} is current, and no version before it is accepted any more"
    if before.compromised is not None:
        return f"version {before.number} was reported as compromised: only a new version can follow"
    if demand.version not in {None, before.number}:
        return f"only version {before.number} can become current again, not version {demand.version}"
    if current.activated_time is not None and current.activated_time > demand.created:
        return f"version {current.number} became current after the request was made: ask again"
    return None


def _revoke(demand: Demand, facts: Facts) -> Answer | None:
    number = demand.version or 0
    version = next((item for item in facts.status.versions if item.number == number), None)
    if version is None and number >= ledger.next_number(facts.status):
        return demand.answer(AnswerState.REFUSED, f"there is no version {number}", facts.now)
    if version is None or version.state in ledger.ENDED:
        return demand.answer(AnswerState.SUCCEEDED, f"version {number} is gone already", facts.now, before=number)
    if version.state is State.ACTIVE:
        text = f"version {number} is current: rotate first, then revoke it"
        return demand.answer(AnswerState.REFUSED, text, facts.now)
    if version.state in {State.RESERVED, State.ISSUED, State.PUBLISHED}:
        return None
    return demand.answer(AnswerState.RUNNING, f"version {number} is to be revoked", facts.now, before=number)


def compromise(facts: Facts) -> Decision | None:
    """A compromised credential gets a new version at once, whatever is under way; suspend and windows are ignored."""
    asked = start.unanswered(facts, RequestReason.COMPROMISE)
    if not asked or ledger.active(facts.status) is None or start.no_room(facts) or _comes_first(facts):
        return None
    if sum(item.state in ledger.LIVE for item in facts.status.versions) > MAX_VERSIONS - _ROOM:
        text = f"{len(ledger.retiring(facts.status))} old versions are still accepted: revoke some of them first"
        return Hold(None, Reason.TOO_MANY_VERSIONS, text, stalled=True)
    return start.begin(facts, Cause.COMPROMISE)


def _comes_first(facts: Facts) -> bool:
    """Say whether a version becomes current now, in which stands what the next one is got with."""
    pending = ledger.pending(facts.status)
    return pending is not None and facts.chained and probing.is_accepted(pending, facts)


def make_room(facts: Facts) -> Decision | None:
    """A compromised credential whose backend is full waits for an old version that nothing but a person takes away."""
    return start.no_room(facts) if start.unanswered(facts, RequestReason.COMPROMISE) else None


def revoke_compromised(facts: Facts) -> Decision | None:
    """What is to go `Immediately` goes as soon as its successor is current; a hold is stronger."""
    if ledger.active(facts.status) is None or on_hold(facts) is not None:
        return None
    for version in ledger.retiring(facts.status):
        if version.compromised is RevokeWhen.IMMEDIATELY:
            return Act(Commit(version.number, forced=True), f"version {version.number} is compromised")
    return None


def go_back(facts: Facts) -> Decision | None:
    """On request the version before becomes current again, exactly as after a failed rollout."""
    asked = start.unanswered(facts, RequestReason.ROLLBACK)
    current, before = ledger.active(facts.status), ledger.previous(facts.status)
    if not asked or current is None or before is None:
        return None
    return Act(Condemn(current.number, _next(facts, current), asked), f"{asked[0]} asks for version {before.number}")


def _next(facts: Facts, current: Version) -> datetime:
    """Return when the next rotation may begin: an interval from now, for somebody has to mend what was wrong."""
    if facts.problems:
        return facts.now + facts.timing.retry
    return schedule.start_at(facts.spec.rotation, facts.now, facts.now, f"{facts.credential.uid}:{current.number}").at
