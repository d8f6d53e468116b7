"""A namespace of a real API server into which a test writes what an operator would."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rekey.kube.api import CREATE, CREDENTIALS, DELETE, MERGE, Path
from rekey.kube.client import Client
from rekey.kube.config import Access
from tests.publish.objects import SPEC, status


class Writer:
    """Writes credentials and their status."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    async def make(self, name: str, *versions: dict[str, Any], spec: Any = None) -> None:
        """Make a credential, and give it a status."""
        body = {
            "apiVersion": CREDENTIALS.api_version,
            "kind": CREDENTIALS.kind,
            "metadata": {"name": name},
            "spec": spec or SPEC,
        }
        await self._client.request(CREATE, CREDENTIALS.all(self.namespace), body=body)
        await self.tell(name, *versions)

    async def tell(self, name: str, *versions: dict[str, Any], **changes: Any) -> None:
        """Give it another status."""
        path = CREDENTIALS.one(self.namespace, name, "status")
        await self._client.request(MERGE, path, body={"status": status(*versions, **changes)})

    async def end(self, name: str) -> None:
        """Delete it."""
        await self._client.request(DELETE, CREDENTIALS.one(self.namespace, name))


@asynccontextmanager
async def writing(access: Access) -> AsyncIterator[Writer]:
    """Give a fresh namespace, which goes in the end."""
    name = f"t-{secrets.token_hex(4)}"
    spaces = Path("/api/v1/namespaces", "namespaces")
    async with Client(access) as client:
        await client.request(CREATE, spaces, body={"metadata": {"name": name}})
        try:
            yield Writer(client, name)
        finally:
            await client.request(DELETE, Path(f"{spaces.url}/{name}", "namespaces"))
