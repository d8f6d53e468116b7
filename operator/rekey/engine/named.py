"""Secrets that a spec names and somebody else made: read when they are needed, and never kept."""

from __future__ import annotations

from rekey.core.material import Material
from rekey.ports.cluster import Ports


async def read(ports: Ports, namespace: str, name: str | None, key: str) -> Material | str | None:
    """Return what is in the Secret, or in words that it has no such key; None if none was named."""
    if name is None:
        return None
    view = await ports.secrets.read(namespace, name)
    names = view.material.keys() if view is not None else ()
    return view.material if view is not None and key in names else f"Secret {name} has no {key}"
