"""Writes the history of a simulated world down, in the words of a real one, for the checker to judge."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from rekey.core.facts import Credential
from rekey.ports.secrets import SecretView
from tests.e2e.history import Change, Hands, History
from tests.e2e.manifests import ANNOTATION, pod, workload
from tests.sim.cluster import Pod, Workload
from tests.sim.world import World

Body = dict[str, Any]
Key = tuple[str, str]
Mark = tuple[str, str]


class Scribe:
    """Takes the place of the world's own promises: it judges nothing, and notes what differs from its last look."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[Key, tuple[Mark, Body]] = {}
        self._changes: list[Change] = []
        self._hands = Hands()
        self._by_hand = False
        self.excused = False
        self.minted: Counter[str] = Counter()

    def history(self) -> History:
        """Return what happened until now."""
        self.check()
        return History(self._changes, self._hands)

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Note what is done meanwhile as the test's own."""
        self.check()
        self._by_hand = True
        yield
        self.check()
        self._by_hand = False

    def note(self, bundle: str, view: SecretView | None) -> None:
        """Note nothing of it: it is seen at the next look."""

    def check(self) -> None:
        """Note what has changed."""
        found = {key: (mark, body) for key, mark, body in self._look()}
        for key, (mark, body) in list(self._known.items()):
            if key not in found or found[key][0][0] != mark[0]:
                del self._known[key]
                self._note(key[0], body, gone=True)
        for key, (mark, draw) in found.items():
            if key not in self._known or self._known[key][0] != mark:
                body = draw()
                self._known[key] = (mark, body)
                self._note(key[0], body, gone=False)

    def _note(self, resource: str, body: Body, *, gone: bool) -> None:
        number = len(self._changes) + 1
        if self._by_hand:
            self._hands.deleted |= {body["metadata"]["uid"]} if gone else set()
            self._hands.versions |= set() if gone else {number}
        self._changes.append(Change(number, resource, gone, body, self._world.time))

    def _look(self) -> Iterator[tuple[Key, Mark, Callable[[], Body]]]:
        """Yield every object: its key, its uid and a mark that differs whenever the object does, and its looks."""
        world = self._world
        for view in world.secrets.values():
            yield ("secrets", view.name), (view.uid, view.resource_version), partial(secret, view)
        for name, one in world.credentials.items():
            yield ("rotatedcredentials", name), (one.uid, one.resource_version), partial(credential, one)
        for app in world.workloads.values():
            yield ("deployments", app.name), (app.uid, str(app.revision)), partial(deployment, app)
        for each in world.pods():
            if world.time >= each.started:
                yield ("pods", each.name), (str(each.started), ""), partial(running, each)

    def created(self, view: SecretView) -> None:
        """Judge nothing."""

    def changed(self, old: SecretView, fresh: SecretView) -> None:
        """Judge nothing."""

    def deleting(self, view: SecretView) -> None:
        """Judge nothing."""

    def restarting(self, credential: Credential, workload: Workload, value: str | None) -> None:
        """Judge nothing."""

    def gone(self, credential: Credential) -> None:
        """Judge nothing."""


def _text(moment: datetime) -> str:
    return f"{moment:%FT%TZ}"


def secret(view: SecretView) -> Body:
    """Return a Secret as the API server shows it."""
    owners = [{"uid": view.owner, "controller": True}] if view.owner else []
    meta = {"name": view.name, "uid": view.uid, "ownerReferences": owners, "labels": dict(view.labels)}
    times = {"creationTimestamp": _text(view.created), "managedFields": [{"time": _text(view.written or view.created)}]}
    data = {key: b64encode(value).decode() for key, value in view.material.reveal().items()}
    return {"metadata": meta | times, "data": data}


def credential(found: Credential) -> Body:
    """Return a RotatedCredential as the API server shows it."""
    meta: Body = {"name": found.key.name, "uid": found.uid, "generation": found.generation}
    if found.deleting is not None:
        meta["deletionTimestamp"] = _text(found.deleting)
    spec = found.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": meta, "spec": spec, "status": found.status.to_json()}


def deployment(app: Workload) -> Body:
    """Return a Deployment as the API server shows it."""
    notes = {f"{ANNOTATION}{name}": value for name, value in app.template.items()}
    body = workload(app.name, app.bundle, notes=notes)
    return {**body, "metadata": {**body["metadata"], "uid": app.uid}}


def running(found: Pod) -> Body:
    """Return a running pod as the API server shows it."""
    body = pod(found.name, found.bundle)
    status = {"containerStatuses": [{"state": {"running": {"startedAt": _text(found.started)}}}]}
    return {**body, "metadata": {**body["metadata"], "uid": f"{found.name}-{found.started}"}, "status": status}
