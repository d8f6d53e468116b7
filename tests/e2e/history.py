"""What happened in a namespace, in the API server's own order, and who held what; `tests/model/checker.py` judges it.

1. resourceVersions are etcd's revisions: they order the changes of all objects, deletions too.
2. Times are the servers' own: `managedFields` of a bundle, `startedAt` of a container; both are cut to whole seconds.
3. A pod holds what the bundle showed as current at its start, or within the kubelet's cache lag before.
4. Whatever the test did itself is noted in `Hands`: every other change of a Secret was the operator's.
"""

import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.cluster.waiting import until
from tests.e2e.manifests import ANNOTATION
from tests.e2e.reader import Reader, folder
from tests.e2e.stage import started

WATCHED = ("secrets", "pods", "deployments", "replicasets", "rotatedcredentials")
LAG = timedelta(seconds=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Change:
    """One change of one object, as it was afterwards (or last, if it is gone); `seen`: not before it happened."""

    version: int
    resource: str
    gone: bool
    body: dict[str, Any]
    seen: datetime | None = None

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(self.body["metadata"]["name"])


@dataclass
class Hands:
    """What the test did itself: the resourceVersions that its writes led to, the uids of what it deleted."""

    versions: set[int] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def did(self, change: Change) -> bool:
        """Tell whether the change is the test's own."""
        return change.body["metadata"]["uid"] in self.deleted if change.gone else change.version in self.versions


class Recorder:
    """Writes down every change in a namespace."""

    def __init__(self, reader: Reader, namespace: str) -> None:
        self._reader, self._namespace = reader, namespace
        self._changes: list[Change] = []
        self.hands = Hands()
        self.listed: dict[str, int] = {}
        self._watches = []
        for resource in WATCHED:
            path = folder(resource, namespace)
            found = reader.get(path)
            self.listed[resource] = int(found["metadata"]["resourceVersion"])
            self._changes += [_change(resource, "ADDED", item) for item in found["items"]]
            watch = reader.watch(path, found["metadata"]["resourceVersion"])
            self._watches.append(watch)
            threading.Thread(target=self._follow, args=(resource, watch), daemon=True).start()

    def _follow(self, resource: str, watch: Iterable[tuple[str, dict[str, Any]]]) -> None:
        for kind, body in watch:
            assert kind != "ERROR", body
            self._changes.append(_change(resource, kind, body))

    def close(self) -> None:
        """Stop writing down."""
        for watch in self._watches:
            watch.close()

    def history(self) -> "History":
        """Return all that happened until now."""
        until(self._is_complete, f"the record of {self._namespace}", seconds=30)
        return self.told()

    def told(self) -> "History":
        """Return what was heard until now, whether or not that is all."""
        return History(list(self._changes), self.hands)

    def _is_complete(self) -> bool:
        return all(self._knows(resource) for resource in WATCHED)

    def _knows(self, resource: str) -> bool:
        there = {
            item["metadata"]["resourceVersion"] for item in self._reader.get(folder(resource, self._namespace))["items"]
        }
        last = {one.name: one for one in sorted(self._changes, key=_order) if one.resource == resource}
        return there == {one.body["metadata"]["resourceVersion"] for one in last.values() if not one.gone}


@contextmanager
def recording(reader: Reader, namespace: str) -> Iterator[Recorder]:
    """Give a recorder of the namespace."""
    recorder = Recorder(reader, namespace)
    try:
        yield recorder
    finally:
        recorder.close()


def _change(resource: str, kind: str, body: dict[str, Any]) -> Change:
    return Change(int(body["metadata"]["resourceVersion"]), resource, kind == "DELETED", body, datetime.now(UTC))


def _order(change: Change) -> int:
    return change.version


class History:
    """All changes in their order, and what may be asked about them."""

    def __init__(self, changes: Iterable[Change], hands: Hands | None = None) -> None:
        self.changes = sorted(changes, key=_order)
        self.hands = hands or Hands()

    def of(self, resource: str, name: str) -> list[Change]:
        """Return the changes of one object."""
        return [change for change in self.changes if change.resource == resource and change.name == name]

    def made(self, bundle: str) -> dict[int, int]:
        """Return how often each version's Secret was made."""
        known: set[str] = set()
        counts: Counter[int] = Counter()
        for change in self.changes:
            number = number_of(change, bundle)
            if number is None:
                continue
            uid = change.body["metadata"]["uid"]
            counts[number] += uid not in known
            known.add(uid)
        return dict(counts)

    def values(self, bundle: str, key: str) -> dict[int, set[str]]:
        """Return every value under which each version was ever shown or stored."""
        found: dict[int, set[str]] = {}
        for change in self.changes:
            if change.resource != "secrets":
                continue
            data = change.body.get("data") or {}
            if number := number_of(change, bundle):
                found.setdefault(number, set()).add(data[key])
            elif change.name == bundle:
                for prefix in ("", "previous."):
                    if number := shown(change.body, prefix):
                        found.setdefault(number, set()).add(data.get(prefix + key, "missing"))
        return found

    def named(self, deployment: str, credential: str) -> list[str | None]:
        """Return the versions that a pod template named, in turn."""
        bodies = [change.body for change in self.of("deployments", deployment)]
        notes = [body["spec"]["template"]["metadata"].get("annotations") or {} for body in bodies]
        named = [note.get(f"{ANNOTATION}{credential}") for note in notes]
        return named[:1] + [after for before, after in pairwise(named) if before != after]

    def rolled(self, deployment: str) -> int:
        """Return how many ReplicaSets a Deployment ever had."""
        owned = [change for change in self.changes if change.resource == "replicasets"]
        return len(
            {
                one.body["metadata"]["uid"]
                for one in owned
                if one.body["metadata"]["ownerReferences"][0]["name"] == deployment
            }
        )

    def locked_out(self, bundle: str) -> list[str]:
        """Return who ever held a version that was refused at that moment: nobody, it was promised."""
        now = Now(bundle, self.hands)
        found = []
        for change in self.changes:
            now.see(change)
            found += [f"at {change.version} ({change.resource}/{change.name}) {text}" for text in now.locked_out()]
        return found


class Now:
    """The namespace at one moment of its history, as far as one bundle is concerned.

    What the test itself deleted or wrote into a bundle is nobody's promise: those versions count as accepted, and the
    bundle is not judged until the operator has written it again.
    """

    def __init__(self, bundle: str, hands: Hands) -> None:
        self.bundle, self._hands = bundle, hands
        self.running: dict[str, datetime] = {}
        self.stored: set[int] = set()
        self.excused: set[int] = set()
        self.tampered = False
        self._shown: list[tuple[datetime, int | None]] = []
        self._offered: set[int] | None = None
        self._data: dict[str, str] | None = {}

    def see(self, change: Change) -> None:
        """Let the change happen."""
        if change.resource == "pods":
            self._pod(change)
        elif change.resource == "secrets" and change.name == self.bundle:
            self._bundle(change)
        elif number := number_of(change, self.bundle):
            (self.stored.discard if change.gone else self.stored.add)(number)
            (self.excused.add if change.gone and self._hands.did(change) else self.excused.discard)(number)

    def _pod(self, change: Change) -> None:
        self.running.pop(change.name, None)
        if not change.gone and (start := started(change.body)) and uses(change.body, self.bundle):
            self.running[change.name] = start

    def _bundle(self, change: Change) -> None:
        data = None if change.gone else change.body.get("data")
        # A write that leaves what somebody wrote there as it is, to put the owner back say, makes it nobody else's.
        self.tampered = self._hands.did(change) if data != self._data else self.tampered
        self._data = data
        current, before = shown(change.body, ""), shown(change.body, "previous.")
        if self.tampered:
            current = None
        else:
            self._offered = set() if change.gone else {number for number in (current, before) if number}
        if not change.gone and (current or self.tampered):
            self._shown.append((written(change.body), current))

    def accepted(self) -> set[int] | None:
        """Return what those accept who go by the bundle and the version Secrets; None where that cannot be told."""
        return None if self._offered is None or self.tampered else (self._offered & self.stored) | self.excused

    def locked_out(self) -> list[str]:
        """Return who holds now what is refused."""
        accepted = self.accepted()
        if accepted is None:
            return []
        held = {pod: self.holds(start) - accepted for pod, start in self.running.items()}
        return [
            f"{pod} holds {sorted(refused)}, accepted: {sorted(accepted)}" for pod, refused in held.items() if refused
        ]

    def holders(self, number: int) -> list[str]:
        """Return the pods that may hold a version."""
        return [pod for pod, start in self.running.items() if number in self.holds(start)]

    def holds(self, start: datetime) -> set[int]:
        """Return the versions that a container started then may have read."""
        ends = [since for since, _ in self._shown[1:]] + [datetime.max.replace(tzinfo=start.tzinfo)]
        spans = zip(self._shown, ends, strict=True)
        return {number for (since, number), end in spans if number and since < start + SECOND and end >= start - LAG}

    def superseded(self, number: int) -> datetime | None:
        """Return when the version was last replaced as current; None if it never was, or is current."""
        found = None
        for (_, before), (since, after) in pairwise(self._shown):
            if before == number != after:
                found = since
        return None if self._shown and self._shown[-1][1] == number else found

    def was_shown(self, number: int) -> bool:
        """Tell whether the version was ever current."""
        return any(current == number for _, current in self._shown)


def shown(body: dict[str, Any], prefix: str) -> int | None:
    """Return the number that a bundle shows as current or previous."""
    text = (body.get("data") or {}).get(f"{prefix}version")
    raw = b64decode(text) if text else b""
    return int(raw) if raw.isdigit() else None


def number_of(change: Change, bundle: str) -> int | None:
    """Return the number of the version whose Secret this is, None if it is none of that bundle."""
    text = change.name.removeprefix(f"{bundle}-v")
    return int(text) if change.resource == "secrets" and text != change.name and text.isdigit() else None


def written(body: dict[str, Any]) -> datetime:
    """Return when a field was last set; that one was taken away leaves no time."""
    times = [entry["time"] for entry in body["metadata"].get("managedFields") or () if "time" in entry]
    return max(map(datetime.fromisoformat, times), default=datetime.fromtimestamp(0, UTC))


def uses(pod: dict[str, Any], bundle: str) -> bool:
    """Tell whether a pod takes a variable from the bundle."""
    variables = [one for container in pod["spec"]["containers"] for one in container.get("env", ())]
    return any(one.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == bundle for one in variables)
