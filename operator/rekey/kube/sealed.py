"""What is sealed at the API server (port `Records`): a line in an annotation of each version's Secret.

1. Secrets are never listed: where something may be sealed the ledgers of all credentials with a backend say, read from
   storage. A version is written down there before its Secret is made, so none is missed.
2. What cannot be parsed as a credential counts too: it is read as it is.
3. Whatever the engine would open is found: also a Secret that somebody took our ownership off, known by its uid.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from rekey.core.envelope import Place
from rekey.core.status import State
from rekey.errors import Conflict
from rekey.kube.api import CREDENTIALS
from rekey.kube.client import Client
from rekey.kube.secrets import KubeSecrets
from rekey.ports.lead import Lead
from rekey.ports.sealed import ANNOTATION, PURPOSE, Record
from rekey.ports.secrets import SecretChange


class _Where(NamedTuple):
    """The Secret of a version, by its ledger; `handle`: its uid, once that is known."""

    namespace: str
    name: str
    handle: str | None


class KubeRecords:
    """The port over the API server; `namespaces`: where Rekey works, none named: everywhere."""

    def __init__(self, client: Client, namespaces: tuple[str, ...], lead: Lead) -> None:
        self._client = client
        self._secrets = KubeSecrets(client)
        self._namespaces = namespaces
        self._lead = lead
        self._where: dict[Place, _Where] = {}

    async def places(self, *, ours: bool) -> AsyncIterator[Place]:
        """Give every place at which something may be sealed; `ours`: where we lead."""
        found: dict[Place, _Where] = {}
        for path in [CREDENTIALS.all(name) for name in self._namespaces] or [CREDENTIALS.everywhere]:
            # All at once: a list that is read on as slowly as values are re-wrapped expires.
            async for page in self._client.pages(path):
                found |= _of_all(page["items"])
        self._where = found
        for place, where in found.items():
            if not ours or self._lead.remaining(where.namespace) > 0:
                yield place

    async def read(self, place: Place) -> Record | None:
        """Return what is sealed there."""
        namespace, name, handle = self._where[place]
        view = await self._secrets.read(namespace, name)
        if view is None or not (view.owner == place.uid or (view.owner is None and view.uid == handle)):
            return None
        text = view.annotations.get(ANNOTATION)
        return Record(place, text, f"{view.uid} {view.resource_version}") if text else None

    async def store(self, record: Record, text: str) -> None:
        """Replace it as it was read; nothing else of the Secret changes."""
        namespace, name, _ = self._where[record.place]
        if self._lead.remaining(namespace) <= 0:
            raise Conflict(f"{record.place}: who leads there does it")
        uid, version = record.revision.split()
        change = SecretChange(uid=uid, resource_version=version, annotations={ANNOTATION: text})
        await self._secrets.change(namespace, name, change)


def _of_all(items: list[dict[str, Any]]) -> Iterator[tuple[Place, _Where]]:
    for found in items:
        metadata, versions = found["metadata"], (found.get("status") or {}).get("versions") or ()
        for version in versions if "provider" in found.get("spec", {}) else ():
            if version["state"] != State.REVOKED:
                place = Place(metadata["uid"], version["number"], PURPOSE)
                yield place, _Where(metadata["namespace"], version["secretName"], version.get("handle"))
