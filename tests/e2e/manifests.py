"""The objects that tests apply: credentials with quick timings, and workloads that use them."""

from typing import Any

ANNOTATION = "version.rekey.dev/"
BEHAVIOUR = "test.rekey.dev/behaviour"
DELAY = "test.rekey.dev/delay"
BAD_VERSION = "test.rekey.dev/failing-on-version"

Manifest = dict[str, Any]


def credential(name: str, **spec: Any) -> Manifest:
    """Return a token with an overlap of a second; `rotation` and `overlap` are merged, other parts replaced."""
    rotation = {"interval": "720h", "jitterPercent": 0} | spec.pop("rotation", {})
    overlap = {"duration": "1s"} | spec.pop("overlap", {})
    generate = spec.pop("generate", {"token": {"prefix": "ord_"}})
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotatedCredential",
        "metadata": {"name": name},
        "spec": {"generate": generate, "rotation": rotation, "overlap": overlap, **spec},
    }


def consumer(name: str, kind: str = "Deployment", **more: Any) -> Manifest:
    """Return an entry of `spec.consumers`."""
    return {"kind": kind, "name": name, **more}


def pod_spec(*bundles: str, key: str = "token", **more: Any) -> Manifest:
    """Return the spec of a pod that takes a variable from each of these Secrets."""
    env = [
        {"name": f"VALUE_{number}", "valueFrom": {"secretKeyRef": {"name": bundle, "key": key}}}
        for number, bundle in enumerate(bundles)
    ]
    return {"containers": [{"name": "main", "image": "nothing", "env": env}], **more}


def pod(name: str, *bundles: str, notes: dict[str, str] | None = None) -> Manifest:
    """Return a pod that nobody owns."""
    meta = {"name": name, "annotations": notes or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod_spec(*bundles)}


def job(name: str, *bundles: str, notes: dict[str, str] | None = None) -> Manifest:
    """Return a Job of one pod."""
    template = {"metadata": {"annotations": notes or {}}, "spec": pod_spec(*bundles, restartPolicy="Never")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}}


def workload(
    name: str,
    *bundles: str,
    kind: str = "Deployment",
    notes: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Manifest:
    """Return a Deployment, StatefulSet or DaemonSet; `notes` are annotations of its pods."""
    template = {"metadata": {"labels": {"app": name}, "annotations": notes or {}}, "spec": pod_spec(*bundles)}
    more: Manifest = {} if kind == "DaemonSet" else {"replicas": 2}
    if kind == "StatefulSet":
        more["serviceName"] = "none"
    body = {"selector": {"matchLabels": {"app": name}}, "template": template, **more, **spec}
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": body}


def request(name: str, reason: str, about: str | None = None, **spec: Any) -> Manifest:
    """Return a request about one credential; with `selector` it is about those that match."""
    ref = {} if about is None else {"credentialRef": {"name": about}}
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotationRequest",
        "metadata": {"name": name},
        "spec": {"reason": reason, **ref, **spec},
    }
