"""A history written by hand, line by line: what the unit tests of the checker are made of."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.e2e.history import Change, Hands, History
from tests.e2e.manifests import ANNOTATION, credential, pod, workload

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
UID = "uid-api"


def encoded(values: dict[str, object]) -> dict[str, str]:
    """Return the data of a Secret."""
    return {key: b64encode(str(value).encode()).decode() for key, value in values.items()}


class Sheet:
    """Changes in their order; time passes by `wait`."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._hands = Hands()
        self._time = NOON
        self._spec: dict[str, Any] = {}
        self._status: dict[str, Any] = {}

    def history(self) -> History:
        """Return what was written down."""
        return History(self._changes, self._hands)

    def wait(self, seconds: int) -> Self:
        """Let time pass."""
        self._time += timedelta(seconds=seconds)
        return self

    def put(self, resource: str, body: dict[str, Any], *, gone: bool = False, by_hand: bool = False) -> Self:
        """Write a change down."""
        number = len(self._changes) + 1
        meta = {"creationTimestamp": f"{NOON:%FT%TZ}", "managedFields": [{"time": f"{self._time:%FT%TZ}"}]}
        body = {**body, "metadata": {"uid": body["metadata"]["name"], **meta, **body["metadata"]}}
        if by_hand:
            self._hands.deleted |= {body["metadata"]["uid"]} if gone else set()
            self._hands.versions |= set() if gone else {number}
        self._changes.append(Change(number, resource, gone, body, self._time))
        return self

    def spec(self, **spec: Any) -> Self:
        """Apply the credential `api`."""
        self._spec = {**credential("api", **spec)["spec"]}
        return self._credential(by_hand=True)

    def ledger(self, *states: str, at_rest: bool = True, **status: Any) -> Self:
        """Let the operator write the status: the states of the versions, from 1 on, `-rolled` for one that failed."""
        versions = [
            {
                "number": number,
                "state": state.removesuffix("-rolled").removesuffix("-forced"),
                "secretName": f"api-v{number}",
                **({"rolledBack": True} if state.endswith("-rolled") else {}),
                **({"forced": True} if state.endswith("-forced") else {}),
            }
            for number, state in enumerate(states, 1)
        ]
        current = next((one["number"] for one in versions if one["state"] == "Active"), None)
        conditions = [{"type": "Ready", "status": "True", "reason": "Active", "message": "all is well"}]
        known = {"observedTrigger": self._spec["rotation"].get("trigger"), "observedGeneration": 1}
        step = {} if at_rest else {"rotation": {"step": "Overlap"}}
        new = {"versions": versions, "currentVersion": current, "conditions": conditions, **known, **step, **status}
        self._status = new
        return self._credential()

    def _credential(self, *, gone: bool = False, by_hand: bool = False, **meta: Any) -> Self:
        full = {"name": "api", "uid": UID, "generation": 1, **meta}
        return self.put(
            "rotatedcredentials",
            {"metadata": full, "spec": self._spec, "status": self._status},
            gone=gone,
            by_hand=by_hand,
        )

    def deleting(self) -> Self:
        """Ask for the deletion of the credential."""
        return self._credential(by_hand=True, deletionTimestamp=f"{self._time:%FT%TZ}")

    def left(self) -> Self:
        """Let the credential go."""
        return self._credential(gone=True)

    def secret(self, name: str, owner: str = UID, *, gone: bool = False, by_hand: bool = False, **more: Any) -> Self:
        """Write or delete a Secret; an owner of "" is nobody."""
        references = [{"uid": owner, "controller": True}] if owner else []
        meta = {"name": name, "ownerReferences": references, **more.pop("meta", {})}
        return self.put("secrets", {"metadata": meta, "data": encoded(more)}, gone=gone, by_hand=by_hand)

    def version(self, number: int, **options: Any) -> Self:
        """Make the Secret of a version, or delete it."""
        return self.secret(f"api-v{number}", **{"token": f"value-{number}", **options})

    def bundle(self, current: int, previous: int | None = None, **options: Any) -> Self:
        """Write the bundle."""
        data: dict[str, Any] = {"token": f"value-{current}", "version": current}
        if previous:
            data |= {"previous.token": f"value-{previous}", "previous.version": previous}
        return self.secret("api", **{**data, **options})

    def verifier(self, *versions: int, **options: Any) -> Self:
        """Write what verifiers read."""
        entries = {"entries": [{"version": number} for number in versions]}
        return self.secret("api-verifier", **{"verifier.json": json.dumps(entries), **options})

    def pod(self, name: str = "web-1", *, gone: bool = False) -> Self:
        """Start a pod that reads the bundle now, or end it."""
        state = {"running": {"startedAt": f"{self._time:%FT%TZ}"}}
        return self.put("pods", {**pod(name, "api"), "status": {"containerStatuses": [{"state": state}]}}, gone=gone)

    def template(self, by_hand: bool = False, **versions: str) -> Self:  # noqa: FBT001, FBT002
        """Write a Deployment whose template names these versions."""
        notes = {f"{ANNOTATION}{name}": value for name, value in versions.items()}
        return self.put("deployments", workload("web", "api", notes=notes), by_hand=by_hand)
