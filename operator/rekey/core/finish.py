"""What is under way is finished: restarts, rollback, overlap, revocation, in that order of the protocol."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rekey.core import health, ledger, moving, retire, rollout, start
from rekey.core.effects import (
    Act,
    Commit,
    Conclude,
    Decision,
    Hold,
    Look,
    Reinstate,
    Revoke,
    StartOverlap,
)
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.spec import RevocationPolicy
from rekey.core.spec_request import RequestReason
from rekey.core.status import MAX_CONSUMERS, State, Step, Version


def revoke_committed(facts: Facts) -> Decision | None:
    """What was committed to revocation is revoked: there is no way back."""
    for version in facts.status.versions:
        if version.state is State.REVOKING and version.tries is None and version.refusal is None:
            return Act(Revoke(version.number), f"version {version.number} is committed to revocation")
    return None


def revoke_asked(facts: Facts) -> Decision | None:
    """What a person wants gone goes also while a version is reserved, which its backend may refuse for long to make.

    So does what ends by itself, once the backend has not made the version at once.
    """
    reserved = ledger.reserved(facts.status)
    if reserved is None:
        return None
    late = reserved.tries is not None or reserved.refusal is not None
    for version in _leaving(facts):
        if retire.cut_short(version, facts) or (late and retire.ends_by_itself(version, facts)):
            decision = retire.judge(version, facts)
            if not isinstance(decision, Hold):
                return decision
    return revoke_committed(facts)


def revoke_again(facts: Facts) -> Decision | None:
    """What its backend would not revoke at once is tried again when nothing else is to be done: it holds up nothing."""
    left = [version for version in facts.status.versions if version.state is State.REVOKING]
    if not left:
        return None
    for following in (start.rotate(facts), *(retire.judge(version, facts) for version in _leaving(facts))):
        if isinstance(following, Act | Look):
            return following
    version = next((item for item in left if item.refusal is None), left[0])
    return Act(Revoke(version.number), f"version {version.number} is committed to revocation, and is there still")


def roll_back(facts: Facts) -> Decision | None:
    """After a failed rollout: the old version is shown again, then the consumers that had moved are moved back."""
    failed = next((item for item in facts.status.versions if item.rolled_back and item.state in ledger.LIVE), None)
    if failed is None:
        return None
    before = ledger.previous(facts.status)
    if failed.state is State.ACTIVE and before is not None:
        return Act(Reinstate(before.number, failed.number), f"version {before.number} becomes current again")
    if failed.overlap_start_time is not None:
        return None
    if wait := moving.caches(failed, facts, Reason.ROLLING_BACK):
        return wait
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    # Verifiers stay: they know both versions.
    progress = tuple(item for item in rollout.assess(facts) if not item.verifies)
    if item := rollout.to_undo(progress, failed.number):
        return moving.back(item, failed.number)
    late = [item for item in progress if not item.moved]
    if not late:
        return Act(StartOverlap(failed.number, retire.left_at(failed, facts)), "every consumer is back")
    since = failed.retire_time or facts.now
    stuck = facts.now > since + facts.spec.rollout.progress_deadline
    reason = Reason.ROLLBACK_BLOCKED if stuck else Reason.ROLLING_BACK
    return Hold(retire.poll(facts, since), reason, moving.waiting(late), stalled=stuck)


def roll_out(facts: Facts) -> Decision | None:
    """Consumers are moved to the current version; when the last has moved, the overlap clock starts."""
    old = ledger.to_leave(facts.status)
    if old is None or old.retire_time is None:
        return None
    if facts.spec.renews:
        return Act(StartOverlap(old.number, old.retire_time), "whoever uses it reads the next one by himself")
    if not facts.spec.consumers:
        begin = old.retire_time + facts.spec.overlap.propagation
        return Act(StartOverlap(old.number, begin), "there are no consumers to move")
    if wait := moving.caches(old, facts, Reason.AWAITING_CACHES):
        return wait
    published = old.retire_time + facts.spec.overlap.propagation
    if facts.spec.verifier is None and facts.now < published:
        return Hold(published, Reason.AWAITING_CACHES, "those who verify may not know the new version yet")
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    return _move(facts, old, old.retire_time)


def _move(facts: Facts, old: Version, since: datetime) -> Decision:
    progress = rollout.assess(facts)
    if len(progress) > MAX_CONSUMERS:
        text = f"spec.consumers: {len(progress)} workloads are matched, at most {MAX_CONSUMERS} are handled"
        return Hold(facts.now + facts.timing.retry, Reason.INVALID_SPEC, text, stalled=True)
    watched = health.must_settle(facts, old)
    if failed := rollout.condemned_by(facts, progress) or (health.failed(facts, progress) if watched else None):
        # From what others know there is no way back.
        leaked = any(version.compromised for version in ledger.retiring(facts.status))
        return moving.failed(facts, failed, since, final=leaked)
    if item := rollout.next_restart(facts, progress):
        return moving.restart(facts, item)
    late = [item for item in progress if not item.moved]
    settling = health.settling(facts, progress) if watched and not late else None
    if not late and settling is None:
        return Act(StartOverlap(old.number, retire.left_at(old, facts)), "every consumer uses the current version")
    if retire.forced(old, facts) and retire.on_hold(facts) is None:
        return Act(Commit(old.number, forced=True), "overlap.deadline passed and atDeadline is Revoke")
    blocked = facts.now >= retire.deadline_of(old, facts)
    if settling is not None:
        return replace(settling, blocked=blocked)
    stuck = rollout.stuck(facts, late)
    queued = facts.slots == 0 and any(item.restartable and not item.at_version for item in late)
    waits = Reason.AWAITING_SLOT if queued else Reason.AWAITING_ROLLOUT
    reason = Reason.HELD_BY_PODS if stuck else waits
    reason = Reason.DEADLINE_PASSED if blocked else reason
    return Hold(retire.poll(facts, since), reason, moving.waiting(late), stalled=stuck, blocked=blocked)


def retire_old(facts: Facts) -> Decision | None:
    """Versions whose overlap clock runs are revoked when nothing speaks against it; then the rotation is over.

    But a token that is due is renewed first: the one before has ended, and harms nobody where it is.
    """
    leaving = _leaving(facts)
    following = _renewal(facts, leaving) if facts.spec.renews else None
    if isinstance(following, Act | Look):
        return following
    holds: list[Hold] = []
    for version in leaving:
        decision = retire.judge(version, facts)
        if not isinstance(decision, Hold):
            return decision
        holds.append(decision)
    if holds and facts.spec.renews:
        patient = all(retire.ends_by_itself(version, facts) for version in leaving)
        return _meanwhile(holds, following, patient=patient)
    if holds:
        return _late_joiners(facts) or _overdue(facts, holds[0])
    rotation = facts.status.rotation
    if rotation is None or rotation.step is Step.ROLLED_BACK:
        return _late_joiners(facts)
    return _stragglers(facts) or Act(Conclude(), "nothing of the rotation is left to do")


def _leaving(facts: Facts) -> list[Version]:
    """Return the versions whose overlap clock runs, or has run, and that are not to be kept."""
    old = ledger.retiring(facts.status)
    return [version for version in old if version.overlap_start_time is not None and not _kept(version, facts)]


def _renewal(facts: Facts, leaving: list[Version]) -> Decision | None:
    """A renewal is over when the token is current: the one before ends by itself, and the next may be due before."""
    rotation = facts.status.rotation
    if rotation is not None and rotation.step is Step.OVERLAP:
        return Act(Conclude(), f"version {facts.status.current_version} is current, and nobody is waited for")
    return start.rotate(facts) if leaving else None


def _meanwhile(holds: list[Hold], following: Hold | None, *, patient: bool) -> Hold:
    """A token is renewed whether or not the one before has ended; what ends by itself may be left until then."""
    if following is None:
        return holds[0]
    moments = [one.until for one in (*holds, following) if one.until is not None]
    hold = next((one for one in holds if one.blocked), holds[0])
    return replace(hold, until=min(moments, default=None), latest=following.until if patient else None)


def _overdue(facts: Facts, hold: Hold) -> Hold:
    """A rotation that is due and waits for an old version to go is said loudly (promises L1 and L2)."""
    if start.unanswered(facts, RequestReason.COMPROMISE) and (full := start.no_room(facts)):
        return replace(hold, stalled=True, message=f"{hold.message}; {full.message}"[:1000])
    begin = start.due_at(facts) if hold.blocked else None
    if begin is None:
        return hold
    if begin > facts.now:
        return replace(hold, until=min(begin, hold.until) if hold.until is not None else begin)
    return replace(hold, stalled=True, message=f"{hold.message}; the next rotation is due and waits for that"[:1000])


def _stragglers(facts: Facts) -> Decision | None:
    """After a forced revocation consumers are moved all the same, until all are or the next rotation is due."""
    rotation = facts.status.rotation
    if rotation is None or rotation.step is not Step.ROLLING_OUT or not facts.spec.consumers:
        return None
    gone = [version for version in facts.status.versions if version.compromised and version.forced]
    if gone and (wait := moving.caches(gone[-1], facts, Reason.AWAITING_CACHES)):
        return wait
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    progress = rollout.assess(facts)
    if item := rollout.next_restart(facts, progress):
        return moving.restart(facts, item)
    late = [item for item in progress if not item.moved]
    following = start.rotate(facts) if late else None
    if not late or isinstance(following, Act):
        return None
    if isinstance(following, Hold) and following.reason in health.PUT_OFF:
        return following  # it is due, and says why it does not begin
    return Hold(facts.now + facts.timing.slowest_poll, Reason.AWAITING_ROLLOUT, moving.waiting(late))


def _kept(version: Version, facts: Facts) -> bool:
    """Say whether the policy keeps the version once its overlap is over; a failed one is never kept."""
    end = retire.overlap_end(version, facts)
    policy = facts.spec.revocation_policy
    over = end is not None and facts.now >= end
    if version.rolled_back or retire.cut_short(version, facts) or retire.ends_by_itself(version, facts):
        return False
    return over and policy is not RevocationPolicy.AFTER_OVERLAP


def _late_joiners(facts: Facts) -> Decision | None:
    """A consumer that was declared after the others had moved is restarted too, if a pod of it is behind."""
    rotation = facts.status.rotation
    calm = rotation is None or rotation.step is Step.OVERLAP
    if not calm or not facts.spec.consumers or not ledger.retiring(facts.status):
        return None
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS) if facts.check else None
    progress = tuple(item for item in rollout.assess(facts) if item.entry.pods_behind)
    item = rollout.next_restart(facts, progress)
    return moving.restart(facts, item) if item is not None else None
