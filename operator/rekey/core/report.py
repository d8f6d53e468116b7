"""What a person is told: the derived part of the status, and its conditions.

1. It is computed from the ledger and the decision, so that an unchanged world gives an unchanged status, and no write.
2. `Ready` speaks of the credential, not of the rotation: a routine rotation keeps it True (tools would wait otherwise).
3. A condition's lastTransitionTime changes with its status only; every condition is there from the first visit.
"""

from __future__ import annotations

from collections.abc import Iterable

from rekey.core import expiry, gate, health, ledger, notifying, retire, rollout, start
from rekey.core.effects import Hold
from rekey.core.facts import Facts
from rekey.core.listing import few
from rekey.core.reasons import Reason
from rekey.core.record import ceil
from rekey.core.spec import RevocationPolicy
from rekey.core.status import MAX_CONSUMERS, Cause, Condition, ConsumerStatus, Status, Step, Version

READY = "Ready"
ROTATING = "Rotating"
UP_TO_DATE = "ConsumersUpToDate"
BLOCKED = "RevocationBlocked"
UNDECLARED = "UndeclaredConsumers"
EXPIRING = "Expiring"
STALLED = "Stalled"
NEEDS_REAUTH = "NeedsReauth"
FENCED = "Fenced"
Verdict = tuple[str, bool | None, str, str]


def report(facts: Facts, hold: Hold, *, midway: bool = False) -> Status:
    """Return the status with everything that is derived brought up to date for what is waited for now.

    `midway`: more follows at once, so it is not known yet whether what a backend kept us from is over.
    """
    status = facts.status
    consumers = _consumers(facts)
    old = ledger.previous(status)
    end = retire.overlap_end(old, facts) if old is not None else None
    next_time = start.next_time(facts)
    derived = status.model_copy(
        update={
            "observed_generation": facts.credential.generation,
            "consumers": consumers,
            "overlap_end_time": end and ceil(end),
            "next_rotation_time": next_time and ceil(next_time),
        }
    )
    verdicts = tuple(_verdicts(facts, hold, derived))
    if midway and facts.spec.provider is not None:
        verdicts = tuple(_kept(facts, verdict) for verdict in verdicts)
    told = derived.model_copy(update={"conditions": tuple(_condition(facts, verdict) for verdict in verdicts)})
    who = notifying.listeners(facts.spec.notify, facts.audience)
    outbox = notifying.outbox(who, facts.credential.status, told, facts.now)
    return told.model_copy(update={"notifications": outbox})


def _kept(facts: Facts, verdict: Verdict) -> Verdict:
    """Return a verdict as it was, if it is of those that only the end of a pass can tell."""
    known = next((item for item in facts.status.conditions if item.type == verdict[0]), None)
    if known is None or verdict[0] not in {STALLED, NEEDS_REAUTH}:
        return verdict
    return known.type, known.status == "True", known.reason, known.message


def differs(before: Status, after: Status) -> bool:
    """Say whether a status is worth a write of its own.

    What changes for all credentials at once goes with the next write: `Fenced`, and rows of a webhook that is told of
    none any more.
    """
    kept = {(item.webhook, item.event) for item in after.notifications}
    return before != after and _of_its_own(before, kept) != _of_its_own(after, kept)


def _of_its_own(status: Status, kept: set[notifying.Key]) -> Status:
    conditions = tuple(one for one in status.conditions if one.type != FENCED)
    told = tuple(item for item in status.notifications if (item.webhook, item.event) in kept)
    return status.model_copy(update={"conditions": conditions, "notifications": told})


def _consumers(facts: Facts) -> tuple[ConsumerStatus, ...]:
    """Return the entries of the consumers that were seen; without a look they stay as they are."""
    if not facts.spec.consumers:
        return ()
    if facts.workloads is None or facts.pods is None:
        return facts.status.consumers
    return tuple(item.entry for item in rollout.assess(facts)[:MAX_CONSUMERS])


def _condition(facts: Facts, verdict: Verdict) -> Condition:
    kind, truth, reason, message = verdict
    text = "Unknown" if truth is None else str(truth)
    before = next((item for item in facts.status.conditions if item.type == kind), None)
    since = before.last_transition_time if before is not None and before.status == text else facts.now
    return Condition(
        type=kind,
        status=text,
        reason=reason,
        message=message[:1024],
        observed_generation=facts.credential.generation,
        last_transition_time=since,
    )


def _verdicts(facts: Facts, hold: Hold, status: Status) -> Iterable[Verdict]:
    yield _ready(facts, hold)
    yield _rotating(status)
    yield _up_to_date(facts, hold, status)
    yield _blocked(facts, hold)
    yield _undeclared(facts)
    if hold.stalled:
        yield STALLED, True, hold.reason, hold.message
    else:
        yield STALLED, False, Reason.NONE, ""
    if facts.spec.provider is not None:
        refused = hold.reason is Reason.NEEDS_REAUTH
        yield NEEDS_REAUTH, refused, *((hold.reason, hold.message) if refused else (Reason.NONE, ""))
    if (ending := expiry.verdict(facts)) is not None:
        yield EXPIRING, *ending
    if (waiting := health.verdict(facts, hold)) is not None:
        yield health.POSTPONED, *waiting
    if facts.fence is not None:
        yield FENCED, facts.fence.holds, facts.fence.reason, facts.fence.message


def _ready(facts: Facts, hold: Hold) -> Verdict:
    active = ledger.active(facts.status)
    if active is None:
        return READY, False, hold.reason, hold.message
    if hold.reason is Reason.NAME_TAKEN:
        return READY, False, hold.reason, hold.message
    if (ending := expiry.verdict(facts)) is not None and ending[1] is Reason.EXPIRED:
        return READY, False, *ending[1:]
    return READY, True, hold.reason, hold.message


def _rotating(status: Status) -> Verdict:
    rotation = status.rotation
    if rotation is None or rotation.step is Step.ROLLED_BACK or rotation.cause is Cause.RENEWAL:
        return ROTATING, False, Reason.NONE, ""
    return ROTATING, True, rotation.step, f"to version {rotation.number}: {rotation.cause}"


def _up_to_date(facts: Facts, hold: Hold, status: Status) -> Verdict:
    if not facts.spec.consumers:
        return UP_TO_DATE, True, Reason.NO_CONSUMERS, ""
    late = [entry for entry in status.consumers if entry.moved is False]
    text = "; ".join(f"{entry.kind}/{entry.name}: {entry.message or 'waiting'}" for entry in late)
    rotation = status.rotation
    if rotation is not None and rotation.step is Step.ROLLING_OUT and hold.reason is Reason.SETTLING:
        return UP_TO_DATE, False, hold.reason, hold.message
    if rotation is not None and rotation.step is Step.ROLLING_OUT:
        wait = f"to be moved to version {status.current_version}"
        return UP_TO_DATE, False, Reason.AWAITING_ROLLOUT, text or wait
    if late:
        return UP_TO_DATE, False, Reason.AWAITING_ROLLOUT, text
    return UP_TO_DATE, True, Reason.MOVED, ""


def _blocked(facts: Facts, hold: Hold) -> Verdict:
    if hold.blocked:
        return BLOCKED, True, hold.reason, hold.message
    if gone := [version for version in facts.status.versions if version.forced]:
        last = gone[-1]
        if last.compromised:
            text = f"version {last.number} is compromised and was revoked although pods could still hold it"
            return BLOCKED, False, Reason.COMPROMISED, text
        text = f"version {last.number} was revoked at overlap.deadline although pods could still hold it"
        return BLOCKED, False, Reason.DEADLINE_PASSED, text
    policy = facts.spec.revocation_policy
    kept = [str(version.number) for version in ledger.retiring(facts.status) if _is_kept(version, facts)]
    if kept and policy is RevocationPolicy.MANUAL:
        return BLOCKED, True, Reason.MANUAL_REVOCATION, f"version {', '.join(kept)} to be revoked by hand"
    if kept and policy is RevocationPolicy.NEVER:
        return BLOCKED, False, Reason.NEVER_REVOKED, f"version {', '.join(kept)} accepted for ever"
    return BLOCKED, False, Reason.NONE, ""


def _is_kept(version: Version, facts: Facts) -> bool:
    """Say whether a policy keeps the version: none keeps what ends by itself."""
    end = retire.overlap_end(version, facts)
    return end is not None and facts.now >= end and not retire.ends_by_itself(version, facts)


def _undeclared(facts: Facts) -> Verdict:
    if facts.pods is None or facts.workloads is None:
        known = next((item for item in facts.status.conditions if item.type == UNDECLARED), None)
        if known is not None:
            return UNDECLARED, known.status == "True", known.reason, known.message
        return UNDECLARED, False, Reason.NONE, ""
    names = sorted(gate.undeclared(facts))
    if not names:
        return UNDECLARED, False, Reason.NONE, ""
    text = f"{few(names, 5)}: add their workload to spec.consumers so that it is restarted"
    return UNDECLARED, True, Reason.UNDECLARED_PODS, text
