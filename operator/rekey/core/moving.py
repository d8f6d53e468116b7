"""How one consumer is moved, or given up: what rollouts of clients and of verifiers have in common."""

from __future__ import annotations

from datetime import datetime, timedelta

from rekey.core import gate, ledger, retire, rollout, schedule
from rekey.core.effects import Act, Condemn, Decision, Hold, Restart
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.rollout import Progress
from rekey.core.spec import OnFailure, WindowPolicy
from rekey.core.status import Cause, Version

SECOND = timedelta(seconds=1)


def caches(left: Version, facts: Facts, reason: Reason) -> Hold | None:
    """No pod is restarted while it may still read the version it is to leave: nothing would restart it again."""
    lag = facts.timing.cache_lag
    if left.retire_time is None or gate.clear_of_caches(left, facts.now, lag):
        return None
    text = f"a pod that starts now may still read version {left.number} from a cache"
    return Hold(left.retire_time + lag + SECOND, reason, text)


def waiting(late: list[Progress]) -> str:
    """Return what these consumers wait for."""
    return "; ".join(f"{item.view.kind}/{item.view.name}: {item.entry.message}" for item in late)[:1000]


def failed(facts: Facts, item: Progress, since: datetime, *, final: bool) -> Decision:
    """Return what becomes of a version with which a consumer did not get or stay ready; `final`: no way back."""
    limit = facts.spec.rollout.progress_deadline
    what = f"was not ready with version {item.number} within {limit}"
    if item.entry.healthy is False:
        what = f"did not stay healthy with version {item.number} for {facts.spec.health.settle}"
    text = f"{item.view.kind}/{item.view.name} {what}: {item.view.progress}"
    if final or facts.spec.rollout.on_failure is OnFailure.HOLD or item.number is None:
        return Hold(retire.poll(facts, since), Reason.ROLLOUT_FAILED, text[:1000], stalled=True)
    tried = facts.status.rotation.attempts if facts.status.rotation else 1
    back_off = facts.timing.retry * 2 ** min(tried - 1, 5)
    return Act(Condemn(item.number, facts.now + back_off), text[:1000])


def restart(facts: Facts, item: Progress) -> Decision:
    """Return the restart of a consumer, or the window that it waits for."""
    if (wait := _window(facts)) is not None:
        return wait
    again = rollout.reverted(item)
    return Act(
        Restart(item.view.kind, item.view.name, str(item.number), reapplied=again), f"move to version {item.number}"
    )


def back(item: Progress, number: int) -> Decision:
    """Return the restart that puts a consumer's template back to what it was before the failed version."""
    return Act(Restart(item.view.kind, item.view.name, rollout.before(item, number)), f"back from version {number}")


def _window(facts: Facts) -> Hold | None:
    """Restarts wait for a window, unless the version that is to be left is about to get too old.

    A window that can no longer be understood holds up nothing that is under way.
    """
    rotation, now = facts.spec.rotation, facts.now
    if facts.problems or rotation.window_policy is not WindowPolicy.REQUIRE or schedule.window_open(rotation, now):
        return None
    left = ledger.retiring(facts.status) if ledger.pending(facts.status) is None else (ledger.active(facts.status),)
    ends = [version.expiration_time for version in left if version is not None and version.expiration_time]
    if ends and now >= min(ends) - rotation.urgent_before:
        return None
    born = [version.activated_time for version in left if version is not None and version.activated_time]
    if now >= schedule.urgent_at(rotation, min(born, default=now)) or _is_urgent(facts):
        return None
    return Hold(schedule.next_opening(rotation, now), Reason.AWAITING_WINDOW, "restarts wait for the next window")


def _is_urgent(facts: Facts) -> bool:
    """Say whether the rotation under way replaces what others know."""
    return facts.status.rotation is not None and facts.status.rotation.cause is Cause.COMPROMISE
