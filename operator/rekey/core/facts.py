"""What a decision is made from: one credential, the cluster as far as it was looked at, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rekey.core.demand import Demand
from rekey.core.reasons import Reason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.spec_notify import Notify
from rekey.core.status import Status


@dataclass(frozen=True, slots=True)
class Key:
    """The name of one credential."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Credential:
    """One RotatedCredential as the API server holds it.

    `resource_version` is that of the read this was made from: every write carries it.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int
    created: datetime
    deleting: datetime | None
    finalizers: tuple[str, ...]
    spec: RotatedCredentialSpec
    status: Status
    labels: Mapping[str, str] = field(default_factory=dict)


class How(StrEnum):
    """How a pod takes a Secret's value: once when a container starts, then from its volume, or whenever it changes."""

    SNAPSHOT = "Snapshot"
    SUBPATH = "SubPath"
    VOLUME = "Volume"


@dataclass(frozen=True, slots=True)
class Reference:
    """One way in which a pod uses one Secret."""

    secret: str
    how: How


@dataclass(frozen=True, slots=True)
class PodView:
    """What a gate needs to know of one pod that has not ended.

    `starts` are the starts of its running containers and of its finished init containers (which may have handed on
    what they read); `pending` is true while a container has yet to start and will read what the bundle shows then;
    `born` is when the pod was created (None: unknown, taken as long ago). `unclear` is true while a container that has
    started does not say when: that may have been at any instant since.
    """

    name: str
    labels: Mapping[str, str]
    owner: tuple[str, str] | None
    references: frozenset[Reference]
    starts: tuple[datetime, ...]
    pending: bool
    terminating: bool = False
    born: datetime | None = None
    unclear: bool = False


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """One consumer as found in the cluster.

    `annotation` is the version its pod template names for this credential (None: nothing). `complete` is true when its
    last rollout is over and every pod is available. `manual` says why Rekey does not restart it (paused, OnDelete, …).
    """

    kind: str
    name: str
    uid: str = ""
    resource_version: str = ""
    exists: bool = True
    annotation: str | None = None
    complete: bool = True
    restartable: bool = True
    manual: str | None = None
    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    progress: str = ""


class BundleState(StrEnum):
    """What a look at the Secrets of a credential found."""

    MISSING = "Missing"
    INTACT = "Intact"
    CHANGED = "Changed"
    AHEAD = "Ahead"
    UNOWNED = "Unowned"
    FOREIGN = "Foreign"
    OURS = "Ours"
    LOST = "Lost"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a spec that only the operator can judge."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return `path: message`."""
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long readers may lag, and how often to look again.

    `cache_lag`: age of what a starting container may read (kubelet's Secret cache). `propagation`: time until a plain
    volume shows the new value everywhere. `grace`: how long a deletion is tried. `spread`: over how long rotations that
    fell due while the operator was down are spread. `slowest_probe`: the longest pause between two tries to prove a
    version, or two questions who uses one. `remake`: how soon another is made after one was refused; it doubles.
    `intent`: how old what was announced may be when it is done at a backend, less than a leader's renew deadline.
    """

    cache_lag: timedelta = timedelta(seconds=5)
    propagation: timedelta = timedelta(seconds=120)
    poll: timedelta = timedelta(seconds=1)
    slowest_poll: timedelta = timedelta(seconds=15)
    grace: timedelta = timedelta(minutes=5)
    retry: timedelta = timedelta(hours=1)
    slowest_probe: timedelta = timedelta(minutes=5)
    remake: timedelta = timedelta(seconds=30)
    intent: timedelta = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Fence:
    """Whether the API server refuses the writes of a former leader, and if not, why."""

    holds: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Staging:
    """The credential that `validation.after` names, as last seen; `circular`: it waits for ours in turn.

    `status` is None if there is none.
    """

    name: str
    status: Status | None
    circular: bool = False


class InUse(StrEnum):
    """Whether somebody is still seen using a version."""

    YES = "Yes"
    NO = "No"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Usage:
    """What is known of the use of a version; `said`: a sentence for people."""

    in_use: InUse
    said: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that `decide` may know. A field that was not looked at yet is None.

    `check`: the Secrets are to be compared with the ledger; `slots`: rollouts that may start now; `cleared`: whether
    the cleaning up of a deletion succeeded (None: not tried yet). `demands`: every RotationRequest that names the
    credential, the oldest first (None: they are not known yet). `verifier`: what verifiers read, compared. `fence`: how
    we are fenced (None: nobody has to be). `staging`: the credential that goes first (None: none does).
    `means`: digest of how its backend is reached, and of what we log in with.
    `usage`: whether each version that was asked about is in use. `audience`: who is told of every credential.
    `answering`: since when the API server answers again (None: it was never away); nothing could roll while it did not.
    """

    now: datetime
    started: datetime
    credential: Credential
    status: Status
    problems: tuple[Problem, ...] = ()
    demands: tuple[Demand, ...] | None = ()
    check: bool = False
    slots: int = 1_000
    timing: Timing = Timing()
    bundle: BundleState | None = None
    bundle_version: int | None = None
    verifier: BundleState | None = None
    pending_gone: bool = False
    workloads: tuple[WorkloadView, ...] | None = None
    pods: tuple[PodView, ...] | None = None
    cleared: bool | None = None
    fence: Fence | None = None
    staging: Staging | None = None
    means: str | None = None
    usage: Mapping[int, Usage] | None = None
    audience: tuple[Notify, ...] = ()
    answering: datetime | None = None

    @property
    def spec(self) -> RotatedCredentialSpec:
        """The spec as it is now (the live part)."""
        return self.credential.spec

    @property
    def chained(self) -> bool:
        """Whether each version keeps what the next one is got with, which stands nowhere else."""
        return self.spec.provider is not None and self.spec.provider.chained
