"""A Lease at the API server: read, made and replaced, each write on what was read before.

1. Whatever somebody wrote into it by hand can be read; what is not ours in it is kept.
2. `renewTime` is later at every write, whatever the machine's clock does, so that others see every renewal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from rekey.core.election import RELEASED, Record
from rekey.errors import NotFound
from rekey.kube.api import CREATE, GET, LEASES, UPDATE
from rekey.kube.client import Client
from rekey.ports.cluster import Clock

WANTED: Final = "rekey.dev/wanted-by"
"""The annotation by which another replica asks for the Lease."""

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """What we write into a Lease; no holder gives it back."""

    holder: str
    duration: float
    transitions: int
    takes: bool = False
    """Whether a term begins with it."""
    renews: bool = True
    """Whether it goes on with the holder's term; if not, whoever asked for the Lease is answered."""


class Lease:
    """One Lease."""

    def __init__(self, client: Client, namespace: str, name: str, clock: Clock) -> None:
        self._client = client
        self._all = LEASES.all(namespace)
        self._one = LEASES.one(namespace, name)
        self._name = name
        self._clock = clock
        self._last: datetime | None = None

    async def read(self) -> Record | None:
        """Return the Lease, None if there is none.

        Raises:
            RekeyError: it could not be read.
        """
        try:
            return record(await self._client.request(GET, self._one))
        except NotFound:
            return None

    async def create(self, claim: Claim) -> Record:
        """Make the Lease and return it as stored.

        Raises:
            Taken: there is one.
        """
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name},
            "spec": self._spec(claim, {}),
        }
        return record(await self._client.request(CREATE, self._all, body=body))

    async def replace(self, known: Record, claim: Claim) -> Record:
        """Write the claim into the Lease as it was read, and return it as stored.

        Raises:
            Conflict: somebody wrote in between.
            NotFound: it is gone.
        """
        body = {**known.body, "spec": self._spec(claim, _part(known.body, "spec"))}
        if claim.takes or not claim.renews:
            body["metadata"] = _noted(known.body, None)
        return record(await self._client.request(UPDATE, self._one, body=body))

    async def ask(self, known: Record, me: str) -> Record:
        """Ask its holder for the Lease; nothing else in it changes.

        Raises:
            Conflict: somebody wrote in between.
            NotFound: it is gone.
        """
        body = {**known.body, "metadata": _noted(known.body, me)}
        return record(await self._client.request(UPDATE, self._one, body=body))

    def _spec(self, claim: Claim, spec: Mapping[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        self._last = now if self._last is None else max(now, self._last + _TICK)
        stamp = self._last.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            **spec,
            "holderIdentity": claim.holder,
            "leaseDurationSeconds": ceil(claim.duration if claim.holder else RELEASED),
            "acquireTime": stamp if claim.takes or "acquireTime" not in spec else spec["acquireTime"],
            "renewTime": stamp,
            "leaseTransitions": claim.transitions,
        }


def record(body: Mapping[str, Any]) -> Record:
    """Return what a Lease says."""
    spec = _part(body, "spec")
    metadata = {name: value for name, value in _part(body, "metadata").items() if name != "managedFields"}
    return Record(
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or 0),
        renewed=f"{spec.get('acquireTime')} {spec.get('renewTime')}",
        transitions=int(spec.get("leaseTransitions") or 0),
        wanted=str((metadata.get("annotations") or {}).get(WANTED) or ""),
        body={**body, "metadata": metadata},
    )


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _noted(body: Mapping[str, Any], wanted: str | None) -> dict[str, Any]:
    """Return the metadata with this request of another, or with none."""
    metadata = dict(_part(body, "metadata"))
    notes = {name: value for name, value in (metadata.get("annotations") or {}).items() if name != WANTED}
    return {**metadata, "annotations": notes if wanted is None else {**notes, WANTED: wanted}}
