"""What a pod's JSON says about Secrets: from a Pod to a `PodView`.

1. Every way counts in which the kubelet, or a volume driver on its behalf, reads a Secret for a pod. In doubt
   it is a snapshot: that is the one that holds longer.
2. Statuses are matched to containers by name; a container without a status has yet to start.
3. Of a container that does not say when it started (some kubelets do not know) only the bounds are known: not before
   its pod was made, not after now. So it counts as started at the one, as about to start, and as `unclear`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from rekey.core.facts import How, PodView, Reference
from rekey.kube.objects import controller, instant

_LISTS: Final = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
_DRIVERS: Final = {
    "csi": "nodePublishSecretRef",
    "cephfs": "secretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "storageos": "secretRef",
}
"""Volumes whose driver logs in with a Secret, which it reads when it mounts."""


def view(pod: dict[str, Any]) -> PodView:
    """Return what the gate needs to know of the pod."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    owner = controller(metadata)
    born = metadata.get("creationTimestamp")
    starts: list[str | None] = []
    pending = False
    for containers, statuses in _LISTS:
        known = {one["name"]: one for one in status.get(statuses) or ()}
        for container in spec.get(containers) or ():
            state = (known.get(container["name"]) or {}).get("state") or {}
            starts += _starts(containers, state)
            pending = pending or _pending(containers, container, state, spec)
    return PodView(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        owner=(owner["kind"], owner["name"]) if owner else None,
        references=frozenset(Reference(secret, how) for secret, how in _references(spec) if secret),
        starts=tuple(instant(start or born) for start in starts if start or born),
        pending=pending or None in starts,
        terminating="deletionTimestamp" in metadata,
        born=instant(born) if born else None,
        unclear=None in starts,
    )


def _starts(containers: str, state: dict[str, Any]) -> Iterator[str | None]:
    """Give when the container started, None if that is not known."""
    if "running" in state:
        yield (state["running"] or {}).get("startedAt")
    # A finished init container may have handed on what it read, through a file in a shared volume.
    elif containers == "initContainers" and "terminated" in state:
        yield (state["terminated"] or {}).get("startedAt")


def _pending(containers: str, container: dict[str, Any], state: dict[str, Any], spec: dict[str, Any]) -> bool:
    if "running" in state:
        return False
    if "terminated" not in state:
        return True
    failed = (state["terminated"] or {}).get("exitCode") != 0
    match containers:
        case "ephemeralContainers":
            return False
        case "initContainers":
            # A sidecar starts again in any case.
            return failed or container.get("restartPolicy") == "Always"
        case _:
            policy = container.get("restartPolicy") or spec.get("restartPolicy", "Always")
            by_rules = bool(container.get("restartPolicyRules"))
            return by_rules or policy == "Always" or (policy == "OnFailure" and failed)


def _references(spec: dict[str, Any]) -> Iterator[tuple[str, How]]:
    containers = [one for name, _ in _LISTS for one in spec.get(name) or ()]
    for container in containers:
        yield from ((secret, How.SNAPSHOT) for secret in _environment(container))
    for volume in spec.get("volumes") or ():
        plain = list(_plain(volume))
        if plain:
            ways = _ways(volume["name"], containers)
            yield from ((secret, how) for secret in plain for how in ways)
        yield from ((secret, How.SNAPSHOT) for secret in _of_driver(volume))
    for pull in spec.get("imagePullSecrets") or ():
        yield pull.get("name", ""), How.SNAPSHOT


def _environment(container: dict[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        if reference := (variable.get("valueFrom") or {}).get("secretKeyRef"):
            yield reference.get("name", "")
    for source in container.get("envFrom") or ():
        if reference := source.get("secretRef"):
            yield reference.get("name", "")


def _plain(volume: dict[str, Any]) -> Iterator[str]:
    if secret := volume.get("secret"):
        yield secret.get("secretName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if secret := source.get("secret"):
            yield secret.get("name", "")


def _ways(volume: str, containers: Iterable[dict[str, Any]]) -> frozenset[How]:
    mounts = [
        mount for container in containers for mount in container.get("volumeMounts") or () if mount["name"] == volume
    ]
    # The kubelet never renews what is mounted by subPath. What nobody mounts is a volume all the same.
    ways = {How.SUBPATH if mount.get("subPath") or mount.get("subPathExpr") else How.VOLUME for mount in mounts}
    return frozenset(ways or {How.VOLUME})


def _of_driver(volume: dict[str, Any]) -> Iterator[str]:
    for driver, field in _DRIVERS.items():
        if reference := (volume.get(driver) or {}).get(field):
            yield reference.get("name", "")
    if share := volume.get("azureFile"):
        yield share.get("secretName", "")
