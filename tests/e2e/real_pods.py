"""Real pods that report what they read, beside what the API server says at the same time.

All clocks are one: pods, servers and tests run on the same machine.
"""

import hashlib
import json
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.cluster import images, network
from tests.e2e.history import shown
from tests.e2e.manifests import Manifest
from tests.e2e.reader import Reader, Watch, folder

SCRIPT = Path(__file__).with_name("reporter.py")
# As the operator asks.
_NOT_ENDED = f"fieldSelector={quote('status.phase!=Succeeded,status.phase!=Failed')}"
_EVERY = 0.25
_WATCHED = ("secrets", "rotatedcredentials")
_KEYS = ("version", "token")


@dataclass(frozen=True)
class Reading:
    """What a container read at one moment."""

    at: float
    pod: str
    app: str
    version: int
    digest: str


@dataclass(frozen=True)
class Look:
    """A credential and the pods as the operator's gate would see them: asked for from `begin` on, known at `end`."""

    begin: float
    end: float
    credential: dict[str, Any]
    pods: list[dict[str, Any]]


@dataclass
class Record:
    """Everything that was written down."""

    bundle: str
    readings: list[Reading] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    changes: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def stored(self) -> dict[int, tuple[float, str]]:
        """Return since when each version is stored, and the digest of its value."""
        found: dict[int, tuple[float, str]] = {}
        for at, _, body in self.changes:
            if number := self._number(body):
                value = b64decode(body["data"]["token"])
                found.setdefault(number, (at, hashlib.sha256(value).hexdigest()))
        return found

    def gone(self) -> dict[int, float]:
        """Return since when each version is not accepted: the first sign of it, in status, bundle or version Secret."""
        found: dict[int, float] = {}
        offered: set[int] = set()
        for at, kind, body in self.changes:
            ended = set()
            if body["kind"] == "RotatedCredential":
                versions = (body.get("status") or {}).get("versions") or ()
                ended = {one["number"] for one in versions if one["state"] in {"Revoking", "Revoked", "Discarded"}}
            elif body["metadata"]["name"] == self.bundle:
                now = {shown(body, prefix) for prefix in ("", "previous.")} if kind != "DELETED" else set()
                ended, offered = offered - now, {number for number in now if number}
            elif kind == "DELETED" and (number := self._number(body)):
                ended = {number}
            for number in ended:
                found.setdefault(number, at)
        return found

    def current(self, begin: float, end: float) -> set[int]:
        """Return every version that the bundle showed as current between these times."""
        steps = [
            (at, number)
            for at, kind, body in self.changes
            if body["metadata"]["name"] == self.bundle and kind != "DELETED" and (number := shown(body, ""))
        ]
        before = [number for at, number in steps if at <= begin]
        return set(before[-1:]) | {number for at, number in steps if begin < at <= end}

    def _number(self, body: dict[str, Any]) -> int | None:
        text = str(body["metadata"]["name"]).removeprefix(f"{self.bundle}-v")
        return int(text) if body["kind"] == "Secret" and text.isdigit() else None


@contextmanager
def recording(reader: Reader, namespace: str, bundle: str) -> Iterator[tuple[Record, str]]:
    """Give a record that goes on by itself, and the address to which pods report."""
    record, over = Record(bundle), threading.Event()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        listener.bind((network.GATEWAY, 0))
        listener.settimeout(_EVERY)
        watches = [stack.enter_context(_watching(reader, folder(kind, namespace))) for kind in _WATCHED]
        jobs = [
            partial(_listen, record, listener, over),
            partial(_look, record, reader, namespace, over),
            *(partial(_follow, record, watch) for watch in watches),
        ]
        threads = [threading.Thread(target=_kept, args=(record, job), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        try:
            yield record, ":".join(map(str, listener.getsockname()))
        finally:
            over.set()
            for watch in watches:
                watch.close()
            for thread in threads:
                thread.join(10)


@contextmanager
def _watching(reader: Reader, path: str) -> Iterator[Watch]:
    found = reader.get(path)
    assert found["items"] == [], "the record begins before there is anything"
    with closing(reader.watch(path, found["metadata"]["resourceVersion"])) as watch:
        yield watch


def _kept(record: Record, job: Callable[[], None]) -> None:
    try:
        job()
    except BaseException as fault:  # noqa: BLE001  it is raised again by the test
        record.faults.append(fault)


def _listen(record: Record, listener: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        try:
            said = listener.recv(2048)
        except TimeoutError:
            continue
        record.readings.append(Reading(**json.loads(said)))


def _follow(record: Record, watch: Watch) -> None:
    for kind, body in watch:
        assert kind != "ERROR", body
        record.changes.append((time.time(), kind, body))


def _look(record: Record, reader: Reader, namespace: str, over: threading.Event) -> None:
    while not over.wait(_EVERY):
        begin = time.time()
        credential = reader.get(f"{folder('rotatedcredentials', namespace)}/{record.bundle}")
        pods = reader.get(f"{folder('pods', namespace)}?{_NOT_ENDED}")["items"]
        if credential is not None:
            record.looks.append(Look(begin, time.time(), credential, pods))


def script() -> Manifest:
    """Return the ConfigMap with what the pods run."""
    data = {SCRIPT.name: SCRIPT.read_text()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "reporter"}, "data": data}


def deployment(app: str, how: str, bundle: str, listener: str, fail_on: str = "") -> Manifest:
    """Return a Deployment of one pod that reads the bundle by `env`, by `volume` or by `subPath`."""
    env = [
        {"name": "HOW", "value": "env" if how == "env" else "file"},
        {"name": "APP", "value": app},
        {"name": "LISTENER", "value": listener},
        {"name": "FAIL_ON", "value": fail_on},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    volumes: list[Manifest] = [{"name": "script", "configMap": {"name": "reporter"}}]
    mounts: list[Manifest] = [{"name": "script", "mountPath": "/script"}]
    if how == "env":
        env += [{"name": key.upper(), "valueFrom": {"secretKeyRef": {"name": bundle, "key": key}}} for key in _KEYS]
    else:
        volumes.append({"name": "bundle", "secret": {"secretName": bundle}})
        paths = {"": None} if how == "volume" else {f"/{key}": key for key in _KEYS}
        mounts += [
            {"name": "bundle", "mountPath": f"/credentials{path}", **({"subPath": key} if key else {})}
            for path, key in paths.items()
        ]
    container = {
        "name": "reader",
        "image": images.READER,
        "command": ["python3", f"/script/{SCRIPT.name}"],
        "env": env,
        "volumeMounts": mounts,
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 2}
    template = {"metadata": {"labels": {"app": app}}, "spec": pod}
    body = {"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app}, "spec": body}
