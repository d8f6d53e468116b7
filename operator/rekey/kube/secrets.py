"""Secrets at the API server (port `Secrets`): where the bytes of a Material leave the process, and come back.

1. A change is one patch with uid and resourceVersion: it applies to what was read, or not at all. It is a merge patch,
   or, where a value is copied inside the Secret without being read, a JSON patch (RFC 6902).
2. Errors about Secrets say names and codes only; see `rekey.kube.refusals`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from rekey.core.material import Material
from rekey.errors import Conflict, Forbidden, NamespaceTerminating, NotFound, Rejected
from rekey.kube.api import CREATE, CREDENTIALS, DELETE, EDIT, GET, MERGE, SECRETS, Json, Path, Verb
from rekey.kube.client import Client
from rekey.kube.namespaces import is_ending
from rekey.kube.objects import controller, instant
from rekey.kube.refusals import said
from rekey.ports.secrets import NewSecret, Owner, SecretChange, SecretView


class KubeSecrets:
    """The port over the API server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, namespace: str, name: str) -> SecretView | None:
        """Return the Secret by an uncached read, None if there is none."""
        try:
            return _view(await self._request(GET, SECRETS.one(namespace, name)))
        except NotFound:
            return None

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        """Create it and return it as the API server stored it."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": new.name,
                "labels": dict(new.labels),
                "annotations": dict(new.annotations),
                "ownerReferences": [_reference(new.owner)] if new.owner else [],
            },
            "type": new.type,
            "immutable": new.immutable,
            "data": _encoded(new.material),
        }
        return _view(await self._request(CREATE, SECRETS.all(namespace), body=body))

    async def change(self, namespace: str, name: str, change: SecretChange) -> SecretView:
        """Apply the change and return the Secret as stored."""
        path = SECRETS.one(namespace, name)
        if change.copy:
            return await self._copy(path, change)
        metadata: dict[str, Any] = {"uid": change.uid, "resourceVersion": change.resource_version}
        if change.labels:
            metadata["labels"] = dict(change.labels)
        if change.annotations:
            metadata["annotations"] = dict(change.annotations)
        if change.owner or change.release:
            # A merge patch replaces lists, so the present one must be known; should it not be the one that was
            # decided on, the resourceVersion is another one too, and the patch is refused.
            present = await self._request(GET, path)
            metadata["ownerReferences"] = _owners(present["metadata"], change)
        body: dict[str, Any] = {"metadata": metadata}
        data = {**dict.fromkeys(change.drop), **_encoded(change.material)}
        if data:
            body["data"] = data
        return _view(await self._request(MERGE, path, body=body))

    async def _copy(self, path: Path, change: SecretChange) -> SecretView:
        try:
            return _view(await self._request(EDIT, path, body=_edits(change)))
        except Rejected as refused:
            # An operation that does not fit what is there; if it is something else, the next look will tell.
            raise Conflict(f"{refused}: it is not as it was written") from None

    async def delete(self, namespace: str, name: str, uid: str) -> None:
        """Delete it if it still has that uid; if it is gone, or has another uid, there is nothing to do."""
        try:
            await self._request(DELETE, SECRETS.one(namespace, name), body={"preconditions": {"uid": uid}})
        except NotFound:
            return
        except Conflict:
            # Another uid is the usual reason, but success is claimed only where it is seen.
            found = await self.read(namespace, name)
            if found is not None and found.uid == uid:
                raise

    async def _request(self, verb: Verb, path: Path, *, body: Json = None) -> Json:
        """Ask the API server; a right that went with its namespace is told from one that was never given."""
        try:
            return await self._client.request(verb, path, body=body)
        except Forbidden:
            if path.namespace and await is_ending(self._client, path.namespace):
                raise NamespaceTerminating(f"{said(verb, path)}: the namespace is being deleted") from None
            raise


def _view(found: dict[str, Any]) -> SecretView:
    metadata = found["metadata"]
    owner = controller(metadata)
    return SecretView(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        created=instant(metadata["creationTimestamp"]),
        material=Material({key: b64decode(value) for key, value in (found.get("data") or {}).items()}),
        owner=owner["uid"] if owner else None,
        immutable=bool(found.get("immutable")),
        type=found.get("type", "Opaque"),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        written=max(
            (instant(item["time"]) for item in metadata.get("managedFields") or () if "time" in item), default=None
        ),
    )


def _encoded(material: Material) -> dict[str, str]:
    # Sent to the API server and nowhere else: this is what a Secret is.
    return {key: _base64(value) for key, value in material.reveal().items()}


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _edits(change: SecretChange) -> list[dict[str, str]]:
    """Return the operations of a JSON patch; a map that is not there makes it fail."""
    copied = [{"op": "copy", "from": f"/data/{old}", "path": f"/data/{new}"} for new, old in change.copy.items()]
    dropped = [{"op": "remove", "path": f"/data/{key}"} for key in change.drop]
    notes = {"labels": change.labels, "annotations": change.annotations}
    noted = [(f"/metadata/{kind}/{_escaped(key)}", value) for kind, new in notes.items() for key, value in new.items()]
    return [
        {"op": "replace", "path": "/metadata/uid", "value": change.uid},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": change.resource_version},
        *(
            {"op": "test", "path": f"/data/{key}", "value": _base64(text.encode())}
            for key, text in change.expect.items()
        ),
        *copied,
        *dropped,
        *({"op": "add", "path": f"/data/{key}", "value": value} for key, value in _encoded(change.material).items()),
        *({"op": "remove", "path": place} for place, value in noted if value is None),
        *({"op": "add", "path": place, "value": value} for place, value in noted if value is not None),
    ]


def _escaped(key: str) -> str:
    """Return a key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _reference(owner: Owner) -> dict[str, Any]:
    return {
        "apiVersion": CREDENTIALS.api_version,
        "kind": CREDENTIALS.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        # True would need the right to update finalizers of the owner, and would hold up its deletion.
        "blockOwnerDeletion": False,
    }


def _owners(metadata: dict[str, Any], change: SecretChange) -> list[dict[str, Any]]:
    gone = {change.release, change.owner.uid if change.owner else None}
    kept = [reference for reference in metadata.get("ownerReferences") or () if reference["uid"] not in gone]
    return [*kept, _reference(change.owner)] if change.owner else kept
