"""What is under way is finished: restarts, rollback, overlap, revocation, in that order of the protocol."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from rekey.core import gate, ledger, retire, rollout, schedule, start
from rekey.core.effects import (
    Act,
    Commit,
    Conclude,
    Condemn,
    Decision,
    Hold,
    Look,
    Reinstate,
    Restart,
    Revoke,
    StartOverlap,
)
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.rollout import Progress
from rekey.core.spec import OnFailure, RevocationPolicy, WindowPolicy
from rekey.core.status import MAX_CONSUMERS, Cause, State, Step, Version

SECOND = timedelta(seconds=1)


def revoke_committed(facts: Facts) -> Decision | None:
    """What was committed to revocation is revoked: there is no way back."""
    version = ledger.first(facts.status, State.REVOKING)
    if version is None:
        return None
    return Act(Revoke(version.number), f"version {version.number} is committed to revocation")


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
    if wait := _caches(failed, facts, Reason.ROLLING_BACK):
        return wait
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    progress = rollout.assess(facts)
    if item := rollout.to_undo(progress, failed.number):
        value = rollout.before(item, failed.number)
        return Act(Restart(item.view.kind, item.view.name, value), f"back from version {failed.number}")
    late = [item for item in progress if not item.moved]
    if not late:
        return Act(StartOverlap(failed.number, facts.now), "every consumer is back")
    since = failed.retire_time or facts.now
    stuck = facts.now > since + facts.spec.rollout.progress_deadline
    reason = Reason.ROLLBACK_BLOCKED if stuck else Reason.ROLLING_BACK
    return Hold(retire.poll(facts, since), reason, _waiting(late), stalled=stuck)


def _caches(left: Version, facts: Facts, reason: Reason) -> Hold | None:
    """No pod is restarted while it may still read the version it is to leave: nothing would restart it again."""
    lag = facts.timing.cache_lag
    if left.retire_time is None or gate.clear_of_caches(left, facts.now, lag):
        return None
    text = f"a pod that starts now may still read version {left.number} from a cache"
    return Hold(left.retire_time + lag + SECOND, reason, text)


def _waiting(late: list[Progress]) -> str:
    return "; ".join(f"{item.view.kind}/{item.view.name}: {item.entry.message}" for item in late)[:1000]


def roll_out(facts: Facts) -> Decision | None:
    """Consumers are moved to the current version; when the last has moved, the overlap clock starts."""
    old = ledger.to_leave(facts.status)
    if old is None or old.retire_time is None:
        return None
    if not facts.spec.consumers:
        begin = old.retire_time + facts.spec.overlap.propagation
        return Act(StartOverlap(old.number, begin), "there are no consumers to move")
    if wait := _caches(old, facts, Reason.AWAITING_CACHES):
        return wait
    published = old.retire_time + facts.spec.overlap.propagation
    if facts.now < published:
        return Hold(published, Reason.AWAITING_CACHES, "those who verify may not know the new version yet")
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    return _move(facts, old, old.retire_time)


def _move(facts: Facts, old: Version, since: datetime) -> Decision:
    progress = rollout.assess(facts)
    if len(progress) > MAX_CONSUMERS:
        text = f"spec.consumers: {len(progress)} workloads are matched, at most {MAX_CONSUMERS} are handled"
        return Hold(facts.now + facts.timing.retry, Reason.INVALID_SPEC, text, stalled=True)
    if failed := rollout.condemned_by(facts, progress):
        return _failed(facts, failed, since)
    if item := rollout.next_restart(facts, progress):
        return _restart(facts, item)
    late = [item for item in progress if not item.moved]
    if not late:
        return Act(StartOverlap(old.number, facts.now), "every consumer uses the current version")
    if retire.forced(old, facts) and retire.on_hold(facts) is None:
        return Act(Commit(old.number, forced=True), "overlap.deadline passed and atDeadline is Revoke")
    blocked = facts.now >= retire.deadline_of(old, facts)
    stuck = rollout.stuck(facts, late)
    queued = facts.slots == 0 and any(item.restartable and not item.at_version for item in late)
    waits = Reason.AWAITING_SLOT if queued else Reason.AWAITING_ROLLOUT
    reason = Reason.HELD_BY_PODS if stuck else waits
    reason = Reason.DEADLINE_PASSED if blocked else reason
    return Hold(retire.poll(facts, since), reason, _waiting(late), stalled=stuck, blocked=blocked)


def _failed(facts: Facts, item: Progress, since: datetime) -> Decision:
    current = facts.status.current_version or 0
    limit = facts.spec.rollout.progress_deadline
    text = (
        f"{item.view.kind}/{item.view.name} was not ready with version {current} within {limit}: {item.view.progress}"
    )
    # From what others know there is no way back.
    leaked = any(version.compromised for version in ledger.retiring(facts.status))
    if leaked or facts.spec.rollout.on_failure is OnFailure.HOLD:
        return Hold(retire.poll(facts, since), Reason.ROLLOUT_FAILED, text[:1000], stalled=True)
    tried = facts.status.rotation.attempts if facts.status.rotation else 1
    back_off = facts.timing.retry * 2 ** min(tried - 1, 5)
    return Act(Condemn(current, facts.now + back_off), text[:1000])


def _restart(facts: Facts, item: Progress) -> Decision:
    if (wait := _window(facts)) is not None:
        return wait
    again = rollout.reverted(facts, item)
    value = str(facts.status.current_version)
    return Act(Restart(item.view.kind, item.view.name, value, reapplied=again), f"move to version {value}")


def _window(facts: Facts) -> Hold | None:
    """Restarts wait for a window, unless the version that is to be left is about to get too old.

    A window that can no longer be understood holds up nothing that is under way.
    """
    rotation, now = facts.spec.rotation, facts.now
    if facts.problems or rotation.window_policy is not WindowPolicy.REQUIRE or schedule.window_open(rotation, now):
        return None
    ends = [version.expiration_time for version in ledger.retiring(facts.status) if version.expiration_time]
    if ends and now >= min(ends) - rotation.urgent_before:
        return None
    born = [version.activated_time for version in ledger.retiring(facts.status) if version.activated_time]
    if now >= schedule.urgent_at(rotation, min(born, default=now)) or _is_urgent(facts):
        return None
    return Hold(schedule.next_opening(rotation, now), Reason.AWAITING_WINDOW, "restarts wait for the next window")


def _is_urgent(facts: Facts) -> bool:
    """Say whether the rotation under way replaces what others know."""
    return facts.status.rotation is not None and facts.status.rotation.cause is Cause.COMPROMISE


def retire_old(facts: Facts) -> Decision | None:
    """Versions whose overlap clock runs are revoked when nothing speaks against it; then the rotation is over."""
    holds: list[Hold] = []
    for version in ledger.retiring(facts.status):
        if version.overlap_start_time is None or _kept(version, facts):
            continue
        decision = retire.judge(version, facts)
        if not isinstance(decision, Hold):
            return decision
        holds.append(decision)
    if holds:
        return _late_joiners(facts) or _overdue(facts, holds[0])
    rotation = facts.status.rotation
    if rotation is None or rotation.step is Step.ROLLED_BACK:
        return _late_joiners(facts)
    return _stragglers(facts) or Act(Conclude(), "nothing of the rotation is left to do")


def _overdue(facts: Facts, hold: Hold) -> Hold:
    """A rotation that is due and waits for an old version to go is said loudly (promises L1 and L2)."""
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
    if gone and (wait := _caches(gone[-1], facts, Reason.AWAITING_CACHES)):
        return wait
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    progress = rollout.assess(facts)
    if item := rollout.next_restart(facts, progress):
        return _restart(facts, item)
    late = [item for item in progress if not item.moved]
    if not late or isinstance(start.rotate(facts), Act):
        return None
    return Hold(facts.now + facts.timing.slowest_poll, Reason.AWAITING_ROLLOUT, _waiting(late))


def _kept(version: Version, facts: Facts) -> bool:
    """Say whether the policy keeps the version once its overlap is over; a failed one is never kept."""
    end = retire.overlap_end(version, facts)
    policy = facts.spec.revocation_policy
    over = end is not None and facts.now >= end
    if version.rolled_back or retire.cut_short(version, facts):
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
    return _restart(facts, item) if item is not None else None
