"""Which RotatedCredentials there are, and at which version: names only, page by page.

1. What is asked for is metadata, a tenth of the objects; nothing but name and version of each is kept.
2. The answer is consistent: it is read from storage, as of one moment (`version`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rekey.core.facts import Key
from rekey.kube.api import CREDENTIALS, LIST, Path
from rekey.kube.client import PAGE, Client

_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_EVERYWHERE: Final = Path(f"/apis/{CREDENTIALS.api_version}/{CREDENTIALS.plural}", CREDENTIALS.plural)


@dataclass(frozen=True, slots=True)
class Census:
    """Every credential of one namespace, or of all (None), at one moment."""

    namespace: str | None
    version: int
    found: dict[Key, int]


async def take(client: Client, namespaces: Iterable[str]) -> tuple[Census, ...]:
    """Return a census of each namespace; of all where none is named.

    Raises:
        RekeyError: it could not be taken.
    """
    return tuple([await _one(client, namespace) for namespace in tuple(namespaces) or (None,)])


async def _one(client: Client, namespace: str | None) -> Census:
    path = _EVERYWHERE if namespace is None else CREDENTIALS.all(namespace)
    asked = {"limit": str(PAGE)}
    found: dict[Key, int] = {}
    while True:
        page = await client.request(LIST, path, query=asked, accept=_METADATA)
        for item in page["items"] or ():  # null, where there is nothing
            metadata = item["metadata"]
            found[Key(metadata["namespace"], metadata["name"])] = int(metadata["resourceVersion"])
        more = page["metadata"].get("continue")
        if not more:
            return Census(namespace, int(page["metadata"]["resourceVersion"]), found)
        asked["continue"] = more
