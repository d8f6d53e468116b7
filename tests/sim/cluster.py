"""A cluster in memory: workloads whose pods start, read Secrets, roll and end, as time passes.

A pod reads as badly as the rules allow: a starting container reads the oldest value that the bundle showed within the
cache's lag, and a plain volume shows every value of the last `propagation`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rekey.core.facts import How, PodView, Reference, WorkloadView

SECOND = timedelta(seconds=1)


@dataclass
class Shown:
    """The bundle as it was from `since` on: the number it showed as current (None: no bundle)."""

    since: datetime
    number: int | None


@dataclass
class Pod:
    """One pod; `ends` is set while it terminates."""

    name: str
    workload: str | None
    started: datetime
    template: dict[str, str]
    bundle: str
    how: How = How.SNAPSHOT
    ready_at: datetime | None = None
    ends: datetime | None = None
    fails_at: datetime | None = None
    owner: tuple[str, str] | None = None
    others: tuple[str, ...] = ()

    @property
    def bundles(self) -> tuple[str, ...]:
        """The Secrets that it uses."""
        return (self.bundle, *self.others)

    def ready(self, now: datetime) -> bool:
        """Say whether it serves."""
        works = self.fails_at is None or now < self.fails_at
        return self.ready_at is not None and now >= self.ready_at and works and self.ends is None

    def view(self, now: datetime) -> PodView:
        """Return it as the API server would show it."""
        return PodView(
            name=self.name,
            labels={"app": self.workload} if self.workload else {},
            owner=self.owner,
            references=frozenset(Reference(secret, self.how) for secret in self.bundles),
            starts=(self.started.replace(microsecond=0),) if now >= self.started else (),
            pending=now < self.started,
            terminating=self.ends is not None,
        )


@dataclass
class Workload:
    """A Deployment-like workload that replaces one pod at a time."""

    name: str
    bundle: str
    kind: str = "Deployment"
    replicas: int = 2
    how: How = How.SNAPSHOT
    ready_after: timedelta = 2 * SECOND
    grace: timedelta = 2 * SECOND
    fails_on: frozenset[str] = frozenset()
    fails_after: timedelta | None = None
    labels: dict[str, str] = field(default_factory=dict)
    manual: str | None = None
    others: tuple[str, ...] = ()
    template: dict[str, str] = field(default_factory=dict)
    uid: str = ""
    revision: int = 1
    restarts: list[str | None] = field(default_factory=list)
    written: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    pods: list[Pod] = field(default_factory=list)
    counter: int = 0

    def spawn(self, now: datetime) -> None:
        """Start one pod of the present template."""
        self.counter += 1
        works = not self.fails_on & set(self.template.values())
        pod = Pod(f"{self.name}-{self.counter}", self.name, now, dict(self.template), self.bundle, self.how)
        pod.others = self.others
        pod.ready_at = now + self.ready_after if works or self.fails_after is not None else None
        if pod.ready_at is not None and not works and self.fails_after is not None:
            pod.fails_at = pod.ready_at + self.fails_after
        self.pods.append(pod)

    def step(self, now: datetime) -> None:
        """Let pods end, and replace one that is not of the present template."""
        self.pods = [pod for pod in self.pods if pod.ends is None or pod.ends > now]
        living = [pod for pod in self.pods if pod.ends is None]
        fresh = [pod for pod in living if pod.template == self.template]
        stale = [pod for pod in living if pod.template != self.template]
        if len(living) < self.replicas:
            self.spawn(now)
            return
        if len(living) > self.replicas and (stale or len(fresh) > self.replicas):
            doomed = self._doomed(fresh, stale, now)
            if doomed is not None:
                doomed.ends = now + self.grace
            return
        if stale and self.manual is None and len(living) <= self.replicas:
            self.spawn(now)

    def _doomed(self, fresh: list[Pod], stale: list[Pod], now: datetime) -> Pod | None:
        """Return the pod to end: a broken old one first, else an old one once the new one serves."""
        broken = [pod for pod in stale if not pod.ready(now)]
        if broken:
            return broken[0]
        if stale and all(pod.ready(now) for pod in fresh):
            return stale[0]
        return None if stale else fresh[-1]

    def complete(self, now: datetime) -> bool:
        """Say whether the last rollout is over and every pod serves."""
        living = [pod for pod in self.pods if pod.ends is None]
        return len(living) == self.replicas and all(pod.template == self.template and pod.ready(now) for pod in living)

    def write(self, credential: str, value: str | None) -> None:
        """Write a credential's annotation into the pod template; None takes it away."""
        self.template = {key: text for key, text in self.template.items() if key != credential}
        if value is not None:
            self.template[credential] = value
        self.revision += 1
        self.restarts.append(value)
        self.written[credential, value] += 1

    def view(self, credential: str, now: datetime) -> WorkloadView:
        """Return it as the adapter would."""
        return WorkloadView(
            kind=self.kind,
            name=self.name,
            uid=self.uid or self.name,
            resource_version=str(self.revision),
            annotation=self.template.get(credential),
            complete=self.complete(now),
            restartable=self.kind not in {"Job", "CronJob"},
            manual=self.manual,
            match_labels={"app": self.name},
            progress="" if self.complete(now) else "not all pods are ready",
        )


def read_at(history: list[Shown], moment: datetime, lag: timedelta) -> int | None:
    """Return the oldest number shown in [moment - lag, moment]: what the unluckiest container reads."""
    earliest = moment - lag
    number: int | None = None
    for index, shown in enumerate(history):
        until = history[index + 1].since if index + 1 < len(history) else None
        if until is not None and until < earliest:
            continue
        if shown.since > moment:
            break
        if number is None:
            number = shown.number
    return number


def held(pod: Pod, history: list[Shown], now: datetime, lag: timedelta, propagation: timedelta) -> set[int]:
    """Return the numbers that the pod may use at this instant."""
    if now < pod.started:
        return set()
    if pod.how is How.SNAPSHOT:
        number = read_at(history, pod.started, lag)
        return {number} if number is not None else set()
    first = max(pod.started - lag, now - propagation)
    found = {shown.number for shown in history if first <= shown.since <= now}
    found.add(read_at(history, first, timedelta(0)))
    return {number for number in found if number is not None}
