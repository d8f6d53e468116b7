"""What Rekey must be allowed to do, and whether it is: asked of the API server itself at the start.

1. The list is the one that the chart grants; a test compares them.
2. What is missing is returned, not raised: what to make of it is for the caller to decide.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rekey.errors import NotFound
from rekey.kube.api import CREATE, CREDENTIALS, GET, LEASES, REQUESTS, Path
from rekey.kube.client import Client

_REVIEWS: Final = Path("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "selfsubjectaccessreviews")
_KINDS: Final = Path(f"/apis/{CREDENTIALS.api_version}", "apis")


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource, in one namespace or (empty) in all; on one object only where `name` says so."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    @property
    def where(self) -> str:
        """Return it as in `in namespace shop`."""
        return f"in namespace {self.namespace}" if self.namespace else "in all namespaces"

    @property
    def what(self) -> str:
        """Return it as in `deployments.apps`."""
        return f"{self.resource}{f'.{self.group}' if self.group else ''}{f' {self.name!r}' if self.name else ''}"

    def __str__(self) -> str:
        """Return it as in `patch deployments.apps in namespace shop`."""
        return f"{self.verb} {self.what} {self.where}"


_NEEDED: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("rekey.dev", "rotatedcredentials"): ("get", "list", "watch", "patch"),
    ("rekey.dev", "rotatedcredentials/status"): ("patch",),
    ("rekey.dev", "rotationrequests"): ("get", "list", "watch", "delete"),
    ("rekey.dev", "rotationrequests/status"): ("patch",),
    ("rekey.dev", "credentialproviders"): ("get",),
    ("rekey.dev", "credentialproviders/status"): ("patch",),
    ("", "secrets"): ("get", "create", "patch", "delete"),
    ("", "pods"): ("list",),
    ("apps", "deployments"): ("get", "list", "patch"),
    ("apps", "statefulsets"): ("get", "list", "patch"),
    ("apps", "daemonsets"): ("get", "list", "patch"),
    ("batch", "jobs"): ("get", "list"),
    ("batch", "cronjobs"): ("get", "list"),
    ("events.k8s.io", "events"): ("create",),
}

_OF_THE_CLUSTER: Final = (
    Right("rekey.dev", "clustercredentialproviders", "get"),
    Right("rekey.dev", "clustercredentialproviders/status", "patch"),
    Right("", "namespaces", "get"),
)


def needed(namespaces: Iterable[str]) -> tuple[Right, ...]:
    """Return every right that Rekey needs in these namespaces (none named: in all, and on what is of none)."""
    named = tuple(namespaces)
    inside = tuple(
        Right(group, resource, verb, namespace)
        for namespace in named or ("",)
        for (group, resource), verbs in _NEEDED.items()
        for verb in verbs
    )
    return inside if named else (*inside, *_OF_THE_CLUSTER)


def for_lease(namespace: str, name: str) -> tuple[Right, ...]:
    """Return the rights to take part in an election by this Lease. A right to create cannot be bound to a name."""
    one = tuple(Right(LEASES.group, LEASES.plural, verb, namespace, name) for verb in ("get", "update"))
    return (*one, Right(LEASES.group, LEASES.plural, "create", namespace))


def for_shards() -> tuple[Right, ...]:
    """Return the right to see which namespace is in which shard."""
    return (Right("", "namespaces", "list"),)


def listed(rights: Iterable[Right]) -> str:
    """Return many rights in one line: `in namespace shop: secrets (get, delete), pods (list); in …`."""
    verbs: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for right in rights:
        verbs[right.where][right.what].append(right.verb)
    lines = {where: [f"{what} ({', '.join(of)})" for what, of in whats.items()] for where, whats in verbs.items()}
    return "; ".join(f"{where}: {', '.join(line)}" for where, line in lines.items())


async def missing(client: Client, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Return those of the rights that we do not have."""
    asked = tuple(rights)
    allowed = await asyncio.gather(*(_allowed(client, right) for right in asked))
    return tuple(right for right, yes in zip(asked, allowed, strict=True) if not yes)


async def _allowed(client: Client, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "subresource": subresource, "verb": right.verb}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "namespace": right.namespace, "name": right.name}},
    }
    answer = await client.request(CREATE, _REVIEWS, body=body)
    return bool(answer["status"].get("allowed"))


async def is_served(client: Client) -> bool:
    """Say whether the API server knows our kinds and their status: whether the CRDs are there."""
    try:
        answer = await client.request(GET, _KINDS)
    except NotFound:
        return False
    served = {one["name"] for one in answer["resources"]}
    return {f"{kind.plural}{part}" for kind in (CREDENTIALS, REQUESTS) for part in ("", "/status")} <= served
