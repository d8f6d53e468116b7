"""The vocabulary of the engine: what may be done, looked at or waited for, always with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rekey.core.answer import Answer
from rekey.core.demand import Demand
from rekey.core.reasons import Reason
from rekey.core.status import Cause


class What(StrEnum):
    """What can be looked at when a decision needs it; every look is an uncached read."""

    BUNDLE = "Bundle"
    WORKLOADS = "Workloads"
    PODS = "Pods"
    VERIFIER = "Verifier"
    PROVIDER = "Provider"
    USAGE = "Usage"


@dataclass(frozen=True, slots=True)
class Finalize:
    """Put our finalizer on the credential: before anything exists."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Make a version; creating its own immutable Secret is the intent. `again`: in place of one that was refused."""

    number: int
    cause: Cause
    asked: tuple[Demand, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reserve:
    """Write down that a version of this number is made at a backend: the intent. Its fields are those of `Issue`."""

    number: int
    cause: Cause
    asked: tuple[Demand, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Announce:
    """Write down anew that something is about to be done with a version at its backend: the last intent is too old."""

    number: int


@dataclass(frozen=True, slots=True)
class Obtain:
    """Make a reserved version at its backend, and store it in its own immutable Secret."""

    number: int


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make the ledger from what is there: an unowned Secret to adopt, or our own after a lost status."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Have verifiers accept a version that nobody uses yet."""

    number: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Write the verifier's Secret as the ledger says: another state, another spec, drift repair."""


@dataclass(frozen=True, slots=True)
class Prove:
    """Use a version that nobody uses yet, once: does the service accept it?"""

    number: int


@dataclass(frozen=True, slots=True)
class Activate:
    """Show the version in the bundle as current, the one before it as previous."""

    number: int


@dataclass(frozen=True, slots=True)
class Restart:
    """Write a version (None: nothing) into a consumer's pod template, which rolls it."""

    kind: str
    name: str
    value: str | None
    reapplied: bool = False


@dataclass(frozen=True, slots=True)
class StartOverlap:
    """Start the overlap clock of a superseded version: every consumer has moved."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Condemn:
    """Note that a version is taken back, as its rollout failed or on request: the intent, and when another follows.

    `refused`: the service did not accept it; the digest of how it was asked.
    """

    number: int
    next_attempt: datetime
    asked: tuple[Demand, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Reinstate:
    """Show the version before the failed one as current again, exactly."""

    number: int
    failed: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit to the revocation of a version; from here there is no way back."""

    number: int
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Revoke:
    """Take a committed version away from verifiers and out of the bundle, and delete it."""

    number: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Delete a version that no user was ever shown; verifiers may know it."""

    number: int


@dataclass(frozen=True, slots=True)
class Restore:
    """Write bundle and version Secrets again as the ledger says: drift repair, and a changed template."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Note what became of requests, and forget those that are gone."""

    answers: tuple[Answer, ...]
    forgotten: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conclude:
    """End the rotation: nothing of it is left to do."""


@dataclass(frozen=True, slots=True)
class Release:
    """Drop the ownership of every Secret (deletionPolicy Retain)."""


@dataclass(frozen=True, slots=True)
class Destroy:
    """Delete every Secret (deletionPolicy Revoke)."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Take our finalizer off; `orphaned` when something could not be cleaned up in time."""

    orphaned: bool = False


Effect = (
    Finalize
    | Issue
    | Reserve
    | Announce
    | Obtain
    | Adopt
    | Publish
    | Tell
    | Prove
    | Activate
    | Restart
    | StartOverlap
    | Condemn
    | Reinstate
    | Commit
    | Revoke
    | Discard
    | Restore
    | Reply
    | Conclude
    | Release
    | Destroy
    | LetGo
)

AT_BACKEND = (Obtain, Prove, Revoke, Discard)  # effects on one version for which we log in at its backend
INTENT_FIRST = (Obtain, Publish, Restart, Reinstate, Revoke, Discard, LetGo)
"""Effects that follow an intent in the status: whatever is unsaved is saved before them (promise S9)."""


@dataclass(frozen=True, slots=True)
class Act:
    """Do this next."""

    effect: Effect
    message: str


@dataclass(frozen=True, slots=True)
class Look:
    """Look at this, then ask again."""

    at: frozenset[What]


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing until the instant (None: until something changes), or `latest` while others have more urgent work."""

    until: datetime | None
    reason: Reason
    message: str
    stalled: bool = False
    blocked: bool = False
    latest: datetime | None = None


Decision = Act | Look | Hold
