"""Which RotatedCredentials there are, and at which version: names only, page by page.

1. What is asked for is metadata, a tenth of the objects; nothing but name and version of each is kept.
2. The answer is consistent: it is read from storage, as of one moment (`version`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sys import intern

from rekey.core.facts import Key
from rekey.kube.api import CREDENTIALS, METADATA
from rekey.kube.client import Client


@dataclass(frozen=True, slots=True)
class Census:
    """Every credential of one namespace, or of all (None), at one moment."""

    namespace: str | None
    version: int
    found: dict[Key, int]


async def take(client: Client, namespaces: Iterable[str], selector: str = "") -> tuple[Census, ...]:
    """Return a census of each namespace; of all where none is named. `selector`: of those with such labels only.

    Raises:
        RekeyError: it could not be taken.
    """
    return tuple([await _one(client, namespace, selector) for namespace in tuple(namespaces) or (None,)])


async def _one(client: Client, namespace: str | None, selector: str) -> Census:
    path = CREDENTIALS.everywhere if namespace is None else CREDENTIALS.all(namespace)
    found: dict[Key, int] = {}
    version = 0
    async for page in client.pages(path, {"labelSelector": selector} if selector else None, accept=METADATA):
        version = int(page["metadata"]["resourceVersion"])
        for item in page["items"] or ():  # null, where there is nothing
            metadata = item["metadata"]
            found[Key(intern(metadata["namespace"]), metadata["name"])] = int(metadata["resourceVersion"])
    return Census(namespace, version, found)
