"""What all Kubernetes objects have in common: reading instants and owners out of their JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def instant(text: str) -> datetime:
    """Return the instant that a metav1.Time says."""
    return datetime.fromisoformat(text)


def controller(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """Return the reference to the object that controls this one, if any."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None
