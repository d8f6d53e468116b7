"""How consumers are moved to the current version: who is behind, who is next, what has failed.

1. The first consumer is the canary: no other is restarted before it has moved.
2. At most `rollout.maxConcurrent` of this credential roll at a time, and no more than the shared limits leave.
3. A consumer that a person keeps from rolling (paused, OnDelete, partition) waits without failing, and gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rekey.core import gate, ledger
from rekey.core.facts import Facts, WorkloadView
from rekey.core.listing import few
from rekey.core.spec import Consumer, Refresh
from rekey.core.status import ConsumerStatus, Step, Version

WAITING = "not restarted:"


@dataclass(frozen=True, slots=True)
class Progress:
    """One consumer against the version it should use."""

    view: WorkloadView
    entry: ConsumerStatus
    restartable: bool
    at_version: bool
    moved: bool
    had_moved: bool = False


def entry_of(facts: Facts, view: WorkloadView) -> ConsumerStatus:
    """Return what the status remembers of the consumer."""
    key = (view.kind, view.name)
    known = next((entry for entry in facts.status.consumers if (entry.kind, entry.name) == key), None)
    return known or ConsumerStatus(kind=view.kind, name=view.name)


def declared(facts: Facts, view: WorkloadView) -> Consumer | None:
    """Return the declaration the workload was found by: by name, else by a selector of its kind."""
    named = [item for item in facts.spec.consumers if item.kind == view.kind]
    exact = next((item for item in named if item.name == view.name), None)
    return exact or next((item for item in named if item.selector is not None), None)


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
    item = declared(facts, view)
    restart = view.exists and view.restartable and (item is None or item.refresh is Refresh.RESTART)
    at_version = not restart or _at_version(facts, view, entry)
    # Once it had moved, a pod that is missing for a moment (a drained node, a larger scale) means nothing.
    had_moved = at_version and entry.moved is True and entry.wanted == facts.status.current_version
    settled = view.complete or not restart or had_moved
    arrived = at_version or given_up(facts, entry) or view.manual is not None
    moved = not view.exists or (settled and not behind and arrived)
    message = _message(view, behind, at_version=at_version, moved=moved)
    fresh = entry.model_copy(update={"moved": moved, "pods_behind": len(behind), "message": message})
    return Progress(view, fresh, restart and view.manual is None, at_version, moved, had_moved)


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


def given_up(facts: Facts, entry: ConsumerStatus) -> bool:
    """Say whether somebody put it back even after it had been written a second time: leave it to them."""
    return entry.reapplied is True and entry.wanted == facts.status.current_version


def _message(view: WorkloadView, behind: set[str], *, at_version: bool, moved: bool) -> str | None:
    if not view.exists:
        return "not found"
    parts = []
    if view.manual and not moved:
        parts.append(f"{WAITING} {view.manual}")
    elif not at_version:
        parts.append("not restarted yet")
    if not view.complete and view.progress:
        parts.append(view.progress)
    if behind:
        parts.append(f"may hold an older version: {few(sorted(behind))}")
    return "; ".join(parts)[:1024] or None


def condemned_by(facts: Facts, progress: tuple[Progress, ...]) -> Progress | None:
    """Return a consumer whose rollout of the current version has failed its deadline."""
    limit = facts.spec.rollout.progress_deadline
    for item in rolling(progress):
        started = item.entry.restarted_time
        if started is not None and item.entry.wanted and facts.now > started + limit:
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
    if rotation is None or rotation.step not in {Step.ROLLING_OUT, Step.ROLLING_BACK}:
        return 0
    limit = facts.spec.rollout.progress_deadline
    entries = [entry for entry in facts.status.consumers if entry.moved is False and entry.restarted_time is not None]
    return sum(1 for entry in entries if entry.restarted_time and facts.now <= entry.restarted_time + limit)


def next_restart(facts: Facts, progress: tuple[Progress, ...]) -> Progress | None:
    """Return the consumer to restart now, if one may be."""
    waiting = [item for item in progress if item.restartable and not item.at_version]
    if not waiting:
        return None
    first = next(item for item in progress if item.restartable)
    busy = len(rolling(progress))
    if first is not waiting[0] and first in rolling(progress):
        return None
    if busy >= min(facts.spec.rollout.max_concurrent, busy + facts.slots):
        return None
    return next((item for item in waiting if not given_up(facts, item.entry)), None)


def stuck(facts: Facts, late: Sequence[Progress]) -> bool:
    """Say whether pods are behind although every rollout is over, for longer than a rollout may take."""
    limit = facts.spec.rollout.progress_deadline
    started = [
        item.entry.restarted_time for item in late if item.restartable and item.at_version and item.view.complete
    ]
    return len(started) == len(late) and all(facts.now > at + limit for at in started if at is not None)


def reverted(facts: Facts, item: Progress) -> bool:
    """Say whether the template had named the current version already and was put back by somebody."""
    return item.entry.wanted == facts.status.current_version and item.view.annotation != str(item.entry.wanted)


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
