"""What a workload's JSON says about its rollout: from a Deployment, StatefulSet, … to a `WorkloadView`.

1. `complete` asks for more than `kubectl rollout status`: no old pod is left, and every pod is available.
2. Whoever is not restarted by Rekey (paused, OnDelete, partition, Jobs) is still shown, as its pods count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rekey.core.facts import WorkloadView


@dataclass(frozen=True, slots=True)
class _Rollout:
    """How far a rollout is: pods wanted, of the new template, of any template, and ready to serve."""

    seen: bool
    wanted: int
    updated: int
    present: int
    available: int
    same_revision: bool = True

    @property
    def complete(self) -> bool:
        even = self.wanted == self.updated == self.present == self.available
        return self.seen and even and self.same_revision

    @property
    def progress(self) -> str:
        if not self.seen:
            return "its controller has not seen the change yet"
        said = [f"{self.updated} of {self.wanted} pods updated"]
        if self.present > self.updated:
            said.append(f"{self.present - self.updated} old")
        if self.present > self.available:
            said.append(f"{self.present - self.available} not ready")
        return ", ".join(said)


def annotation_of(credential: str) -> str:
    """Return the key of the annotation that names the version of a credential."""
    return f"version.rekey.dev/{credential}"


def view(kind: str, item: dict[str, Any], credential: str) -> WorkloadView:
    """Return what the engine needs to know of the workload."""
    spec = item["spec"]
    template = spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"]
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    selector = spec.get("selector") or {}
    rollout = _rollout(kind, item)
    return WorkloadView(
        kind=kind,
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        resource_version=item["metadata"]["resourceVersion"],
        annotation=annotations.get(annotation_of(credential)),
        complete=rollout.complete if rollout else True,
        restartable=rollout is not None,
        manual=_manual(kind, spec),
        match_labels=selector.get("matchLabels") or {},
        match_expressions=tuple(
            (one["key"], one["operator"], tuple(one.get("values") or ()))
            for one in selector.get("matchExpressions") or ()
        ),
        progress=rollout.progress if rollout else "",
    )


def _manual(kind: str, spec: dict[str, Any]) -> str | None:
    if kind == "Deployment":
        return "paused" if spec.get("paused") else None
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return "OnDelete"
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    return f"partition {partition}" if partition else None


def _rollout(kind: str, item: dict[str, Any]) -> _Rollout | None:
    spec, status = item["spec"], item.get("status") or {}
    seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    if kind == "DaemonSet":
        return _Rollout(
            seen=seen,
            wanted=status.get("desiredNumberScheduled", 0),
            updated=status.get("updatedNumberScheduled", 0),
            present=status.get("currentNumberScheduled", 0),
            available=status.get("numberAvailable", 0),
        )
    if kind in {"Deployment", "StatefulSet"}:
        # On OnDelete the StatefulSet controller never moves currentRevision on.
        by_hand = _manual(kind, spec) == "OnDelete"
        return _Rollout(
            seen=seen,
            wanted=spec.get("replicas", 1),
            updated=status.get("updatedReplicas", 0),
            present=status.get("replicas", 0),
            available=status.get("availableReplicas", 0),
            same_revision=by_hand or status.get("currentRevision") == status.get("updateRevision"),
        )
    return None
