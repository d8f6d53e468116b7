"""A credential that this version of Rekey cannot parse: its status and an Event say so.

1. It stays the JSON it is: all else that its status holds is written back as it was.
2. What its status says already is not written again.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from rekey.core.facts import Credential, Key
from rekey.core.reasons import Notice
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import Status
from rekey.errors import NotFound, Rejected, Retryable
from rekey.kube.api import CREDENTIALS, EDIT, GET
from rekey.kube.client import Client
from rekey.kube.credentials import Parser
from rekey.kube.objects import instant
from rekey.ports.cluster import Announcer, Clock, News

_LONGEST: Final = 1024
_ANY: Final = RotatedCredentialSpec.model_validate({"generate": {"token": {}}, "rotation": {"interval": "720h"}})


class Unreadable:
    """Tells people of credentials that cannot be parsed."""

    def __init__(self, client: Client, parser: Parser, announcer: Announcer, clock: Clock) -> None:
        self._client = client
        self._parser = parser
        self._announcer = announcer
        self._clock = clock

    async def refuse(self, key: Key) -> int | None:
        """Write it into the status of this one; return the version of the credential that says so, None if it is gone.

        Raises:
            Retryable: it can be parsed by now.
            Conflict: somebody wrote in between.
        """
        try:
            found = await self._client.request(GET, CREDENTIALS.one(key.namespace, key.name))
        except NotFound:
            return None
        why = self._why(key, found)
        message = f"{why}: until this is mended or Rekey is upgraded, nothing is done for it"
        if "deletionTimestamp" in found["metadata"]:
            message = f"{why}: the finalizer stays until this is mended or Rekey is upgraded"
        said = told(found, why.reason, message[:_LONGEST], self._clock.now())
        if said != found.get("status"):
            patch = [
                {"op": "replace", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]},
                {"op": "add", "path": "/status", "value": said},
            ]
            found = await self._client.request(EDIT, CREDENTIALS.one(key.namespace, key.name, "status"), body=patch)
        self._announce(key, found["metadata"], f"{why.reason}: {message}")
        return int(found["metadata"]["resourceVersion"])

    def _why(self, key: Key, found: dict[str, Any]) -> Rejected:
        try:
            self._parser.parse(found)
        except Rejected as why:
            return why
        raise Retryable(f"{key}: it was mended while its status was about to say that it is broken")

    def _announce(self, key: Key, metadata: dict[str, Any], note: str) -> None:
        uid, generation = metadata["uid"], metadata["generation"]
        created = instant(metadata["creationTimestamp"])
        stub = Credential(key, uid, metadata["resourceVersion"], generation, created, None, (), _ANY, Status())
        tail = sha256(note.encode()).hexdigest()[:8]
        name = f"{key.name}.{uid[:8]}-g{generation}.{Notice.STALLED.lower()}.{tail}"
        self._announcer.announce(stub, News(name, Notice.STALLED, note))


def told(found: dict[str, Any], reason: str, message: str, now: datetime) -> dict[str, Any]:
    """Return the status of the object with a condition that says it is stalled, and all else as it was.

    Whether it is `Ready` is left as it is too: what was delivered still is. Only one that says nothing yet is not.
    """
    status: dict[str, Any] = dict(found.get("status") or {})
    generation = found["metadata"]["generation"]
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    for kind, truth in (("Ready", "False"), ("Stalled", "True")):
        known = conditions.get(kind)
        if kind == "Ready" and known is not None:
            continue
        stays = known is not None and known["status"] == truth
        conditions[kind] = {
            "type": kind,
            "status": truth,
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
            "lastTransitionTime": known["lastTransitionTime"] if known and stays else f"{now:%Y-%m-%dT%H:%M:%SZ}",
        }
    return status | {"observedGeneration": generation, "conditions": list(conditions.values())}
