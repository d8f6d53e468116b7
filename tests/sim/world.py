"""The world in memory: every port, a plug that can be pulled at any call, and the promises checked at every instant."""

from __future__ import annotations

import asyncio
import atexit
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from rekey.core import bundle as content
from rekey.core.facts import Credential, Key, Timing
from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.reasons import Notice
from rekey.core.request import Ledger, Request, RequestStatus, wakes
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.spec_notify import Notify
from rekey.core.spec_request import RotationRequestSpec
from rekey.core.status import Status
from rekey.core.usage import Reading
from rekey.engine.limits import Surroundings
from rekey.engine.reconcile import Engine, Result
from rekey.engine.requests import Requester
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretView
from rekey.providers.generated import Generated
from tests.sim.backend import Backends, Store
from tests.sim.cluster import Pod, Shown, Workload
from tests.sim.keys import Keys
from tests.sim.ports import (
    NAMESPACE,
    Announcer,
    Asked,
    Credentials,
    Heard,
    Meter,
    NoClaims,
    NoPacing,
    Pods,
    Prober,
    Requests,
    Secrets,
    Workloads,
)
from tests.sim.promises import Promises

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
T = TypeVar("T")
Service = Callable[[bytes], int | None]
"""Answers who shows it a header's value with a status, or not at all."""
Metrics = Callable[[str], Reading]
"""Answers an expression."""
CALL = timedelta(milliseconds=40)
LOOP = asyncio.new_event_loop()
atexit.register(LOOP.close)


class Unplugged(BaseException):
    """The process ended here, as by SIGKILL."""


@dataclass
class Plug:
    """Numbers every call of a port; pulled at call `at`, before or after it takes effect."""

    at: int = -1
    after: bool = False
    calls: list[str] = field(default_factory=list)

    def before(self, name: str) -> None:
        """Count a call; end the process if it is the one."""
        self.calls.append(name)
        if len(self.calls) - 1 == self.at and not self.after:
            raise Unplugged(name)

    def done(self) -> None:
        """End the process if the call was the one: it took effect, but nobody heard."""
        if len(self.calls) - 1 == self.at and self.after:
            raise Unplugged(self.calls[-1])


class World:
    """One namespace with any number of credentials, workloads and Secrets."""

    audience: tuple[Notify, ...] = ()
    """Who is told of every credential by the next operator that starts."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.time = START
        self.timing = timing or Timing()
        self.plug = Plug()
        self.secrets: dict[str, SecretView] = {}
        self.credentials: dict[str, Credential] = {}
        self.workloads: dict[str, Workload] = {}
        self.bare: list[Pod] = []
        self.history: dict[str, list[Shown]] = {}
        self.news: list[tuple[str, Notice, str]] = []
        self.names: set[str] = set()
        self.writes: Counter[str] = Counter()
        self.terminating = False
        self.serial = 100
        self.started = START
        self.problems: tuple[Any, ...] = ()
        self.hears = True
        self.skew = timedelta(0)
        self.webhook: Callable[[Material], Material] = lambda material: material
        self.promises = Promises(self)
        self.service: Service = lambda _: 200
        self.proved: set[bytes] = set()
        self.told: list[tuple[str, Message]] = []
        self.backend = Store(world=self, clock=self.now)
        self.keys = Keys(self)
        self.metrics: Metrics = lambda _: Reading(())
        self.readings: list[tuple[str, Reading]] = []
        self.requests: dict[str, Request] = {}
        self.asked: list[Request] = []
        self.engine = self._engine()
        self.wake: dict[str, datetime | None] = {}

    def _engine(self) -> Engine:
        ports = Ports(
            clock=self, credentials=Credentials(self), secrets=Secrets(self), workloads=Workloads(self),
            pods=Pods(self), announcer=Announcer(self), prober=Prober(self), backends=Backends(self),
            meter=Meter(self), keys=self.keys,
        )  # fmt: skip
        around = Surroundings(NoClaims(self), NoPacing(), Asked(self), Credentials(self), Heard(self), self.audience)
        return Engine(ports, Generated(), around, self.now(), self.timing)

    def now(self) -> datetime:
        """Return the present instant as the operator's clock has it (this world is its own clock)."""
        return self.time + self.skew

    def next_id(self) -> str:
        """Return a number never used before."""
        self.serial += 1
        return str(self.serial)

    def apply(self, name: str, spec: dict[str, Any], labels: dict[str, str] | None = None) -> None:
        """Create a credential, or change its spec."""
        parsed = RotatedCredentialSpec.model_validate(spec)
        old = self.credentials.get(name)
        if old is None:
            key = Key(NAMESPACE, name)
            fresh = Credential(
                key=key, uid=f"{self.next_id()}-uid-{name}", resource_version=self.next_id(), generation=1,
                created=self.time, deleting=None, finalizers=(), spec=parsed, status=Status(),
                labels=labels or {},
            )  # fmt: skip
            self.credentials[name] = fresh
        else:
            self.credentials[name] = replace(
                old, spec=parsed, generation=old.generation + 1, resource_version=self.next_id()
            )
        self.wake[name] = self.time

    def ask(self, name: str, reason: str, credential: str = "api", **spec: Any) -> None:
        """Create a request about one credential, or with `selector` about several."""
        about = {} if "selector" in spec else {"credentialRef": {"name": credential}}
        request = Request(
            key=Key(NAMESPACE, name), uid=f"{self.next_id()}-uid-{name}", resource_version=self.next_id(),
            generation=1, created=self.time.replace(microsecond=0), deleting=False,
            spec=RotationRequestSpec.model_validate({"reason": reason, **about, **spec}), status=RequestStatus(),
        )  # fmt: skip
        self.requests[name] = request
        self.asked.append(request)

    def delete(self, name: str) -> None:
        """Ask for the deletion of a credential."""
        old = self.credentials[name]
        self.credentials[name] = replace(old, deleting=self.time, resource_version=self.next_id())
        self.wake[name] = self.time

    def put(
        self,
        name: str,
        values: dict[str, bytes],
        owner: str | None = None,
        annotations: dict[str, str] | None = None,
    ) -> SecretView:
        """Put a Secret there, as somebody else would."""
        role = {"rekey.dev/role": "version"} if owner else {}
        view = SecretView(
            name=name, uid=self.next_id(), resource_version=self.next_id(), created=self.time,
            material=Material(values), owner=owner, immutable=owner is not None, labels=role,
            annotations=annotations or {}, written=self.time,
        )  # fmt: skip
        self.secrets[name] = view
        return view

    def edit(self, name: str, **values: bytes) -> None:
        """Write values into a Secret, as somebody else would."""
        old = self.secrets[name]
        material = Material({**old.material.reveal(), **values})
        self.secrets[name] = replace(old, material=material, resource_version=self.next_id(), written=self.time)

    def restart(self, after: timedelta = timedelta(0)) -> None:
        """Let the operator be away for a time, in which nothing else happens; then a new one starts."""
        self._jump(self.time + after)
        self.started = self.time
        self.engine = self._engine()
        self.wake = dict.fromkeys(self.credentials, self.time)

    def inspect(self, name: str) -> None:
        """Let the operator compare the Secrets with the ledger, as it does now and then and when one changes."""
        self.promises.excused = True
        while self.reconcile(name, check=True) is None:
            pass
        self.promises.excused = False

    def lose_status(self, name: str) -> None:
        """Forget the status, as a restore from a backup does."""
        old = self.credentials[name]
        self.credentials[name] = replace(old, status=Status(), resource_version=self.next_id())
        self.wake[name] = self.time

    def add(self, workload: Workload) -> Workload:
        """Put a workload and its pods into the cluster."""
        workload.uid = self.next_id()
        self.workloads[workload.name] = workload
        return workload

    def pods(self) -> list[Pod]:
        """Return every pod that has not ended."""
        return [*(pod for workload in self.workloads.values() for pod in workload.pods), *self.bare]

    def call(self, name: str, effect: Callable[[], T], *, write: bool = False) -> T:
        """Let one call of a port take effect: it takes time, the plug may be pulled, the promises are checked."""
        self.plug.before(name)
        self.pass_time(self.time + CALL)
        result = effect()
        if write:
            self.writes[name] += 1
        self.promises.check()
        self.plug.done()
        return result

    def show(self, bundle: str) -> None:
        """Note what the bundle shows, or what verifiers accept, from now on."""
        view = self.secrets.get(bundle)
        self.promises.note(bundle, view)
        number = content.shown_versions(view.material)[0] if view is not None else None
        past = self.history.setdefault(bundle, [])
        if number is not None and number > max((item.number or 0 for item in past), default=0):
            self._is_proved(bundle, number)
        if not past or past[-1].number != number:
            past.append(Shown(self.time, number))

    def _is_proved(self, bundle: str, number: int) -> None:
        """P1: a version that is shown for the first time was accepted by the service, unless a leak is urgent."""
        found = self.credentials.get(bundle)
        validation = found.spec.validation if found is not None else None
        asked = validation is not None and validation.http is not None
        told = found is not None and found.spec.provider is not None and self.backend.traits.provable
        if found is None or not (asked or told) or self.promises.verifying.hurried():
            return
        held = self.secrets[f"{bundle}-v{number}"].material.reveal()
        value = held["password" if found.spec.provider is not None else "token"]
        assert any(shown.endswith(value) for shown in self.proved), f"P1: version {number} is shown unproved"

    def pass_time(self, until: datetime) -> None:
        """Let pods start, roll and end until then, second by second."""
        while self.time < until:
            self.time = min(until, self.time + timedelta(seconds=1))
            for workload in self.workloads.values():
                workload.step(self.time)
            self.bare = [pod for pod in self.bare if pod.ends is None or pod.ends > self.time]

    def _died(self) -> None:
        self.plug = Plug(calls=self.plug.calls)
        self.started = self.time
        self.engine = self._engine()
        self.wake = dict.fromkeys(self.credentials, self.time)

    def reconcile(self, name: str, *, check: bool = False) -> Result | None:
        """Run one pass; None if the process ended in the middle of it (a new one takes over)."""
        try:
            result = LOOP.run_until_complete(self.engine.reconcile(self.credentials[name], check=check))
        except Unplugged:
            self._died()
            return None
        self.wake[name] = result.until and result.until - self.skew
        return result

    def attend(self) -> None:
        """Let the operator look at every request, as it does when one of their credentials has changed."""
        requester = Requester(Requests(self), self, self._ledgers)
        for request in list(self.requests.values()):
            try:
                LOOP.run_until_complete(requester.reconcile(request))
            except Unplugged:
                self._died()

    def _ledgers(self, _: str) -> dict[str, Ledger]:
        return {
            name: Ledger(found.uid, found.labels, found.status.requests, "", found.deleting is not None)
            for name, found in self.credentials.items()
        }

    def run(self, duration: timedelta, until: Callable[[], bool] = lambda: False) -> None:
        """Run the operator for a time, or until the condition holds."""
        end = self.time + duration
        while self.time < end and not until():
            self.turn(end)

    def turn(self, end: datetime) -> None:
        """Let the operator look at whatever is due, then let time pass until something else is, or until the end."""
        self.attend()
        due = [name for name, when in self.wake.items() if when is not None and when <= self.time]
        for name in due:
            if name in self.credentials:
                self.reconcile(name)
        self.promises.check()
        self.attend()
        waits = [when for name, when in self.wake.items() if when is not None and name in self.credentials]
        waits += [at for request in self.requests.values() if (at := wakes(request)) is not None]
        target = min([end, *(when for when in waits if when > self.time)], default=end)
        if not any(when <= self.time for when in waits):
            self._glide(target)

    def _glide(self, target: datetime) -> None:
        """Let time pass to the next wake-up, checking the promises often while pods change."""
        while self.time < target:
            busy = any(not workload.complete(self.time) for workload in self.workloads.values())
            step = timedelta(seconds=1) if busy else max(timedelta(seconds=1), (target - self.time) / 4)
            self.pass_time(min(target, self.time + step)) if busy else self._jump(min(target, self.time + step))
            self.promises.check()

    def _jump(self, until: datetime) -> None:
        self.time = until
        for workload in self.workloads.values():
            workload.step(self.time)
        self.bare = [pod for pod in self.bare if pod.ends is None or pod.ends > self.time]

    def said(self) -> list[str]:
        """Return the reasons of the Events so far, in order."""
        return [notice.value for _, notice, _ in self.news]
