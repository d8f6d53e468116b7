"""RotatedCredential objects at the API server (port `Credentials`).

1. The status is replaced as a whole by a JSON patch that also sets the `metadata.resourceVersion` that was
   read: the API server takes it as a precondition. (A merge patch cannot take keys out of pinned parts.)
2. A spec is parsed once in a pass; few are kept, at 5 KiB each. They are found by what is written, not by generation:
   after a restore of etcd a generation that was undone is given again, to another spec.
3. One that is being deleted is needed for little: what cannot be parsed of it must not keep it from its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from rekey.core import faults
from rekey.core.facts import Credential, Key
from rekey.core.reasons import Reason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import Status
from rekey.errors import NotFound, Rejected
from rekey.kube import farewell
from rekey.kube.api import CREDENTIALS, EDIT, GET, MERGE
from rekey.kube.client import Client
from rekey.kube.objects import instant, new_status

FINALIZER: Final = "rekey.dev/finalizer"

Reduce = Callable[[Any], Any]
_Model = TypeVar("_Model", RotatedCredentialSpec, Status)


class Parser:
    """Makes credentials of JSON objects; `remembered` bounds how many parsed specs it keeps."""

    def __init__(self, remembered: int = 256) -> None:
        self._remembered = remembered
        self._specs: dict[str, tuple[object, RotatedCredentialSpec]] = {}

    def parse(self, found: dict[str, Any], status: Status | None = None) -> Credential:
        """Return the credential; its status is parsed too, unless it is known.

        Raises:
            Rejected: it is of a shape that this version of Rekey does not know.
        """
        metadata = found["metadata"]
        deleting = metadata.get("deletionTimestamp")
        spec = self._spec(metadata["uid"], found.get("spec"), farewell.spec if deleting else None)
        return Credential(
            key=Key(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            generation=metadata["generation"],
            created=instant(metadata["creationTimestamp"]),
            deleting=instant(deleting) if deleting else None,
            finalizers=tuple(metadata.get("finalizers") or ()),
            labels=metadata.get("labels") or {},
            spec=spec,
            status=status
            or _validated(Status, "status", found.get("status") or {}, farewell.status if deleting else None),
        )

    def _spec(self, uid: str, written: object, else_: Reduce | None) -> RotatedCredentialSpec:
        known = self._specs.get(uid)
        if known and known[0] == written:
            return known[1]
        spec = _validated(RotatedCredentialSpec, "spec", written, else_)
        if len(self._specs) >= self._remembered and uid not in self._specs:
            del self._specs[next(iter(self._specs))]
        self._specs[uid] = (written, spec)
        return spec


def _validated(model: type[_Model], where: str, written: object, else_: Reduce | None) -> _Model:
    """Return the model of what was written, or else of what it can be reduced to."""
    try:
        return model.model_validate(written)
    except ValidationError as error:
        if else_ is not None:
            return _validated(model, where, else_(written), None)
        raise Rejected(Reason.INVALID_SPEC, faults.first(where, error)[:1000]) from error


class KubeCredentials:
    """The port over the API server."""

    def __init__(self, client: Client, parser: Parser) -> None:
        self._client = client
        self._parser = parser

    async def read(self, key: Key) -> Credential | None:
        """Return the credential by an uncached read, None if there is none."""
        try:
            found = await self._client.request(GET, CREDENTIALS.one(key.namespace, key.name))
        except NotFound:
            return None
        return self._parser.parse(found)

    async def save(self, credential: Credential, status: Status) -> Credential:
        """Replace its status and return the credential as stored."""
        path = CREDENTIALS.one(credential.key.namespace, credential.key.name, "status")
        written = status.to_json()
        patch = new_status(credential.resource_version, written)
        stored = await self._client.request(EDIT, path, body=patch)
        return self._parser.parse(stored, status if stored.get("status") == written else None)

    async def finalize(self, credential: Credential, *, present: bool) -> Credential | None:
        """Put our finalizer on or take it off; None when that ended the object."""
        others = [name for name in credential.finalizers if name != FINALIZER]
        patch = {
            "metadata": {
                "uid": credential.uid,
                "resourceVersion": credential.resource_version,
                "finalizers": [*others, FINALIZER] if present else others,
            }
        }
        path = CREDENTIALS.one(credential.key.namespace, credential.key.name)
        stored = self._parser.parse(await self._client.request(MERGE, path, body=patch))
        return None if stored.deleting and not stored.finalizers else stored
