"""What a rotation waits for: another credential and healthy consumers before it, and consumers that stay so after it.

1. Only what is routine waits. A Compromise, a first version and a version that is about to expire do not; that they did
   not is said in an Event.
2. A version that never expires waits as long as it takes: it does no harm, and a rollout to sick consumers would only
   be taken back. From when it is older than it should be the credential is Stalled.
3. A consumer that was healthy with the new version may be away for a moment (a drained node, another scale). It has
   failed when it is away for as long as it should have stayed, or keeps coming and going.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from rekey.core import gate, ledger, retire, schedule, staging
from rekey.core.effects import Hold
from rekey.core.facts import Facts, WorkloadView
from rekey.core.listing import few
from rekey.core.reasons import Reason
from rekey.core.rollout import Progress
from rekey.core.schedule import Start, StartReason
from rekey.core.spec import ConsumerHealth, Refresh
from rekey.core.status import Version

POSTPONED: Final = "Postponed"
PUT_OFF: Final = frozenset({Reason.AWAITING_STAGING, Reason.CONSUMERS_UNHEALTHY})
"""Why a rotation that is due does not begin."""
LONGEST: Final = timedelta(minutes=5)
"""How often whoever is waited for is looked at, however long it takes."""


def postponed(facts: Facts, active: Version) -> Hold | None:
    """Return what a routine rotation that is due waits for; None: nothing, as far as was looked.

    Whoever begins one looks at the consumers in any case, and then asks again.
    """
    end = _patience(facts, active)
    if not _asked(facts) or (end is not None and facts.now >= end):
        return None
    found = obstacle(facts)
    if found is None:
        return None
    reason, text = found
    overdue = _due(facts, active) + facts.spec.rollout.progress_deadline
    stalled = reason is Reason.INVALID_SPEC or facts.now > overdue
    moments = [_again(facts), *(at for at in (end, overdue) if at is not None and at > facts.now)]
    if end is not None:
        text = f"{text}; as version {active.number} expires, it begins {end:%F %T}Z all the same"
    return Hold(min(moments), reason, f"the next rotation waits: {text}"[:1000], stalled=stalled)


def obstacle(facts: Facts) -> tuple[Reason, str] | None:
    """Return what speaks against a rotation now, as far as was looked; None: nothing."""
    if text := staging.fault(facts):
        return Reason.INVALID_SPEC, text
    if text := staging.lacks(facts, facts.status.last_rotation_time):
        return Reason.AWAITING_STAGING, text
    sick = [f"{view.kind}/{view.name} ({view.progress})" for view in facts.workloads or () if _is_sick(facts, view)]
    if _requires(facts) and sick:
        return Reason.CONSUMERS_UNHEALTHY, f"not healthy: {few(sick)}"
    return None


def _requires(facts: Facts) -> bool:
    return facts.spec.health.consumers is ConsumerHealth.REQUIRED


def _asked(facts: Facts) -> bool:
    return _requires(facts) or facts.spec.health.after is not None


def _is_sick(facts: Facts, view: WorkloadView) -> bool:
    """Say whether a consumer that would be restarted is not healthy; one that a person keeps still is theirs."""
    item = gate.declared(facts, view)
    restarted = view.restartable and view.manual is None and (item is None or item.refresh is Refresh.RESTART)
    return view.exists and restarted and not view.complete


def _due(facts: Facts, active: Version) -> datetime:
    """Return from when on the version is older than it should be."""
    rotation = facts.spec.rotation.model_copy(update={"jitter_percent": 0})
    return schedule.due(rotation, ledger.rotated(facts.status, active, facts.now), "")


def _patience(facts: Facts, active: Version) -> datetime | None:
    """Return when nothing is waited for any more: as it is said that the version expires, or its overlap must begin."""
    if active.expiration_time is None:
        return None
    last = ledger.rotated(facts.status, active, facts.now)
    warned = schedule.expiring_at(facts.spec, last, active.expiration_time, f"{facts.credential.uid}:{active.number}")
    return schedule.in_time(Start(warned, StartReason.EXPIRES), facts.spec, active.expiration_time).at


def _again(facts: Facts) -> datetime:
    """Return when to look again: rarer as it takes longer."""
    found = next((one for one in facts.status.conditions if one.type == POSTPONED and one.status == "True"), None)
    waited = facts.now - found.last_transition_time if found is not None else timedelta(0)
    return facts.now + min(max(facts.timing.poll, waited / 10), LONGEST)


def verdict(facts: Facts, hold: Hold) -> tuple[bool, Reason, str] | None:
    """Return whether a rotation is postponed, or could never begin, and why; None if nothing is to be waited for."""
    if not _asked(facts):
        return None
    if hold.reason in PUT_OFF:
        return True, hold.reason, hold.message
    if text := staging.fault(facts):
        return True, Reason.INVALID_SPEC, text
    return False, Reason.NONE, ""


def next_look(facts: Facts) -> datetime | None:
    """Return when to see whether the other credential is there now: nothing tells when one is made."""
    return facts.now + LONGEST if staging.fault(facts) else None


def failed(facts: Facts, progress: tuple[Progress, ...]) -> Progress | None:
    """Return a consumer that had moved and did not stay healthy."""
    settle, limit = facts.spec.health.settle, facts.spec.rollout.progress_deadline
    restarts = [item.entry.restarted_time for item in progress if item.entry.restarted_time is not None]
    # Verifiers are restarted long before clients are: before what the version waited for until it was shown.
    shown = [one.retire_time for one in ledger.retiring(facts.status) if one.retire_time and not one.overlap_start_time]
    last_chance = max([*restarts, *shown], default=facts.now) + limit + settle
    for item in progress:
        since = item.entry.health_time if item.entry.healthy is False else None
        if since is not None and (facts.now >= since + min(settle, limit) or facts.now > last_chance):
            return item
    return None


def settling(facts: Facts, progress: tuple[Progress, ...]) -> Hold | None:
    """Return until when consumers that have all moved must stay healthy; None when they have."""
    times = [item.entry.health_time for item in progress if item.entry.health_time is not None]
    if not times:
        return None
    since, settle = max(times), facts.spec.health.settle
    sick = [item for item in progress if item.entry.healthy is False]
    if sick:
        text = "; ".join(f"{item.view.kind}/{item.view.name}: {item.entry.message}" for item in sick)
        return Hold(retire.poll(facts, since), Reason.SETTLING, f"not healthy any more: {text}"[:1000])
    if facts.now >= since + settle:
        return None
    text = f"every consumer has moved; they must stay healthy until {since + settle:%F %T}Z"
    return Hold(min(retire.poll(facts, since), since + settle), Reason.SETTLING, text)


def must_settle(facts: Facts, old: Version) -> bool:
    """Say whether consumers are watched after they have moved; nobody is kept waiting for what others know to go."""
    return bool(facts.spec.health.settle) and not retire.cut_short(old, facts)


def despite(facts: Facts) -> str | None:
    """Return what a rotation that begins now does not wait for although it was asked to; None: nothing."""
    if not _asked(facts) or ledger.active(facts.status) is None:
        return None
    found = obstacle(facts)
    return None if found is None else found[1]
