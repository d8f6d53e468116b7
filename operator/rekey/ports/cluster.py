"""Everything else the engine needs from the cluster: the credential itself, its consumers, their pods, Events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rekey.core.facts import Credential, Key, PodView, WorkloadView
from rekey.core.reasons import Notice
from rekey.core.spec import Consumer
from rekey.core.status import Status
from rekey.ports.backend import Backends
from rekey.ports.key_encryption import KeyEncryption
from rekey.ports.meter import Meter
from rekey.ports.prober import Prober
from rekey.ports.secrets import Secrets


class Clock(Protocol):
    """The only reader of time."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...


class Credentials(Protocol):
    """The RotatedCredential objects. Every write carries the resourceVersion of the read it was decided on."""

    async def read(self, key: Key) -> Credential | None:
        """Return the credential by an uncached read, None if there is none."""
        ...

    async def save(self, credential: Credential, status: Status) -> Credential:
        """Replace its status and return the credential as stored.

        Raises:
            Conflict: somebody wrote in between; nothing was changed.
            NotFound: it is gone.
        """
        ...

    async def finalize(self, credential: Credential, *, present: bool) -> Credential | None:
        """Put our finalizer on or take it off; None when that ended the object.

        Raises:
            Conflict: somebody wrote in between; nothing was changed.
            NotFound: it is gone.
        """
        ...


class Workloads(Protocol):
    """The consumers that credentials name."""

    async def find(self, credential: Credential, consumers: Sequence[Consumer]) -> tuple[WorkloadView, ...]:
        """Return the consumers by uncached reads, in their order, those of a selector by name, each once.

        One that is named but absent is returned with `exists=False`.
        """
        ...

    async def restart(self, credential: Credential, workload: WorkloadView, value: str | None) -> None:
        """Write the version annotation of this credential into the pod template by server-side apply.

        The field manager is the credential's own, so no other annotation is touched; None takes ours away. The apply
        carries uid and resourceVersion, so that it can neither create nor overwrite. Writing what is there rolls
        nothing.

        Raises:
            Conflict: the workload was changed or replaced since it was read.
            NotFound: it is gone.
        """
        ...


class Pods(Protocol):
    """Pods of one namespace, for the gate."""

    async def list(self, namespace: str) -> tuple[PodView, ...]:
        """Return every pod that has not ended, as of an instant after the call.

        Callers may share one answer if its read began after each of them asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class News:
    """One Event about one credential; `name` makes it the same Event however often it is sent."""

    name: str
    notice: Notice
    note: str


class Announcer(Protocol):
    """Events for people. Never evidence, never waited for."""

    def announce(self, credential: Credential, news: News) -> None:
        """Send the Event in the background; a second one of the same name changes nothing. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything an engine works on."""

    clock: Clock
    credentials: Credentials
    secrets: Secrets
    workloads: Workloads
    pods: Pods
    announcer: Announcer
    prober: Prober
    backends: Backends
    meter: Meter
    keys: KeyEncryption
