"""What all Kubernetes objects have in common: reading instants and owners out of their JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def instant(text: str) -> datetime:
    """Return the instant that a metav1.Time says."""
    return datetime.fromisoformat(text)


def new_status(resource_version: str, status: object) -> list[dict[str, Any]]:
    """Return the JSON patch that replaces the status of the object as it was read (RFC 6902).

    A merge patch could not take keys away.
    """
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
        {"op": "add", "path": "/status", "value": status},
    ]


def controller(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """Return the reference to the object that controls this one, if any."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None
