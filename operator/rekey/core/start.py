"""When and why a new rotation begins."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from rekey.core import gate, health, ledger, probing, proving, renewal, retire, schedule
from rekey.core.answer import MAX_ANSWERS
from rekey.core.demand import Demand
from rekey.core.effects import Act, Decision, Hold, Issue, Look, What
from rekey.core.facts import Facts
from rekey.core.listing import few
from rekey.core.reasons import Reason
from rekey.core.schedule import Start, StartReason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.spec_request import RequestReason
from rekey.core.status import MAX_VERSIONS, Cause, State, Step, Version

RESERVED = 8
_ROUNDED = timedelta(seconds=1)
"""A status tells whole seconds, rounded up."""
_LEAST_USED = 8
"""A version is used for this part of its life, at least, before the next one is made because it expires."""
_OF_A_PERSON = frozenset({Cause.TRIGGER, Cause.MANUAL})
_FAILED = frozenset({Step.ROLLING_BACK, Step.ROLLED_BACK})
"""Also the first: while an older version cannot be put away the record stays at that."""
_NUMBER = re.compile(r"^[1-9][0-9]{0,8}$", re.ASCII)


def wanted_digest(spec: RotatedCredentialSpec) -> str:
    """Return the digest of what the spec asks to be made."""
    return ledger.digest(spec.source)


def unanswered(facts: Facts, *reasons: RequestReason) -> tuple[Demand, ...]:
    """Return the requests that can be answered now, of these reasons if any are named; the oldest first.

    There is room for a number of answers, and some of it is kept for a Compromise.
    """
    if not facts.demands:
        return ()
    found = waiting(facts)
    room = MAX_ANSWERS - len(facts.status.requests)
    leaks = [demand for demand in found if demand.reason is RequestReason.COMPROMISE][: max(0, room)]
    others = [demand for demand in found if demand.reason is not RequestReason.COMPROMISE]
    chosen = (*leaks, *others[: max(0, room - RESERVED - len(leaks))])
    return tuple(demand for demand in chosen if not reasons or demand.reason in reasons)


def waiting(facts: Facts) -> tuple[Demand, ...]:
    """Return the requests for which nothing was begun yet."""
    if not facts.demands:
        return ()
    known = {answer.uid for answer in facts.status.requests}
    return tuple(demand for demand in facts.demands if not demand.settled and demand.uid not in known)


def answered_by_issue(facts: Facts) -> tuple[Demand, ...]:
    """Return the requests that a version that is made now answers."""
    return unanswered(facts, RequestReason.MANUAL, RequestReason.COMPROMISE)


def stalled(facts: Facts) -> Hold:
    """Return that a person must mend the spec, and where."""
    text = "; ".join(str(problem) for problem in facts.problems)
    return Hold(None, Reason.INVALID_SPEC, text[:1000], stalled=True)


def cause_of(facts: Facts, active: Version) -> Cause:
    """Return why the next rotation would begin."""
    if unanswered(facts, RequestReason.MANUAL):
        return Cause.MANUAL
    trigger = facts.spec.rotation.trigger
    if trigger is not None and trigger != facts.status.observed_trigger:
        return Cause.TRIGGER
    if active.digest is not None and active.digest != wanted_digest(facts.spec):
        return Cause.GENERATION_CHANGED
    return routine(facts)


def routine(facts: Facts) -> Cause:
    """Return why the next version is made if nobody asks for one."""
    return Cause.RENEWAL if facts.spec.renews else Cause.SCHEDULE


def next_start(facts: Facts, active: Version, cause: Cause) -> Start:
    """Return when the next rotation may begin; what fell due while the operator was down is spread."""
    rotation = facts.spec.rotation
    last = ledger.rotated(facts.status, active, facts.now)
    seed = f"{facts.credential.uid}:{active.number}"
    if facts.spec.renews:
        return _renewal(facts, active, cause, seed)
    if cause is Cause.SCHEDULE:
        begin = schedule.begin_at(rotation, last, facts.now, facts.started, seed)
        begin = _as_said(facts, begin, schedule.start_at(rotation, last, facts.now, seed).at)
    else:
        begin = schedule.start_at(rotation, last, facts.now, seed, requested=True)
    return in_time(begin, facts.spec, active.issued_time, active.expiration_time)


def _as_said(facts: Facts, begin: Start, due: datetime) -> Start:
    """Return the start, or what the status says: what an earlier life put off is not put off again by this one."""
    said = facts.status.next_rotation_time
    return begin if said is None or not due + _ROUNDED < said < begin.at else Start(said, begin.why)


def in_time(begin: Start, spec: RotatedCredentialSpec, issued: datetime | None, expires: datetime | None) -> Start:
    """Return the start, or an earlier one for the sake of a version that expires.

    One whose backend gave it hardly more time than an overlap takes, or less, is used for half of it: else one would
    follow the other without a pause, and no rule about the spec could have told.
    """
    early = schedule.in_time(begin, spec, expires)
    if issued is None or expires is None or expires <= issued or early.at - issued >= (expires - issued) / _LEAST_USED:
        return early
    half = issued + (expires - issued) / 2
    return begin if begin.at <= half else Start(half, early.why)


def _renewal(facts: Facts, active: Version, cause: Cause, seed: str) -> Start:
    if cause is not Cause.RENEWAL:
        return Start(facts.now, StartReason.REQUESTED)
    issued, expires = active.issued_time, active.expiration_time
    at = renewal.renew_at(issued, expires, seed) if issued is not None and expires is not None else facts.now
    return Start(at, StartReason.EXPIRES)


def next_time(facts: Facts) -> datetime | None:
    """Return when the next scheduled rotation may begin, for the status; None while none can."""
    active = ledger.active(facts.status)
    if active is None or facts.problems:
        return None
    at = next_start(facts, active, routine(facts)).at
    failed = facts.status.rotation
    if failed is not None and failed.next_attempt_time is not None:
        return max(at, failed.next_attempt_time)
    return at


def due_at(facts: Facts) -> datetime | None:
    """Return when the next rotation begins if nothing of the last one is in the way; None if none is to."""
    active = ledger.active(facts.status)
    if active is None or facts.problems or facts.spec.suspend:
        return None
    return next_start(facts, active, cause_of(facts, active)).at


def rotate(facts: Facts) -> Decision | None:
    """A new rotation begins when it is due or asked for and nothing of the last one is in the way."""
    active = ledger.active(facts.status)
    if active is None:
        return None
    if facts.problems:
        return stalled(facts)
    if facts.spec.suspend:
        return Hold(None, Reason.SUSPENDED, "spec.suspend is true: no rotation begins")
    cause = cause_of(facts, active)
    if (back_off := _back_off(facts, cause)) is not None:
        return back_off
    last, again = facts.status.rotation, False
    if last is not None and probing.is_refused(last) and cause in {routine(facts), last.cause} - _OF_A_PERSON:
        cause, again = last.cause, not proving.mended(facts)
    opens = next_start(facts, active, cause)
    if opens.at > facts.now:
        waiting = cause not in {Cause.SCHEDULE, Cause.RENEWAL}
        reason = Reason.AWAITING_WINDOW if waiting else Reason.ACTIVE
        text = f"version {active.number} is current; the next rotation begins {opens.at:%F %T}Z"
        return Hold(opens.at, reason, text)
    # Who has no value is not asked how he is: he may be ill because of that.
    waits = None if cause is Cause.VALUE_LOST or facts.spec.renews else health.postponed(facts, active)
    return _in_the_way(facts) or waits or begin(facts, cause, again=again)


def first(facts: Facts) -> Decision:
    """Begin where there is nothing yet, or nothing any more; after a refusal as after any, unless a person asks."""
    asked, trigger = answered_by_issue(facts), facts.spec.rotation.trigger
    told = bool(asked) or trigger not in {None, facts.status.observed_trigger}
    if not told and (wait := proving.back_off(facts)) is not None:
        return wait
    served = facts.status.bundle is not None or any(item.activated_time for item in facts.status.versions)
    cause = Cause.VALUE_LOST if served else Cause.FIRST_ISSUE
    again = not told and probing.is_refused(facts.status.rotation) and not proving.mended(facts)
    return Act(Issue(ledger.next_number(facts.status), cause, asked, again=again), "there is no version yet")


def begin(facts: Facts, cause: Cause, *, again: bool = False) -> Decision:
    """Begin with a number above all that the consumers' templates name.

    A template may name a number of an earlier life of this credential: writing the same again would roll nothing.
    """
    number = ledger.next_number(facts.status)
    if facts.spec.consumers:
        if facts.workloads is None:
            return Look(frozenset({What.WORKLOADS}))
        named = [int(view.annotation) for view in facts.workloads if view.annotation and _NUMBER.match(view.annotation)]
        number = max([number, *(name + 1 for name in named)])
    effect = Issue(number, cause, answered_by_issue(facts), again=again)
    return Act(effect, f"{cause} after version {facts.status.current_version}")


def _back_off(facts: Facts, cause: Cause) -> Hold | None:
    """After a failed rollout the same is not tried again at once; a new trigger or a request is a person's word."""
    last = facts.status.rotation
    if last is None or last.step not in _FAILED or last.next_attempt_time is None:
        return None
    if cause in _OF_A_PERSON:
        return None
    if probing.is_refused(last):
        return proving.back_off(facts)
    if facts.now >= last.next_attempt_time:
        return None
    when = f"{last.next_attempt_time:%F %T}Z"
    if last.cause is Cause.ROLLBACK:
        text = f"version {last.number} was taken back on request; the next rotation begins {when} or with a new trigger"
        return Hold(last.next_attempt_time, Reason.ACTIVE, text)
    text = f"the rollout of version {last.number} failed; next attempt {when} or with a new trigger"
    return Hold(last.next_attempt_time, Reason.ROLLOUT_FAILED, text, stalled=True)


def no_room(facts: Facts) -> Hold | None:
    """Return that the backend takes no more versions: one that were reserved would hold up the end of an older one."""
    slots = facts.spec.provider.slots if facts.spec.provider is not None else None
    there = [item for item in facts.status.versions if item.state in ledger.LIVE - {State.RESERVED}]
    if slots is None or len(there) < slots:
        return None
    text = f"its backend takes {slots} versions, and has versions {few([str(item.number) for item in there])}"
    text = f"{text}: the next one waits until the older one is gone; a RotationRequest with `reason: Revoke` ends that"
    return Hold(None, Reason.TOO_MANY_VERSIONS, text, stalled=True)


def _in_the_way(facts: Facts) -> Decision | None:
    """No rotation begins while an older version still has users, or ledger or backend is full."""
    if full := no_room(facts):
        return full
    old = ledger.retiring(facts.status)
    if len(old) >= MAX_VERSIONS // 2:
        text = f"{len(old)} old versions are still accepted: revoke some of them first"
        return Hold(None, Reason.TOO_MANY_VERSIONS, text, stalled=True)
    if not old or facts.spec.renews:
        return None
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    held = [holder for version in old for holder in gate.holders(version, facts)]
    if not held:
        return None
    text = f"the next rotation is due, but an older version is still held by {few(held)}"
    return Hold(facts.now + facts.timing.slowest_poll, Reason.HELD_BY_PODS, text, stalled=True)
