"""A stage on a real cluster: one fresh namespace, reached over the client under test."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rekey.app.backends import declared
from rekey.core.facts import Credential, Key
from rekey.core.request import Request
from rekey.errors import NotFound
from rekey.kube.api import CREATE, CREDENTIALS, DELETE, EVENTS, GET, MERGE, PODS, REQUESTS, WORKLOADS, Path
from rekey.kube.client import Client
from rekey.kube.config import Access
from rekey.kube.connect import connected
from rekey.kube.credentials import Parser
from rekey.kube.requests import KubeRequests
from rekey.kube.secrets import KubeSecrets
from rekey.ports.cluster import Ports
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.getting import Getter
from rekey.providers.http.prober import HttpProber
from rekey.providers.http.prometheus import PrometheusMeter
from rekey.providers.keyring.ring import Keyring
from tests.sim.stage import Stage

DEPLOYMENTS = WORKLOADS["Deployment"]
TOUCH = {"metadata": {"labels": {"touched": "yes"}}}
SPEC = {"generate": {"token": {}}, "rotation": {"interval": "720h"}}


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class KubeStage(Stage):
    """The ports over the API server, and the same client in the part of everybody else."""

    def __init__(self, client: Client, ports: Ports, namespace: str) -> None:
        self.client, self.ports, self.namespace = client, ports, namespace
        self.requests = KubeRequests(client)

    async def request(self, name: str) -> Request:
        body = {
            "apiVersion": REQUESTS.api_version,
            "kind": REQUESTS.kind,
            "metadata": {"name": name},
            "spec": {"reason": "Manual", "credentialRef": {"name": "db"}},
        }
        await self.client.request(CREATE, REQUESTS.all(self.namespace), body=body)
        found = await self.requests.read(Key(self.namespace, name))
        assert found is not None
        return found

    async def credential(self, name: str) -> Credential:
        body = {
            "apiVersion": CREDENTIALS.api_version,
            "kind": CREDENTIALS.kind,
            "metadata": {"name": name},
            "spec": SPEC,
        }
        await self.client.request(CREATE, CREDENTIALS.all(self.namespace), body=body)
        found = await self.ports.credentials.read(Key(self.namespace, name))
        assert found is not None
        return found

    async def touch_credential(self, key: Key) -> None:
        await self.client.request(MERGE, CREDENTIALS.one(key.namespace, key.name), body=TOUCH)

    async def delete_credential(self, key: Key) -> None:
        await self.client.request(DELETE, CREDENTIALS.one(key.namespace, key.name))

    async def deployment(self, name: str, labels: Mapping[str, str]) -> None:
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": dict(labels)},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec("db")},
            },
        }
        await self.client.request(CREATE, DEPLOYMENTS.all(self.namespace), body=body)
        await self.until(DEPLOYMENTS.one(self.namespace, name), _is_seen)

    async def touch_deployment(self, name: str) -> None:
        await self.client.request(MERGE, DEPLOYMENTS.one(self.namespace, name), body=TOUCH)

    async def delete_deployment(self, name: str) -> None:
        await self.client.request(DELETE, DEPLOYMENTS.one(self.namespace, name))

    async def pod(self, name: str, secret: str) -> None:
        spec = {**pod_spec(secret), "nodeSelector": {"no": "such-node"}}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        await self.client.request(CREATE, PODS.all(self.namespace), body=body)

    async def end_pod(self, name: str) -> None:
        body = {"status": {"phase": "Succeeded"}}
        await self.client.request(MERGE, PODS.one(self.namespace, name, "status"), body=body)

    async def events(self) -> list[dict[str, Any]]:
        """Return the Events about credentials."""
        query = {"fieldSelector": f"regarding.kind={CREDENTIALS.kind}"}
        return await self.client.list(EVENTS.all(self.namespace), query)

    async def until(self, path: Path, wanted: Any) -> None:
        """Wait until the object exists and is as wanted."""
        async with asyncio.timeout(30):
            while True:
                try:
                    if wanted(await self.client.request(GET, path)):
                        return
                except NotFound:
                    pass
                await asyncio.sleep(0.02)


def pod_spec(secret: str) -> dict[str, Any]:
    """Return the spec of a pod that takes a variable from the Secret."""
    source = {"secretKeyRef": {"name": secret, "key": "password"}}
    env = [{"name": "PASSWORD", "valueFrom": source}]
    return {"containers": [{"name": "main", "image": "none", "env": env}]}


def _is_seen(deployment: dict[str, Any]) -> bool:
    conditions = deployment["status"].get("conditions") or ()
    return deployment["status"].get("observedGeneration") == 1 and len(conditions) == 2


@asynccontextmanager
async def opened(access: Access) -> AsyncIterator[KubeStage]:
    """Give a stage in a namespace of its own, which is deleted without waiting."""
    name = f"t-{secrets.token_hex(4)}"
    home = Path(f"/api/v1/namespaces/{name}", "namespaces")
    getter = Getter(Allowed())
    here = connected(
        access,
        SystemClock(),
        Parser(),
        instance="tests",
        observe=_ignore,
        dropped=_ignore,
        prober=HttpProber(getter),
        meter=PrometheusMeter(getter),
        backends=partial(declared, home=name, clock=SystemClock(), allowed=Allowed()),
        keys=lambda client: Keyring(KubeSecrets(client), SystemClock(), name),
    )
    async with here as (client, ports):
        await client.request(CREATE, Path("/api/v1/namespaces", "namespaces"), body={"metadata": {"name": name}})
        stage = KubeStage(client, ports, name)
        # No pod can be made before its namespace has a ServiceAccount.
        await stage.until(Path(f"{home.url}/serviceaccounts/default", "serviceaccounts"), bool)
        try:
            yield stage
        finally:
            await client.request(DELETE, home)


def _ignore(*_: object) -> None:
    return None
