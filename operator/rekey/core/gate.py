"""Which pods may still hold a version: the gate before every revocation.

1. A container takes environment and subPath values once, when it starts; what it read is at most `cache_lag`
   older than that start. So it holds what the bundle showed in [start - cache_lag, start].
2. A plain volume is renewed by the kubelet: the old value counts as held for `propagation` after the bundle changed.
   A container that restarts in a pod older than the change takes its subPath values from that volume.
3. A container that has yet to start reads what the bundle shows then, again at most `cache_lag` old.
4. Every pod counts that has not ended: declared or not, of a Job or bare, terminating ones too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rekey.core.facts import Facts, How, PodView, Reference, WorkloadView
from rekey.core.spec import Consumer, Refresh, Role
from rekey.core.status import Version

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """A pod that may hold a version, and the consumer it belongs to (None: undeclared)."""

    pod: str
    consumer: tuple[str, str] | None
    terminating: bool

    def __str__(self) -> str:
        """Return the pod for a condition's message."""
        owner = f" of {self.consumer[0]}/{self.consumer[1]}" if self.consumer else " (undeclared)"
        return f"pod {self.pod}{owner}{', terminating' if self.terminating else ''}"


def target_name(facts: Facts) -> str:
    """Return the name of the bundle."""
    return facts.spec.target.secret_name or facts.credential.key.name


def belongs(pod: PodView, workload: WorkloadView) -> bool:
    """Say whether the pod is one of the workload's, by owner for Jobs, else by the workload's selector."""
    if workload.kind == "Job":
        return pod.owner == ("Job", workload.name)
    if workload.kind == "CronJob":
        return pod.owner is not None and pod.owner[0] == "Job" and pod.owner[1].startswith(f"{workload.name}-")
    if not workload.match_labels and not workload.match_expressions:
        return False
    return all(pod.labels.get(key) == value for key, value in workload.match_labels.items()) and all(
        _expression(pod, *expression) for expression in workload.match_expressions
    )


def _expression(pod: PodView, key: str, operator: str, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return pod.labels.get(key) in values
        case "NotIn":
            return pod.labels.get(key) not in values
        case "Exists":
            return key in pod.labels
        case _:
            return key not in pod.labels


def declared(facts: Facts, view: WorkloadView) -> Consumer | None:
    """Return the declaration the workload was found by: by name, else by a selector of its kind."""
    named = [item for item in facts.spec.consumers if item.kind == view.kind]
    exact = next((item for item in named if item.name == view.name), None)
    return exact or next((item for item in named if item.selector is not None), None)


def verifies(facts: Facts, view: WorkloadView) -> bool:
    """Say whether the workload checks the credential instead of using it."""
    item = declared(facts, view)
    return item is not None and item.role is Role.VERIFIER


def consumer_of(pod: PodView, workloads: Iterable[WorkloadView]) -> WorkloadView | None:
    """Return the declared consumer the pod belongs to."""
    return next((workload for workload in workloads if belongs(pod, workload)), None)


def may_hold(pod: PodView, version: Version, bundle: str, uses: frozenset[Reference], facts: Facts) -> bool:
    """Say whether the pod may hold a version that is no longer current.

    `uses` are the pod's references, and what a declared consumer without any is taken to have.
    """
    if any(reference.secret == version.secret_name for reference in uses):
        return True
    ways = {reference.how for reference in uses if reference.secret == bundle}
    if not ways:
        return False
    retired = version.retire_time or facts.now
    lag = facts.timing.cache_lag
    if How.SNAPSHOT in ways and _took(pod, version, retired + lag, facts.now):
        return True
    # A container that restarts in an old pod finds the pod's volume as it is on disk, which the kubelet renews late.
    fresh = pod.born is not None and pod.born > retired + lag
    if How.SUBPATH in ways and _took(pod, version, retired + (lag if fresh else facts.timing.propagation), facts.now):
        return True
    if How.VOLUME in ways and facts.now < retired + facts.timing.propagation:
        return _will_take(pod, retired + lag, facts.now) or any(start <= retired + lag for start in pod.starts)
    return False


def _took(pod: PodView, version: Version, until: datetime, now: datetime) -> bool:
    """Say whether a container started, or may yet start, while the version could be read.

    Since when an adopted version was shown nobody knows.
    """
    since = version.activated_time
    read = any(start <= until and (since is None or start + SECOND >= since) for start in pod.starts)
    unclear = pod.unclear and (pod.born is None or pod.born <= until)
    return read or unclear or _will_take(pod, until, now)


def _will_take(pod: PodView, until: datetime, now: datetime) -> bool:
    return pod.pending and now <= until


def uses_of(pod: PodView, workload: WorkloadView | None, bundle: str, facts: Facts) -> frozenset[Reference]:
    """Return how the pod uses our Secrets; a declared client is a user even if no reference shows it."""
    ours = {bundle, *(version.secret_name for version in facts.status.versions)}
    found = frozenset(reference for reference in pod.references if reference.secret in ours)
    if found or workload is None or verifies(facts, workload):
        return found
    hot = any(
        consumer.refresh is Refresh.NONE and consumer.kind == workload.kind and consumer.name in {None, workload.name}
        for consumer in facts.spec.consumers
    )
    return frozenset({Reference(bundle, How.VOLUME if hot else How.SNAPSHOT)})


def holders(version: Version, facts: Facts) -> tuple[Holder, ...]:
    """Return every pod that may hold the version; pods and workloads must have been looked at."""
    bundle = target_name(facts)
    found = []
    for pod in facts.pods or ():
        workload = consumer_of(pod, facts.workloads or ())
        uses = uses_of(pod, workload, bundle, facts)
        if uses and may_hold(pod, version, bundle, uses, facts):
            consumer = (workload.kind, workload.name) if workload else None
            found.append(Holder(pod.name, consumer, pod.terminating))
    return tuple(found)


def unaware(version: Version, workload: WorkloadView, facts: Facts) -> set[str]:
    """Return the pods of a verifier that may have read its Secret before the version was in it."""
    if version.published_time is None:
        return set()
    until = version.published_time + facts.timing.cache_lag
    return {pod.name for pod in facts.pods or () if belongs(pod, workload) and _read(pod, until)}


def _read(pod: PodView, until: datetime) -> bool:
    """Say whether a container started, or may have started, by then."""
    return any(start <= until for start in pod.starts) or (pod.unclear and (pod.born is None or pod.born <= until))


def undeclared(facts: Facts) -> tuple[str, ...]:
    """Return the names of pods that use our Secrets and belong to no declared consumer."""
    bundle = target_name(facts)
    return tuple(
        pod.name
        for pod in facts.pods or ()
        if consumer_of(pod, facts.workloads or ()) is None and uses_of(pod, None, bundle, facts)
    )


def clear_of_caches(version: Version, now: datetime, lag: timedelta) -> bool:
    """Say whether a container that starts now cannot have read the version, also by its start as pods tell it.

    Pods tell the start in whole seconds, rounded down: one more second passes, or the start would say that it may have.
    """
    return version.retire_time is not None and now >= version.retire_time + lag + SECOND
