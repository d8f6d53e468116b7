"""RotationRequest objects at the API server (port `Requests`): the status is replaced as a whole."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from rekey.core import faults
from rekey.core.facts import Key
from rekey.core.reasons import Reason
from rekey.core.request import Request, RequestStatus
from rekey.core.spec_request import RotationRequestSpec
from rekey.errors import NotFound, Rejected
from rekey.kube.api import DELETE, EDIT, GET, REQUESTS
from rekey.kube.client import Client
from rekey.kube.objects import instant, new_status


def parse(found: dict[str, Any]) -> Request:
    """Return the request.

    Raises:
        Rejected: it is of a shape that this version of Rekey does not know.
    """
    metadata = found["metadata"]
    try:
        spec = RotationRequestSpec.model_validate(found.get("spec"))
        status = RequestStatus.model_validate(found.get("status") or {})
    except ValidationError as error:
        text = f"{metadata['namespace']}/{metadata['name']}: {faults.first('', error)}"
        raise Rejected(Reason.INVALID_SPEC, text[:1000]) from error
    return Request(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata["generation"],
        created=instant(metadata["creationTimestamp"]),
        deleting="deletionTimestamp" in metadata,
        spec=spec,
        status=status,
    )


class KubeRequests:
    """The port over the API server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, key: Key) -> Request | None:
        """Return the request by an uncached read, None if there is none."""
        try:
            return parse(await self._client.request(GET, REQUESTS.one(key.namespace, key.name)))
        except NotFound:
            return None

    async def save(self, request: Request, status: RequestStatus) -> Request:
        """Replace its status and return the request as stored."""
        patch = new_status(request.resource_version, status.to_json())
        path = REQUESTS.one(request.key.namespace, request.key.name, "status")
        return parse(await self._client.request(EDIT, path, body=patch))

    async def delete(self, request: Request) -> None:
        """Delete it if it is as it was read; if it is gone there is nothing to do."""
        body = {"preconditions": {"uid": request.uid, "resourceVersion": request.resource_version}}
        try:
            await self._client.request(DELETE, REQUESTS.one(request.key.namespace, request.key.name), body=body)
        except NotFound:
            return
