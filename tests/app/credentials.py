"""Objects as the API server sends them, for tests of what keeps them."""

from typing import Any

UID = "0a7b9a7e-5a9b-4b6c-9f7e-1234567890ab"


def manifest(name: str = "orders", namespace: str = "shop", version: int = 10, **changes: Any) -> dict[str, Any]:
    """Return a credential without a status; `changes` are put into its metadata, spec or status by path."""
    found: dict[str, Any] = {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotatedCredential",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"{name}-uid",
            "resourceVersion": str(version),
            "generation": 1,
            "creationTimestamp": "2026-11-21T08:00:00Z",
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:generate": {}}}}],
        },
        "spec": {"generate": {"token": {}}, "rotation": {"interval": "720h"}},
        "status": {"observedGeneration": -1},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found


def settled(name: str = "orders", version: int = 10, **changes: Any) -> dict[str, Any]:
    """Return a credential in the middle of an overlap, as Rekey leaves it."""
    held = [
        {
            "number": number,
            "state": state,
            "secretName": f"{name}-v{number}",
            "handle": UID,
            "digest": "0123456789abcdef",
            "issuedTime": "2026-11-20T08:00:00Z",
            "activatedTime": "2026-11-20T08:00:00Z",
        }
        for number, state in ((1, "Retiring"), (2, "Active"))
    ]
    status = {
        "observedGeneration": 1,
        "currentVersion": 2,
        "lastRotationTime": "2026-11-21T08:00:00Z",
        "nextRotationTime": "2026-12-20T08:00:00Z",
        "overlapEndTime": "2026-11-21T10:00:00Z",
        "bundle": {"uid": UID, "resourceVersion": "9"},
        "versions": held,
        "conditions": [
            {
                "type": kind,
                "status": truth,
                "reason": reason,
                "message": "",
                "lastTransitionTime": "2026-11-21T08:00:00Z",
            }
            for kind, truth, reason in (("Ready", "True", "OverlapOpen"), ("Rotating", "True", "Overlap"))
        ],
    }
    return manifest(name, version=version, **{"status": status, **changes})
