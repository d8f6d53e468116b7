"""The words of the Kubernetes API that Rekey uses: its verbs, its resources, and the paths made of them.

1. Every path to an object names its namespace, and what is no name cannot become part of one (promise S10).
2. The namespaced resources below are all that Rekey ever touches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from rekey.core.reasons import Reason
from rekey.errors import Rejected

Json: TypeAlias = Any
"""Parsed JSON, as the API server gives and takes it."""

_LONGEST: Final = 253
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Verb:
    """What is asked of the API server; `name` is RBAC's word for it."""

    name: str
    method: str
    content_type: str = "application/json"


GET: Final = Verb("get", "GET")
LIST: Final = Verb("list", "GET")
CREATE: Final = Verb("create", "POST")
UPDATE: Final = Verb("update", "PUT")
DELETE: Final = Verb("delete", "DELETE")
MERGE: Final = Verb("patch", "PATCH", "application/merge-patch+json")
EDIT: Final = Verb("patch", "PATCH", "application/json-patch+json")
APPLY: Final = Verb("patch", "PATCH", "application/apply-patch+yaml")
METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The form of a list that holds nothing of each object but its metadata."""


@dataclass(frozen=True, slots=True)
class Path:
    """One path and what error messages and metrics say about it, which never includes the object's name."""

    url: str
    resource: str
    namespace: str | None = None


def _demand_name(name: str, kind: str) -> None:
    if len(name) > _LONGEST or not _SUBDOMAIN.fullmatch(name):
        raise Rejected(Reason.INVALID_SPEC, f"{name!r} is not the name of a {kind}")


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of namespaced object."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """Return what a manifest of it says as apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def everywhere(self) -> Path:
        """Return the path of all such objects in all namespaces."""
        return Path(f"{self._root}/{self.plural}", self.plural)

    @property
    def _root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def all(self, namespace: str) -> Path:
        """Return the path of all such objects in a namespace."""
        if not _LABEL.fullmatch(namespace):
            raise Rejected(Reason.INVALID_SPEC, f"{namespace!r} is not the name of a namespace")
        return Path(f"{self._root}/namespaces/{namespace}/{self.plural}", self.plural, namespace)

    def one(self, namespace: str, name: str, subresource: str = "") -> Path:
        """Return the path of one of them."""
        _demand_name(name, self.kind)
        every = self.all(namespace)
        if subresource:
            return Path(f"{every.url}/{name}/{subresource}", f"{self.plural}/{subresource}", namespace)
        return Path(f"{every.url}/{name}", self.plural, namespace)


@dataclass(frozen=True, slots=True)
class ClusterResource:
    """One kind of object that is of no namespace; Rekey writes nothing of it but a status."""

    root: str
    plural: str
    kind: str

    def one(self, name: str, subresource: str = "") -> Path:
        """Return the path of one of them."""
        _demand_name(name, self.kind)
        below = f"/{subresource}" if subresource else ""
        return Path(f"{self.root}/{self.plural}/{name}{below}", f"{self.plural}{below}")


CLUSTER_PROVIDERS: Final = ClusterResource(
    "/apis/rekey.dev/v1alpha1", "clustercredentialproviders", "ClusterCredentialProvider"
)
NAMESPACES: Final = ClusterResource("/api/v1", "namespaces", "Namespace")
CREDENTIALS: Final = Resource("rekey.dev", "v1alpha1", "rotatedcredentials", "RotatedCredential")
REQUESTS: Final = Resource("rekey.dev", "v1alpha1", "rotationrequests", "RotationRequest")
PROVIDERS: Final = Resource("rekey.dev", "v1alpha1", "credentialproviders", "CredentialProvider")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PODS: Final = Resource("", "v1", "pods", "Pod")
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
WORKLOADS: Final = {
    resource.kind: resource
    for resource in (
        Resource("apps", "v1", "deployments", "Deployment"),
        Resource("apps", "v1", "statefulsets", "StatefulSet"),
        Resource("apps", "v1", "daemonsets", "DaemonSet"),
        Resource("batch", "v1", "jobs", "Job"),
        Resource("batch", "v1", "cronjobs", "CronJob"),
    )
}
