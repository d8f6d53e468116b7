"""Providers at the API server (port `Declarations`): read by name, never listed or watched."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from rekey.core import faults
from rekey.core.reasons import Reason
from rekey.core.spec_backend import ClusterCredentialProviderSpec, CredentialProviderSpec
from rekey.core.spec_provide import ProviderKind, ProviderRef
from rekey.errors import NotFound, Rejected
from rekey.kube.api import CLUSTER_PROVIDERS, GET, NAMESPACES, PROVIDERS
from rekey.kube.client import Client
from rekey.ports.declarations import Declared


class KubeDeclarations:
    """The port over the API server; `home` is the operator's namespace, where Secrets of cluster providers are."""

    def __init__(self, client: Client, home: str) -> None:
        self._client = client
        self._home = home

    async def read(self, namespace: str, ref: ProviderRef) -> Declared | None:
        """Return what a credential of that namespace refers to, by an uncached read; None if there is none."""
        wide = ref.kind is ProviderKind.CLUSTER
        path = CLUSTER_PROVIDERS.one(ref.name) if wide else PROVIDERS.one(namespace, ref.name)
        try:
            found = await self._client.request(GET, path)
        except NotFound:
            return None
        model = ClusterCredentialProviderSpec if wide else CredentialProviderSpec
        try:
            spec = model.model_validate(found.get("spec"))
        except ValidationError as error:
            text = f"{ref.kind} {ref.name}: {faults.first('', error)}"
            raise Rejected(Reason.PROVIDER_NOT_READY, text[:1000]) from error
        metadata = found["metadata"]
        return Declared(metadata["uid"], metadata["generation"], self._home if wide else namespace, spec)

    async def labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace, by an uncached read."""
        found = await self._client.request(GET, NAMESPACES.one(namespace))
        return found["metadata"].get("labels") or {}
