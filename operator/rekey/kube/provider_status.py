"""The status of providers at the API server: read when it is to be written, and written if it says something else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from rekey.core.provider_health import Health, Provider, ProviderStatus, report
from rekey.errors import NotLeading
from rekey.kube.api import CLUSTER_PROVIDERS, EDIT, GET, PROVIDERS, Path
from rekey.kube.client import Client
from rekey.kube.objects import new_status
from rekey.ports.lead import Lead


class KubeProviderStatus:
    """Providers by name; one of the cluster is written by who leads where a namespace without a label belongs to."""

    def __init__(self, client: Client, lead: Lead | None, now: Callable[[], datetime]) -> None:
        self._client = client
        self._lead = lead
        self._now = now

    async def write(self, provider: Provider, health: Health) -> None:
        """Have its status say so.

        Raises:
            RekeyError: it was not written.
        """
        if not provider.namespace and self._lead is not None and self._lead.remaining("") <= 0:
            raise NotLeading(f"ClusterCredentialProvider {provider.name}: another process leads for the cluster")
        found = await self._client.request(GET, _path(provider))
        metadata = found["metadata"]
        if metadata["uid"] != provider.uid:
            return
        try:
            status = ProviderStatus.model_validate(found.get("status") or {})
        except ValidationError:  # a later version of Rekey wrote it
            status = ProviderStatus()
        new = report(status, health, provider.generation, self._now())
        if new != status:
            patch = new_status(metadata["resourceVersion"], new.to_json())
            await self._client.request(EDIT, _path(provider, "status"), body=patch)


def _path(provider: Provider, subresource: str = "") -> Path:
    if not provider.namespace:
        return CLUSTER_PROVIDERS.one(provider.name, subresource)
    return PROVIDERS.one(provider.namespace, provider.name, subresource)
