"""The ports of the simulated world; the suites in `conformance.py` hold them to what the real ones do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import OK
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rekey.core.demand import Demand
from rekey.core.facts import Credential, Key, PodView, WorkloadView
from rekey.core.material import Material
from rekey.core.probing import Reply
from rekey.core.request import Request, RequestStatus
from rekey.core.spec import Consumer
from rekey.core.status import Status
from rekey.core.usage import Reading
from rekey.errors import Conflict, NamespaceTerminating, NotFound, Taken
from rekey.ports.cluster import News
from rekey.ports.meter import Query
from rekey.ports.prober import Question
from rekey.ports.secrets import NewSecret, SecretChange, SecretView
from rekey.providers.http.allowed import Allowed

if TYPE_CHECKING:
    from tests.sim.world import World

NAMESPACE = "orders"
FINALIZER = "rekey.dev/finalizer"


@dataclass
class Announcer:
    """Keeps Events; the same name is said once."""

    world: World

    def announce(self, credential: Credential, news: News) -> None:
        """Keep it."""
        if news.name not in self.world.names:
            self.world.names.add(news.name)
            self.world.news.append((credential.key.name, news.notice, news.note))


@dataclass
class NoClaims:
    """Other credentials' names, as a test sets them."""

    world: World

    def others(self, credential: Credential) -> tuple[Any, ...]:
        """Return what the test says."""
        del credential
        return self.world.problems

    def shares(self, key: Key, secret: str) -> bool:
        """Return whether it was heard of; a test may have it heard of nobody."""
        found = self.world.credentials.get(key.name) if self.world.hears else None
        return found is not None and found.spec.verifier is not None and found.spec.verifier.secret_name == secret


class NoPacing:
    """No limits."""

    def free(self, credential: Credential) -> int:
        """Return more than anybody wants."""
        del credential
        return 1_000

    def note(self, credential: Credential, rolling: int) -> None:
        """Forget it."""


@dataclass
class Asked:
    """What the requests of the world ask for."""

    world: World

    def of(self, credential: Credential) -> tuple[Demand, ...]:
        """Return it, the oldest first."""
        found = (request.demand(credential.uid) for request in self.world.requests.values())
        return tuple(demand for demand in found if demand is not None)


@dataclass
class Heard:
    """The credentials of the world, as another one hears of them: at once."""

    world: World

    def peer(self, key: Key) -> Credential | None:
        """Return it as stored."""
        return self.world.credentials.get(key.name)


@dataclass
class Requests:
    """The requests of the world as a port."""

    world: World

    async def read(self, key: Key) -> Request | None:
        """Return it as stored."""
        return self.world.call("requests.read", lambda: self.world.requests.get(key.name))

    def _fresh(self, request: Request) -> Request:
        stored = self.world.requests.get(request.key.name)
        if stored is None or stored.uid != request.uid:
            raise NotFound("gone")
        if stored.resource_version != request.resource_version:
            raise Conflict("somebody wrote in between")
        return stored

    async def save(self, request: Request, status: RequestStatus) -> Request:
        """Replace the status; the credentials that are named then learn of it."""

        def effect() -> Request:
            again = RequestStatus.model_validate(json.loads(json.dumps(status.to_json())))
            fresh = replace(self._fresh(request), status=again, resource_version=self.world.next_id())
            self.world.requests[request.key.name] = fresh
            self.world.wake |= {result.name: self.world.time for result in again.results}
            return fresh

        return self.world.call("requests.save", effect, write=True)

    async def delete(self, request: Request) -> None:
        """Delete it if it is the one."""

        def effect() -> None:
            if request.key.name in self.world.requests:
                self._fresh(request)
                del self.world.requests[request.key.name]

        self.world.call("requests.delete", effect, write=True)


@dataclass
class Credentials:
    """The credentials of the world as a port."""

    world: World

    async def read(self, key: Key) -> Credential | None:
        """Return it as stored."""
        return self.world.call("credentials.read", lambda: self.world.credentials.get(key.name))

    def _fresh(self, credential: Credential) -> Credential:
        stored = self.world.credentials.get(credential.key.name)
        if stored is None or stored.uid != credential.uid:
            raise NotFound("gone")
        if stored.resource_version != credential.resource_version:
            raise Conflict("somebody wrote in between")
        return stored

    async def save(self, credential: Credential, status: Status) -> Credential:
        """Replace the status."""

        def effect() -> Credential:
            stored = self._fresh(credential)
            status_again = Status.model_validate(json.loads(json.dumps(status.to_json())))
            fresh = replace(stored, status=status_again, resource_version=self.world.next_id())
            self.world.credentials[credential.key.name] = fresh
            return fresh

        return self.world.call("credentials.save", effect, write=True)

    async def finalize(self, credential: Credential, *, present: bool) -> Credential | None:
        """Put the finalizer on or take it off."""

        def effect() -> Credential | None:
            stored = self._fresh(credential)
            names = {*stored.finalizers, FINALIZER} if present else set()
            fresh = replace(stored, finalizers=tuple(sorted(names)), resource_version=self.world.next_id())
            if stored.deleting is not None and not names:
                del self.world.credentials[credential.key.name]
                self.world.promises.gone(stored)
                return None
            self.world.credentials[credential.key.name] = fresh
            return fresh

        return self.world.call("credentials.finalize", effect, write=True)


@dataclass
class Secrets:
    """The Secrets of the world as a port."""

    world: World

    async def read(self, namespace: str, name: str) -> SecretView | None:
        """Return it as stored."""
        assert namespace == NAMESPACE
        return self.world.call("secrets.read", lambda: self.world.secrets.get(name))

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        """Create it."""
        assert namespace == NAMESPACE

        def effect() -> SecretView:
            if self.world.terminating:
                raise NamespaceTerminating("it ends")
            if new.name in self.world.secrets:
                raise Taken(new.name)
            view = SecretView(
                name=new.name,
                uid=self.world.next_id(),
                resource_version=self.world.next_id(),
                created=self.world.time.replace(microsecond=0),
                material=self.world.webhook(new.material),
                owner=new.owner.uid if new.owner else None,
                immutable=new.immutable,
                type=new.type,
                labels=new.labels,
                annotations=new.annotations,
                written=self.world.time,
            )
            self.world.secrets[new.name] = view
            self.world.promises.created(view)
            self.world.show(new.name)
            return view

        return self.world.call("secrets.create", effect, write=True)

    async def change(self, namespace: str, name: str, change: SecretChange) -> SecretView:
        """Change it if it is the one that was read."""
        assert namespace == NAMESPACE

        def effect() -> SecretView:
            old = self.world.secrets.get(name)
            if old is None:
                raise NotFound(name)
            if (old.uid, old.resource_version) != (change.uid, change.resource_version):
                raise Conflict(name)
            values = dict(old.material.reveal())
            assert set(change.copy.values()) <= set(values)
            expected = all(values.get(key) == text.encode() for key, text in change.expect.items())
            if change.copy and not (change.drop <= set(values) and expected):
                raise Conflict(name)
            values |= {new: values[key] for new, key in change.copy.items()}
            values = {key: value for key, value in values.items() if key not in change.drop}
            values |= dict(change.material.reveal())
            assert not old.immutable or values == old.material.reveal()
            owner = change.owner.uid if change.owner else None if change.release == old.owner else old.owner
            fresh = replace(
                old,
                material=Material(values),
                owner=owner,
                labels=_merged(old.labels, change.labels),
                annotations=_merged(old.annotations, change.annotations),
                written=self.world.time,
                resource_version=self.world.next_id(),
            )
            self.world.promises.changed(old, fresh)
            self.world.secrets[name] = fresh
            self.world.show(name)
            return fresh

        return self.world.call("secrets.change", effect, write=True)

    async def delete(self, namespace: str, name: str, uid: str) -> None:
        """Delete it if it is the one."""
        assert namespace == NAMESPACE

        def effect() -> None:
            old = self.world.secrets.get(name)
            if old is not None and old.uid == uid:
                self.world.promises.deleting(old)
                del self.world.secrets[name]
                self.world.show(name)

        self.world.call("secrets.delete", effect, write=True)


@dataclass
class Workloads:
    """The workloads of the world as a port."""

    world: World

    async def find(self, credential: Credential, consumers: Sequence[Consumer]) -> tuple[WorkloadView, ...]:
        """Return those that are declared, in order, each once."""

        def effect() -> tuple[WorkloadView, ...]:
            found: dict[tuple[str, str], WorkloadView] = {}
            for item in consumers:
                for name in self._names(item):
                    workload = self.world.workloads.get(name)
                    missing = WorkloadView(kind=item.kind, name=name, exists=False)
                    view = workload.view(credential.key.name, self.world.time) if workload is not None else missing
                    found.setdefault((item.kind, name), view)
            return tuple(found.values())

        return self.world.call("workloads.find", effect)

    def _names(self, item: Consumer) -> list[str]:
        if item.name is not None:
            return [item.name]
        labels = (item.selector.match_labels if item.selector is not None else None) or {}
        return sorted(
            workload.name
            for workload in self.world.workloads.values()
            if all(workload.labels.get(key) == value for key, value in labels.items())
        )

    async def restart(self, credential: Credential, workload: WorkloadView, value: str | None) -> None:
        """Write the template."""

        def effect() -> None:
            found = self.world.workloads.get(workload.name)
            if found is None:
                raise NotFound(workload.name)
            if str(found.revision) != workload.resource_version:
                raise Conflict(workload.name)
            if found.template.get(credential.key.name) != value:
                self.world.promises.restarting(credential, found, value)
                found.write(credential.key.name, value)

        self.world.call("workloads.restart", effect, write=True)


@dataclass
class Pods:
    """The pods of the world as a port."""

    world: World

    async def list(self, namespace: str) -> tuple[PodView, ...]:
        """Return all that have not ended."""
        assert namespace == NAMESPACE
        return self.world.call("pods.list", lambda: tuple(pod.view(self.world.time) for pod in self.world.pods()))


def _merged(old: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**old, **change}.items() if value is not None}


@dataclass
class Meter:
    """The only server of metrics of the world, under any name that may be asked."""

    world: World

    async def read(self, query: Query) -> Reading:
        """Ask it, if its name may be asked."""
        return self.world.call("meter.read", lambda: self._answer(query))

    def _answer(self, query: Query) -> Reading:
        why = refused(query.namespace, query.url)
        reading = Reading(trouble=why) if why else self.world.metrics(query.expression)
        self.world.readings.append((query.expression, reading))
        return reading


@dataclass
class Prober:
    """The only service of the world, under any name that may be asked; it notes what it accepted."""

    world: World

    async def ask(self, question: Question) -> Reply:
        """Show it the value, if its name may be asked."""
        return self.world.call("prober.ask", lambda: self._answer(question))

    def _answer(self, question: Question) -> Reply:
        if why := refused(question.namespace, question.url):
            return Reply(trouble=why, forbidden=True)
        (value,) = question.header.reveal().values()
        status = self.world.service(value)
        if status == OK:
            self.world.proved.add(value)
        return Reply(status) if status is not None else Reply(trouble="no connection")


def refused(namespace: str, address: str) -> str | None:
    """Return why nothing may be sent there."""
    url, here = urlsplit(address), [ip_address("10.0.0.1")]
    port = url.port or {"http": 80}.get(url.scheme, 443)
    return Allowed().refusal(namespace, url.scheme, url.hostname or "", port, here)
