"""A request as a call with a stable identity, and how far the credential that it is about has come.

1. Every case has a namespace of its own with one credential: whatever names the namespace is about that credential.
2. A write is known by the part of the credential's life it falls into (its last saved status), its object and how
   often that was written there; a read also by the write before it. So neither a restart nor another credential
   changes the number of a call. Events come in any order: one is known by its reason.
3. Leases, and what names no namespace, are no calls of a credential: they pass untouched and uncounted.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from tests.faults.matrix import Kind

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)
_UNTOUCHED = {"coordination.k8s.io"}
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}
CREDENTIALS = "rotatedcredentials"
STATUS = f"{CREDENTIALS}/status"
AGAIN = 2
"""Of reads that are repeated while nothing is written (polls) the first two are told apart."""


@dataclass(frozen=True)
class Call:
    """One request about one credential."""

    namespace: str
    kind: Kind
    verb: str
    resource: str
    name: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.verb, self.resource, self.name)))


@dataclass(frozen=True, order=True)
class Point:
    """The identity of a call."""

    kind: Kind
    label: str
    within: str
    nth: int

    def __str__(self) -> str:
        where = f" ({self.within})" if self.within else ""
        return f"{self.label} #{self.nth}{where}"


def read(method: str, path: str, query: str, body: bytes) -> Call | None:
    """Return the call that a request is, None if it is none of a credential."""
    found = _PATH.match(path)
    if found is None or found["group"] in _UNTOUCHED:
        return None
    resource = "/".join(filter(None, (found["resource"], found["sub"])))
    if method == "GET":
        return _reading(found, resource, parse_qs(query))
    parsed = json.loads(body) if body else {}
    verb, name = _VERBS[method], found["name"] or parsed.get("metadata", {}).get("name", "")
    if resource == "events":
        return Call(found["namespace"], Kind.EVENT, verb, resource, parsed.get("reason", ""))
    return Call(found["namespace"], Kind.WRITE, verb, resource, name)


def _reading(found: re.Match[str], resource: str, query: dict[str, list[str]]) -> Call:
    if "watch" in query:
        return Call(found["namespace"], Kind.WATCH, "watch", resource, "")
    if found["name"]:
        return Call(found["namespace"], Kind.READ, "get", resource, found["name"])
    kind = Kind.LIST if resource == CREDENTIALS else Kind.READ
    return Call(found["namespace"], kind, "list", resource, "")


def summary(obj: dict[str, Any]) -> str:
    """Return how far a credential has come, in a word: `RollingOut 1:Retiring 2:Active`."""
    status = obj.get("status") or {}
    step = (status.get("rotation") or {}).get("step", "")
    versions = [f"{one['number']}:{one['state']}" for one in status.get("versions", ())]
    leaving = "deleting" if "deletionTimestamp" in obj.get("metadata", {}) else ""
    return " ".join(filter(None, (leaving, step, *versions))) or "new"


class Track:
    """How far one credential has come, and which calls there were."""

    def __init__(self) -> None:
        self.within = "new"
        self._last = ""
        self._counts: Counter[tuple[Kind, str, str]] = Counter()

    def point(self, call: Call) -> Point:
        """Count a call and return its identity."""
        match call.kind:
            case Kind.EVENT | Kind.LIST | Kind.WATCH:
                within = ""
            case Kind.READ:
                within = f"{self.within}{self._last}"
            case _:
                within = self.within
        return self._numbered(call.kind, str(call), within)

    def news(self, resource: str, event: dict[str, Any]) -> Point:
        """Count an event of a watch and return its identity."""
        what, obj = event["type"], event["object"]
        about = summary(obj) if resource == CREDENTIALS else obj.get("metadata", {}).get("name", "")
        return self._numbered(Kind.NEWS, f"{what} {resource}", about)

    def _numbered(self, kind: Kind, label: str, within: str) -> Point:
        self._counts[kind, label, within] += 1
        return Point(kind, label, within, self._counts[kind, label, within])

    def wrote(self, call: Call, stored: dict[str, Any]) -> None:
        """Take note that a write was carried out."""
        if call.kind is not Kind.WRITE:
            return
        if call.resource in {STATUS, CREDENTIALS}:
            self.enter(summary(stored))
        self._last = f", after {call}"

    def enter(self, within: str) -> None:
        """Begin another part of the credential's life."""
        self.within, self._last = within, ""
