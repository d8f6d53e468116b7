"""Shards at the API server: the label of namespaces, and the same label on credentials.

Only metadata is asked for, page by page. With one shard none of this is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from rekey.core.facts import Key
from rekey.core.shards import LABEL
from rekey.kube.api import CREDENTIALS, MERGE, METADATA, Path
from rekey.kube.client import Client

_NAMESPACES: Final = Path("/api/v1/namespaces", "namespaces")


async def labelled(client: Client) -> dict[str, str]:
    """Return the label of every namespace that has one.

    Raises:
        RekeyError: they could not be listed.
    """
    return {one["name"]: one["labels"][LABEL] async for one in _list(client, _NAMESPACES, LABEL)}


async def credentials(client: Client, selector: str, namespace: str | None = None) -> AsyncIterator[tuple[Key, str]]:
    """Give the credentials that are selected, in one namespace or in all, with their resourceVersions.

    Raises:
        RekeyError: they could not be listed.
    """
    path = CREDENTIALS.everywhere if namespace is None else CREDENTIALS.all(namespace)
    async for one in _list(client, path, selector):
        yield Key(one["namespace"], one["name"]), one["resourceVersion"]


async def give(client: Client, key: Key, version: str, shard: int) -> None:
    """Put the shard's label on a credential as it was read.

    Raises:
        Conflict: it was changed since.
        NotFound: it is gone.
    """
    body = {"metadata": {"resourceVersion": version, "labels": {LABEL: str(shard)}}}
    await client.request(MERGE, CREDENTIALS.one(key.namespace, key.name), body=body)


async def _list(client: Client, path: Path, selector: str) -> AsyncIterator[Mapping[str, Any]]:
    async for page in client.pages(path, {"labelSelector": selector}, accept=METADATA):
        for item in page["items"] or ():  # null, where there is nothing
            yield item["metadata"]
