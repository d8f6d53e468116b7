"""What is left in a namespace, without what differs from run to run, and what was promised about the way there."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.e2e.history import History
from tests.e2e.manifests import ANNOTATION, Manifest
from tests.faults.admin import Key
from tests.faults.lives import NAME, RESOURCES, Life

_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\b[0-9a-f]{8}-(?=\d+\b)"), "ID-"),
    (re.compile(r'("resourceVersion|rekey.dev/token-id)": "\w+"'), r'\1": ""'),
)


def end(there: Mapping[Key, Manifest], history: History) -> dict[str, Any]:
    """Return what is there, in a form that is the same for every run that ended alike."""
    names = {text: f"value {number}" for number, values in history.values(NAME, "token").items() for text in values}
    found = {f"{resource}/{name}": _kept(resource, body, names) for (resource, name), body in there.items()}
    return {key: _plain(kept) for key, kept in sorted(found.items()) if kept is not None}


def _kept(resource: str, body: Manifest, names: Mapping[str, str]) -> Any:
    metadata = body["metadata"]
    match resource:
        case "rotatedcredentials":
            return {"finalizers": metadata.get("finalizers"), "spec": body["spec"], "status": _status(body)}
        case "secrets":
            about = ("labels", "annotations", "ownerReferences")
            data = {key: names.get(text) or b64decode(text).decode() for key, text in body.get("data", {}).items()}
            kept = {name: metadata.get(name) for name in about}
            return {**kept, "data": data, "immutable": body.get("immutable"), "type": body["type"]}
        case "deployments" | "statefulsets" | "daemonsets":
            notes = body["spec"]["template"]["metadata"].get("annotations")
            return {"generation": metadata["generation"], "annotations": notes}
        case _:
            return None


def _status(body: Manifest) -> Manifest:
    """Of a version whose record was lost nobody knows since when it was shown, and why it was made, but its number."""
    status = body.get("status", {})
    versions = [{**version, "activatedTime": ""} for version in status.get("versions", ())]
    rotation = {**(status.get("rotation") or {}), "cause": ""}
    return {**status, "versions": versions, "rotation": rotation}


def _plain(kept: Any) -> Any:
    text = json.dumps(kept, sort_keys=True)
    for varying, fixed in _VARYING:
        text = varying.sub(fixed, text)
    return json.loads(text)


def differences(found: Any, wanted: Any, where: str = "") -> Iterator[str]:
    """Give each place where the two differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from differences(found.get(key, "nothing"), wanted.get(key, "nothing"), f"{where}/{key}")
    elif found != wanted:
        yield f"{where}: {found!r} instead of {wanted!r}"


def first(there: Mapping[Key, Manifest]) -> bool:
    """Tell whether the first version is there and the status says so."""
    status = there.get(("rotatedcredentials", NAME), {}).get("status") or {}
    said = {one["type"]: one["reason"] for one in status.get("conditions", ())}
    return settled(there, {1: "Active"}) and said.get("Ready") == "Active" and "rotation" not in status


def settled(there: Mapping[Key, Manifest], ends: Mapping[int, str]) -> bool:
    """Tell whether the versions are in these states and nothing is under way; with none wanted: whether it is gone."""
    found = there.get(("rotatedcredentials", NAME))
    if not ends or found is None:
        return not ends and found is None
    status = found.get("status") or {}
    step = (status.get("rotation") or {}).get("step")
    states = {version["number"]: version["state"] for version in status.get("versions", ())}
    return states == dict(ends) and step in {None, "RolledBack"}


def broken(life: Life, history: History) -> Iterator[str]:
    """Give every promise that was broken on the way."""
    if (made := history.made(NAME)) != dict.fromkeys(life.made, 1):
        yield f"versions were made so often: {made}"
    for number, values in history.values(NAME, "token").items():
        if len(values) != 1:
            yield f"version {number} had {len(values)} values"
    if life.ends:
        yield from (f"locked out: {text}" for text in history.locked_out(NAME)[:3])
    for workload in life.workloads:
        if (found := tuple(_named(history, RESOURCES[workload["kind"]]))) != life.templates:
            yield f"the {workload['kind']} was moved through {found}"


def _named(history: History, resource: str) -> list[str | None]:
    bodies = [change.body for change in history.of(resource, NAME)]
    notes = [body["spec"]["template"]["metadata"].get("annotations") or {} for body in bodies]
    named = [note.get(f"{ANNOTATION}{NAME}") for note in notes]
    return named[:1] + [after for before, after in pairwise(named) if before != after]
