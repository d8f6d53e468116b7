"""One look at the demo's namespace, made into a plain picture in which no secret value is left."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.e2e.manifests import ANNOTATION
from tests.e2e.reader import Reader, folder

NAME = "orders-api-key"
APP = "orders"
FIRST = 1
"""Pods whose template names no version are from before the first rotation."""


@dataclass(frozen=True)
class Version:
    """A version on record."""

    number: int
    state: str
    issued: datetime
    activated: datetime | None
    retired: datetime | None
    overlap_start: datetime | None


@dataclass(frozen=True)
class Pod:
    """A pod of the Deployment, and the version that was current when it was made."""

    name: str
    version: int
    state: str


@dataclass(frozen=True)
class Event:
    """An Event about the credential."""

    at: datetime
    reason: str
    note: str
    warning: bool


@dataclass(frozen=True)
class Look:
    """Everything that is shown, at one moment."""

    at: datetime
    current: int | None = None
    step: str | None = None
    next_time: datetime | None = None
    overlap_end: datetime | None = None
    versions: tuple[Version, ...] = ()
    pods: tuple[Pod, ...] = ()
    keys: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


def look(reader: Reader, namespace: str, now: datetime) -> Look:
    """Look once, uncached."""
    found = reader.get(f"{folder('rotatedcredentials', namespace)}/{NAME}") or {}
    bundle = reader.get(f"{folder('secrets', namespace)}/{NAME}") or {}
    pods = reader.get(folder("pods", namespace))["items"]
    events = reader.get(folder("events", namespace))["items"]
    status = found.get("status") or {}
    return Look(
        at=now,
        current=status.get("currentVersion"),
        step=(status.get("rotation") or {}).get("step"),
        next_time=_time(status.get("nextRotationTime")),
        overlap_end=_time(status.get("overlapEndTime")),
        versions=tuple(map(_version, status.get("versions") or ())),
        pods=tuple(_pod(pod) for pod in sorted(pods, key=_age) if _is_ours(pod)),
        keys=tuple(sorted(bundle.get("data") or ())),
        events=tuple(sorted(map(_event, filter(_is_about_us, events)), key=lambda event: event.at)),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _version(found: dict[str, Any]) -> Version:
    return Version(
        number=found["number"],
        state=found["state"],
        issued=datetime.fromisoformat(found["issuedTime"]),
        activated=_time(found.get("activatedTime")),
        retired=_time(found.get("retireTime")),
        overlap_start=_time(found.get("overlapStartTime")),
    )


def _pod(found: dict[str, Any]) -> Pod:
    notes = found["metadata"].get("annotations") or {}
    conditions = found.get("status", {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    state = "ending" if "deletionTimestamp" in found["metadata"] else "ready" if ready else "starting"
    return Pod(found["metadata"]["name"], int(notes.get(f"{ANNOTATION}{NAME}", FIRST)), state)


def _age(pod: dict[str, Any]) -> tuple[str, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def _is_ours(pod: dict[str, Any]) -> bool:
    return (pod["metadata"].get("labels") or {}).get("app") == APP


def _is_about_us(event: dict[str, Any]) -> bool:
    return (event["regarding"].get("kind"), event["regarding"].get("name")) == ("RotatedCredential", NAME)


def _event(found: dict[str, Any]) -> Event:
    at = datetime.fromisoformat(found["eventTime"])
    return Event(at, found["reason"], found.get("note", ""), found["type"] == "Warning")
