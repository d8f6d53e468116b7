"""Consumers at the API server (port `Workloads`): found by name or label, moved by one annotation.

1. The annotation is written by server-side apply under a field manager of the credential's own: what it does
   not name it cannot touch, and what it no longer names goes away.
2. An apply without a resourceVersion would create a workload that is gone: it carries the one that was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from rekey.core.facts import Credential, WorkloadView
from rekey.core.spec import Consumer, LabelRequirement, LabelSelector, Operator
from rekey.errors import Conflict, NotFound
from rekey.kube.api import APPLY, GET, WORKLOADS
from rekey.kube.client import Client
from rekey.kube.workload_view import annotation_of, view

_T = TypeVar("_T")


class KubeWorkloads:
    """The port over the API server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, credential: Credential, consumers: Sequence[Consumer]) -> tuple[WorkloadView, ...]:
        """Return the consumers by uncached reads, in their order, those of a selector by name, each once."""
        found = await _together([self._found(credential, consumer) for consumer in consumers])
        # A dict keeps the place of the first of several that are the same.
        return tuple({(one.kind, one.name): one for several in found for one in several}.values())

    async def _found(self, credential: Credential, consumer: Consumer) -> list[WorkloadView]:
        resource, namespace = WORKLOADS[consumer.kind], credential.key.namespace
        if consumer.name is None:
            query = {"labelSelector": _query(consumer.selector or LabelSelector())}
            items = await self._client.list(resource.all(namespace), query)
            views = [view(resource.kind, item, credential.key.name) for item in items]
            return sorted(views, key=lambda one: one.name)
        try:
            item = await self._client.request(GET, resource.one(namespace, consumer.name))
        except NotFound:
            return [WorkloadView(kind=resource.kind, name=consumer.name, exists=False)]
        return [view(resource.kind, item, credential.key.name)]

    async def restart(self, credential: Credential, workload: WorkloadView, value: str | None) -> None:
        """Write the version annotation of this credential into the pod template by server-side apply."""
        resource = WORKLOADS[workload.kind]
        path = resource.one(credential.key.namespace, workload.name)
        body: dict[str, Any] = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": workload.name,
                "uid": workload.uid,
                "resourceVersion": workload.resource_version,
            },
        }
        if value is not None:
            annotations = {annotation_of(credential.key.name): value}
            body["spec"] = {"template": {"metadata": {"annotations": annotations}}}
        # Forced: whoever else wrote this very annotation (a restored backup, say), it is ours to write.
        query = {"fieldManager": f"rekey-{credential.uid}", "force": "true"}
        try:
            await self._client.request(APPLY, path, body=body, query=query)
        except Conflict:
            await self._client.request(GET, path)  # raises NotFound if that is what is wrong
            raise


def _query(selector: LabelSelector) -> str:
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    terms += map(_term, selector.match_expressions)
    # An empty selector would mean every workload; no label can be both there and not there.
    return ",".join(terms) or "rekey.dev/none,!rekey.dev/none"


def _term(wanted: LabelRequirement) -> str:
    values = f"({','.join(wanted.values)})"
    match wanted.operator:
        case Operator.IN:
            return f"{wanted.key} in {values}"
        case Operator.NOT_IN:
            return f"{wanted.key} notin {values}"
        case Operator.EXISTS:
            return wanted.key
        case Operator.DOES_NOT_EXIST:
            return f"!{wanted.key}"


async def _together(reads: list[Coroutine[Any, Any, _T]]) -> list[_T]:
    tasks = [asyncio.ensure_future(read) for read in reads]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
