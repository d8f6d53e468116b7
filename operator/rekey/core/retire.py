"""When a version that is no longer current may be revoked.

It needs all of: a successor that is active and proved; the overlap over; no hold and a policy that allows it; an
uncached look in which no pod can hold it; and with `spec.usage` an answer that nobody used it of late. Time alone never
revokes, except past `overlap.deadline` with `atDeadline: Revoke`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rekey.core import duration, gate, ledger
from rekey.core.answer import AnswerState
from rekey.core.effects import Act, Commit, Decision, Hold, Look, What
from rekey.core.facts import Facts, InUse
from rekey.core.listing import few
from rekey.core.reasons import Reason
from rekey.core.spec import AtDeadline, RevocationPolicy
from rekey.core.spec_request import RequestReason
from rekey.core.status import Version

USERS = frozenset({What.PODS, What.WORKLOADS})


def overlap_of(facts: Facts) -> timedelta:
    """Return the overlap in force: as pinned when the rotation started, or longer if the spec says so now."""
    rotation = facts.status.rotation
    pinned: dict[str, Any] = (rotation.spec if rotation else None) or {}
    then = duration.parse(pinned["overlap"]) if "overlap" in pinned else timedelta(0)
    return max(then, facts.spec.overlap.duration)


def overlap_end(version: Version, facts: Facts) -> datetime | None:
    """Return until when the version is accepted at least; None while its overlap has not started."""
    start = version.overlap_start_time
    if start and ends_by_itself(version, facts):
        return version.expiration_time
    return start and (start if cut_short(version, facts) else start + overlap_of(facts))


def ends_by_itself(version: Version, facts: Facts) -> bool:
    """Say whether nothing needs to be done for the version to end: it was renewed, and has its own expiry."""
    return facts.spec.renews and version.expiration_time is not None and not cut_short(version, facts)


def left_at(version: Version, facts: Facts) -> datetime:
    """Return from when the overlap of a version is counted that the last consumer leaves now.

    What was made with it, such as a signed token, is still under way to verifiers: they are given the time to see it.
    """
    if facts.spec.verifier is None or cut_short(version, facts):
        return facts.now
    return facts.now + facts.spec.overlap.propagation


def cut_short(version: Version, facts: Facts) -> bool:
    """Say whether a person asked for the end of this version's overlap: it is compromised, or a request names it."""
    if version.compromised is not None:
        return True
    if not facts.demands:
        return False
    wanted = {item.uid for item in facts.demands if not item.settled and item.version == version.number}
    return any(
        item.uid in wanted and item.reason is RequestReason.REVOKE and item.state is AnswerState.RUNNING
        for item in facts.status.requests
    )


def deadline_of(version: Version, facts: Facts) -> datetime:
    """Return when `overlap.atDeadline` applies: counted from the activation of the successor."""
    return (version.retire_time or facts.now) + facts.spec.overlap.deadline


def poll(facts: Facts, since: datetime) -> datetime:
    """Return when to look again at something that has been waited for since then: rarer as it takes longer."""
    waited = (facts.now - since) / 10
    return facts.now + min(max(facts.timing.poll, waited), facts.timing.slowest_poll)


def forced(version: Version, facts: Facts) -> bool:
    """Say whether the deadline has passed and the spec wants the version revoked all the same.

    A policy that keeps old versions is the stronger word, but for a version that failed: it is never kept.
    """
    wished = facts.spec.overlap.at_deadline is AtDeadline.REVOKE and facts.now >= deadline_of(version, facts)
    going = version.rolled_back or cut_short(version, facts)
    kept = facts.spec.revocation_policy is not RevocationPolicy.AFTER_OVERLAP and not going
    return wished and not kept


def on_hold(facts: Facts) -> Hold | None:
    """Return what keeps every version of this credential for a time: a hold."""
    hold = facts.spec.hold
    if hold is not None and hold.until > facts.now:
        return Hold(hold.until, Reason.ON_HOLD, f"on hold until {hold.until:%F %T}Z: {hold.reason}", blocked=True)
    return None


def judge(version: Version, facts: Facts) -> Decision:
    """Return what is next for a version whose overlap clock runs, or whose deadline has passed."""
    ended = version.expiration_time is not None and facts.now >= version.expiration_time
    if ends_by_itself(version, facts) or (facts.spec.renews and ended):
        return _by_itself(version, facts)
    if held := on_hold(facts):
        return held
    if forced(version, facts):
        message = f"version {version.number} is revoked: overlap.deadline passed and atDeadline is Revoke"
        return Act(Commit(version.number, forced=True), message)
    end = overlap_end(version, facts)
    if end is None or facts.now < end:
        ahead = [moment for moment in (end, deadline_of(version, facts)) if moment is not None and moment > facts.now]
        until = min(ahead)
        return Hold(until, Reason.OVERLAP_OPEN, f"version {version.number} is accepted until {until:%F %T}Z at least")
    if not gate.clear_of_caches(version, facts.now, facts.timing.cache_lag):
        return Hold(facts.now + facts.timing.poll, Reason.OVERLAP_OPEN, "caches of starting pods may still lag")
    if facts.pods is None or facts.workloads is None:
        return Look(USERS)
    return _by_holders(version, facts, end)


def _by_itself(version: Version, facts: Facts) -> Decision:
    """Return what is next for a version that ends whatever anybody wants: no hold and no gate would keep it."""
    end = version.expiration_time or facts.now
    if facts.now < end:
        return Hold(end, Reason.OVERLAP_OPEN, f"version {version.number} is good until it ends by itself, {end:%F %T}Z")
    return Act(Commit(version.number), f"version {version.number} has ended by itself")


def _by_holders(version: Version, facts: Facts, end: datetime) -> Decision:
    found = gate.holders(version, facts)
    if not found:
        return _by_usage(version, facts, end)
    late = facts.now >= deadline_of(version, facts)
    reason = Reason.DEADLINE_PASSED if late else Reason.HELD_BY_PODS
    message = f"version {version.number} may still be held by {few(found)}"
    return Hold(poll(facts, end), reason, message, blocked=True)


def _by_usage(version: Version, facts: Facts, end: datetime) -> Decision:
    """Return what is next for a version that no pod can hold."""
    commit = Act(Commit(version.number), f"the overlap of version {version.number} is over and no pod can hold it")
    if not is_gated(version, facts):
        return commit
    if facts.usage is None or version.number not in facts.usage:
        return Look(frozenset({What.USAGE}))
    seen = facts.usage[version.number]
    if seen.in_use is InUse.NO:
        return commit
    reason, what = _USED[seen.in_use]
    if facts.now >= deadline_of(version, facts):
        reason = Reason.DEADLINE_PASSED
    # Whoever counts uses is asked less often than the cluster: each pause is as long as all before together.
    pause = min(max(facts.timing.poll, facts.now - end), facts.timing.slowest_probe)
    return Hold(facts.now + pause, reason, f"version {version.number} {what}: {seen.said}"[:1000], blocked=True)


_USED = {
    InUse.YES: (Reason.IN_USE, "is still in use"),
    InUse.UNKNOWN: (Reason.USAGE_UNKNOWN, "may still be in use"),
}


def is_gated(version: Version, facts: Facts) -> bool:
    """Say whether `spec.usage` has a say; not of one that others know: who uses it may be the one who must not."""
    return facts.spec.usage is not None and version.compromised is None


def asked_about(facts: Facts) -> tuple[Version, ...]:
    """Return the versions that somebody is asked about: their overlap is over, and `spec.usage` has a say."""
    ends = ((version, overlap_end(version, facts)) for version in ledger.retiring(facts.status))
    return tuple(one for one, end in ends if end is not None and end <= facts.now and is_gated(one, facts))
