"""How consumers are moved to the current version: who is behind, who is next, what has failed.

1. The first consumer is the canary: no other is restarted before it has moved. Verifiers have a canary of their own.
2. At most `rollout.maxConcurrent` of this credential roll at a time, and no more than the shared limits leave.
3. A consumer that a person keeps from rolling (paused, OnDelete, partition) waits without failing, and gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rekey.core import gate, ledger
from rekey.core.facts import Facts, WorkloadView
from rekey.core.listing import few
from rekey.core.record import ceil
from rekey.core.spec import Refresh
from rekey.core.status import ConsumerStatus, State, Step, Version

WAITING = "not restarted:"
_MOVING = frozenset({Step.PUBLISHING, Step.VALIDATING, Step.ROLLING_OUT, Step.ROLLING_BACK})


@dataclass(frozen=True, slots=True)
class Progress:
    """One consumer against the version it should use, or know if it verifies."""

    view: WorkloadView
    entry: ConsumerStatus
    restartable: bool
    at_version: bool
    moved: bool
    had_moved: bool = False
    number: int | None = None
    verifies: bool = False


def entry_of(facts: Facts, view: WorkloadView) -> ConsumerStatus:
    """Return what the status remembers of the consumer."""
    key = (view.kind, view.name)
    known = next((entry for entry in facts.status.consumers if (entry.kind, entry.name) == key), None)
    return known or ConsumerStatus(kind=view.kind, name=view.name)


def older(facts: Facts) -> tuple[Version, ...]:
    """Return the versions that consumers must leave: accepted but not current ones, and what was revoked by force."""
    return (*ledger.retiring(facts.status), *(version for version in facts.status.versions if version.forced))


def assess(facts: Facts) -> tuple[Progress, ...]:
    """Return how far every declared consumer is; pods and workloads must have been looked at."""
    behind: dict[tuple[str, str], set[str]] = {}
    for version in older(facts):
        for holder in gate.holders(version, facts):
            if holder.consumer:
                behind.setdefault(holder.consumer, set()).add(holder.pod)
    return tuple(_assess(facts, view, behind.get((view.kind, view.name), set())) for view in facts.workloads or ())


def _assess(facts: Facts, view: WorkloadView, behind: set[str]) -> Progress:
    entry = entry_of(facts, view)
    item = gate.declared(facts, view)
    restart = view.exists and view.restartable and (item is None or item.refresh is Refresh.RESTART)
    number, verifies = facts.status.current_version, gate.verifies(facts, view)
    if verifies:
        number, behind, knows = _verifier(facts, view, entry, restart=restart)
    else:
        knows = _at_version(facts, view, entry)
    at_version = not restart or knows
    # Once it had moved, a pod that is missing for a moment (a drained node, a larger scale) means nothing.
    had_moved = at_version and entry.moved is True and entry.wanted == number
    settled = view.complete or not restart or had_moved
    arrived = at_version or given_up(entry, number) or view.manual is not None
    moved = not view.exists or (settled and not behind and arrived)
    restartable = restart and view.manual is None
    healthy = (view.complete or not restartable) if moved and view.exists else None
    known = {"moved": moved, "pods_behind": len(behind), **_health(facts, entry, healthy)}
    # Nobody looks again at one that has moved: what is said of a passing moment would stand for ever.
    awaited = not moved or known.get("healthy") is False
    known["message"] = _message(view, behind, at_version=at_version, awaited=awaited, verifies=verifies)
    fresh = entry.model_copy(update=known)
    return Progress(view, fresh, restartable, at_version, moved, had_moved, number, verifies)


def _health(facts: Facts, entry: ConsumerStatus, healthy: bool | None) -> dict[str, object]:  # noqa: FBT001  a fact
    """Return since when a consumer that has moved is healthy, or is not; a version that is taken back says why."""
    step = facts.status.rotation.step if facts.status.rotation else None
    if step is Step.ROLLING_BACK:
        return {}
    if not facts.spec.health.settle or step is not Step.ROLLING_OUT or healthy is None:
        return {"healthy": None, "health_time": None}
    return {"healthy": healthy, "health_time": entry.health_time if entry.healthy is healthy else ceil(facts.now)}


def told(facts: Facts) -> Version | None:
    """Return the version that verifiers must know: the one that is to become current, else the one that is."""
    return ledger.first(facts.status, State.PUBLISHED) or ledger.active(facts.status)


def _verifier(
    facts: Facts, view: WorkloadView, entry: ConsumerStatus, *, restart: bool
) -> tuple[int | None, set[str], bool]:
    """Return which version a verifier must know, which of its pods may not, and whether it was restarted for that.

    One that was restarted for a later version knows this one too, and so does one whose pods all started after
    version 1 was published. What was published before there was a verifier is known to none by a restart.
    """
    version = told(facts)
    if version is None or version.published_time is None:
        return None, set(), True
    number = version.number
    if version.rolled_back:
        return number, set(), view.annotation != str(number)
    behind = gate.unaware(version, view, facts) if restart else set()
    moved = view.annotation == str(number) and entry.wanted == number
    return number, behind, moved or (not behind and (number == 1 or (entry.wanted or 0) > number))


def _at_version(facts: Facts, view: WorkloadView, entry: ConsumerStatus) -> bool:
    """Say whether the pod template says what it should, and the status knows that we wrote it.

    After a failed rollout: anything but the failed version. Version 1 is never written: a template without the
    annotation means the version at adoption.
    """
    failed = {str(version.number) for version in older(facts) if version.rolled_back}
    current = facts.status.current_version
    if failed:
        return view.annotation not in failed
    return current in {None, 1} or (view.annotation == str(current) and entry.wanted == current)


def given_up(entry: ConsumerStatus, number: int | None) -> bool:
    """Say whether somebody put it back even after it had been written a second time: leave it to them."""
    return entry.reapplied is True and entry.wanted == number


def _message(view: WorkloadView, behind: set[str], *, at_version: bool, awaited: bool, verifies: bool) -> str | None:
    if not view.exists:
        return "not found"
    parts = []
    if view.manual and awaited:
        parts.append(f"{WAITING} {view.manual}")
    elif not at_version:
        parts.append("not restarted yet")
    if awaited and not view.complete and view.progress:
        parts.append(view.progress)
    names = few(sorted(behind))
    if behind:
        parts.append(f"{'may not know the version yet' if verifies else 'may hold an older version'}: {names}")
    return "; ".join(parts)[:1024] or None


def condemned_by(facts: Facts, progress: tuple[Progress, ...]) -> Progress | None:
    """Return a consumer whose rollout of the current version has failed its deadline."""
    limit = facts.spec.rollout.progress_deadline
    for item in rolling(progress):
        started = item.entry.restarted_time
        if started is not None and item.entry.wanted and facts.now > max(started, facts.answering or started) + limit:
            return item
    return None


def rolling(progress: tuple[Progress, ...]) -> tuple[Progress, ...]:
    """Return the consumers whose rolling restart is in progress."""
    return tuple(
        item
        for item in progress
        if item.restartable and item.at_version and not item.view.complete and not item.had_moved
    )


def in_progress(facts: Facts) -> int:
    """Return how many of the shared slots are in use here: rollouts under way that have not overrun their time."""
    rotation = facts.status.rotation
    if rotation is None or rotation.step not in _MOVING:
        return 0
    limit = facts.spec.rollout.progress_deadline
    entries = [entry for entry in facts.status.consumers if entry.moved is False and entry.restarted_time is not None]
    return sum(1 for entry in entries if entry.restarted_time and facts.now <= entry.restarted_time + limit)


def next_restart(facts: Facts, progress: tuple[Progress, ...]) -> Progress | None:
    """Return the consumer to restart now, if one may be."""
    waiting = [item for item in progress if item.restartable and not item.at_version]
    if not waiting:
        return None
    first = next(item for item in progress if item.restartable and item.verifies is waiting[0].verifies)
    busy = len(rolling(progress))
    if first is not waiting[0] and first in rolling(progress):
        return None
    if busy >= min(facts.spec.rollout.max_concurrent, busy + facts.slots):
        return None
    return next((item for item in waiting if not given_up(item.entry, item.number)), None)


def stuck(facts: Facts, late: Sequence[Progress]) -> bool:
    """Say whether pods are behind although every rollout is over, for longer than a rollout may take."""
    limit = facts.spec.rollout.progress_deadline
    started = [
        item.entry.restarted_time for item in late if item.restartable and item.at_version and item.view.complete
    ]
    return len(started) == len(late) and all(facts.now > at + limit for at in started if at is not None)


def reverted(item: Progress) -> bool:
    """Say whether the template had named its version already and was put back by somebody."""
    return item.entry.wanted == item.number and item.view.annotation != str(item.entry.wanted)


def before(item: Progress, number: int) -> str | None:
    """Return what the template named before `number` was written, for an exact rollback.

    A crash may have come between the write and its record: then the last recorded value is what was there.
    """
    if item.entry.wanted == number:
        return item.entry.replaced
    return str(item.entry.wanted) if item.entry.wanted else None


def to_undo(progress: tuple[Progress, ...], failed: int) -> Progress | None:
    """Return a consumer that still names the failed version and must name what it named before.

    One that names that already, but of which the record says otherwise (a crash came between), is written once more:
    nothing changes but the record. Once is enough: an annotation that stays is somebody else's too, and no write of
    ours takes it away.
    """
    return next((item for item in progress if item.view.exists and _not_undone(item, failed)), None)


def _not_undone(item: Progress, failed: int) -> bool:
    entry, named = item.entry, item.view.annotation
    if named == str(failed):
        return entry.wanted == failed or entry.replaced != named
    return entry.wanted == failed and named == entry.replaced
