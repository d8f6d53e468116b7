"""What Rekey remembers about one credential: the models of `.status`, the ledger among them.

1. A status is a value: every change makes a new one; only `machine.advance` changes a version's state.
2. Numbers only grow and are never reused, so anything named after one stays unique.
3. Times are UTC with whole seconds, as in metav1.Time (Kubernetes API conventions).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from rekey.core.answer import MAX_ANSWERS, Answer
from rekey.core.record import Record, Time
from rekey.core.spec_request import RevokeWhen
from rekey.core.status_notified import Notification
from rekey.core.status_probe import Probe, Refusal

MAX_VERSIONS = 64
MAX_CONSUMERS = 256


class State(StrEnum):
    """Where one version is in its life; `machine.EDGES` says which way it may go."""

    RESERVED = "Reserved"
    ISSUED = "Issued"
    PUBLISHED = "Published"
    ACTIVE = "Active"
    RETIRING = "Retiring"
    REVOKING = "Revoking"
    REVOKED = "Revoked"
    DISCARDED = "Discarded"


class Step(StrEnum):
    """What the rotation under way is doing now."""

    ISSUING = "Issuing"
    PUBLISHING = "Publishing"
    VALIDATING = "Validating"
    ROLLING_OUT = "RollingOut"
    OVERLAP = "Overlap"
    REVOKING = "Revoking"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"


class Cause(StrEnum):
    """Why a version was made."""

    FIRST_ISSUE = "FirstIssue"
    REBUILT = "Rebuilt"
    SCHEDULE = "Schedule"
    TRIGGER = "Trigger"
    GENERATION_CHANGED = "GenerationChanged"
    VALUE_LOST = "ValueLost"
    MANUAL = "Manual"
    COMPROMISE = "Compromise"
    ROLLBACK = "Rollback"
    RENEWAL = "Renewal"


class Version(Record):
    """One issued value: its number, where it is stored and what happened to it when."""

    number: int = Field(ge=1, description="Number of this version; it only grows and is never used twice.")
    state: State = Field(description="Where the version is in its life, see docs/states.md.")
    secret_name: str = Field(max_length=253, description="Secret that holds all fields of this version.")
    handle: str | None = Field(default=None, max_length=253, description="Uid of the Secret that holds it.")
    backend_id: str | None = Field(
        default=None, max_length=253, description="The backend's own id of it, where the number does not say it."
    )
    tries: int | None = Field(
        default=None, ge=1, le=1_000_000, description="How often in a row its backend left it unanswered what it did."
    )
    intent_time: Time | None = Field(
        default=None, description="When an effect on it at its backend was last announced; it follows within seconds."
    )
    refusal: Refusal | None = Field(
        default=None,
        description="Why its backend does not let us in; until that is mended it is not asked again.",
    )
    digest: str | None = Field(
        default=None,
        max_length=64,
        description="Digest of the `generate` or `provider` part of the spec this version was made by.",
    )
    issued_time: Time | None = Field(default=None, description="When the value was made.")
    activated_time: Time | None = Field(
        default=None,
        description="When it became current; not later than the first read of it from the bundle.",
    )
    retire_time: Time | None = Field(
        default=None,
        description="When it stopped being current; not earlier than the last read of it from the bundle.",
    )
    overlap_start_time: Time | None = Field(
        default=None,
        description="When its overlap began: its successor was active and the last consumer had moved.",
    )
    expiration_time: Time | None = Field(default=None, description="When it ends by itself, if ever.")
    revocation_time: Time | None = Field(default=None, description="When its revocation began; there is no way back.")
    published_time: Time | None = Field(
        default=None,
        description="When verifiers were told of it; not earlier than the first moment at which they could read it.",
    )
    proof: str | None = Field(
        default=None,
        max_length=8192,
        description="What verifiers need of it, as JSON, in the form of `spec.verifier.format`: a hash or a public "
        "key. Absent without a verifier and for `HMAC`; of a version that has ended only the `kid` is left.",
    )
    probe: Probe | None = Field(default=None, description="How it was proved, if `spec.validation.http` asks for it.")
    rolled_back: bool | None = Field(
        default=None,
        description="True for a version whose rollout failed, or that was refused: it ends as `Discarded`.",
    )
    forced: bool | None = Field(
        default=None,
        description="True if it was revoked although pods could still hold it: at `overlap.deadline`, or at once "
        "because it was compromised.",
    )
    compromised: RevokeWhen | None = Field(
        default=None, description="When it is to go, if a RotationRequest said that it is known to others."
    )


class Rotation(Record):
    """The rotation under way, or the one that failed last and waits to be tried again."""

    id: str = Field(max_length=64, description="Unique id of this rotation; it is part of the names of its Events.")
    number: int = Field(ge=1, description="Number of the version this rotation makes current.")
    cause: Cause = Field(description="Why the rotation was started.")
    requested_by: str | None = Field(default=None, max_length=253, description="Who asked for it, where that is known.")
    step: Step = Field(description="What is being done now.")
    started_time: Time = Field(description="When it was started.")
    attempts: int = Field(default=1, ge=0, le=1000, description="How many times in a row this has been tried.")
    next_attempt_time: Time | None = Field(default=None, description="After a failure: when it is tried again.")
    refused: str | None = Field(
        default=None,
        max_length=64,
        description="Digest of the `spec.validation.http` by which its version was refused.",
    )
    spec: dict[str, Any] | None = Field(
        default=None,
        description="The parts of the spec that were pinned when the rotation started (`generate`, `target`).",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


class ConsumerStatus(Record):
    """How far one consumer is with the current version."""

    kind: str = Field(max_length=63, description="Kind of the workload.")
    name: str = Field(max_length=253, description="Name of the workload.")
    wanted: int | None = Field(
        default=None,
        ge=1,
        description="Version last written into its pod template; absent: none was ever written.",
    )
    replaced: str | None = Field(
        default=None,
        max_length=32,
        description="What its pod template said before, so that a rollback is exact.",
    )
    restarted_time: Time | None = Field(default=None, description="When its rolling restart was triggered.")
    reapplied: bool | None = Field(
        default=None, description="True once a template that somebody put back has been written again."
    )
    moved: bool | None = Field(default=None, description="True when the rollout is over and no pod is behind.")
    pods_behind: int = Field(default=0, ge=0, le=1_000_000, description="Pods that may still hold an older version.")
    message: str | None = Field(default=None, max_length=1024, description="What it is waiting for.")
    healthy: bool | None = Field(
        default=None, description="Whether it is healthy since it moved; absent without `spec.validation.settle`."
    )
    health_time: Time | None = Field(default=None, description="When `healthy` last changed.")


class BundleRef(Record):
    """The bundle as Rekey last wrote it, so that no read need precede a write."""

    uid: str = Field(max_length=64, description="Uid of the bundle Secret.")
    resource_version: str = Field(max_length=64, description="Its resourceVersion after our last write.")
    render: str | None = Field(
        default=None, max_length=64, description="Digest of the `target` part of the spec it was rendered by."
    )
    previous: int | None = Field(default=None, ge=1, description="Number that it shows as previous, if any.")
    keys: tuple[Annotated[str, Field(max_length=253)], ...] = Field(
        default=(), max_length=128, description="Keys that Rekey wrote into it; others are left alone."
    )


class VerifierRef(Record):
    """The verifier's Secret as Rekey last wrote it, so that no read need precede a write."""

    uid: str = Field(max_length=64, description="Uid of the Secret that verifiers read.")
    resource_version: str = Field(max_length=64, description="Its resourceVersion after our last write.")
    digest: str = Field(max_length=64, description="Digest of what its content was made from.")
    parts: int | None = Field(
        default=None, ge=1, description="Number of Secrets it was cut into, if other credentials share it."
    )


class Condition(Record):
    """A condition as in the Kubernetes API conventions (metav1.Condition)."""

    type: str = Field(max_length=316, description="Type of the condition.")
    status: str = Field(
        max_length=7,
        description="True, False or Unknown.",
        json_schema_extra={"enum": ["True", "False", "Unknown"]},
    )
    reason: str = Field(max_length=128, description="One word of the closed list in docs/events.md.")
    message: str = Field(default="", max_length=1024, description="A sentence for people.")
    observed_generation: int | None = Field(default=None, description="Generation of the spec this was judged by.")
    last_transition_time: Time = Field(description="When `status` last changed.")


class Status(Record):
    """All of `.status`: what is accepted, what is under way, and what a person should know."""

    observed_generation: int = Field(default=-1, description="Generation of the spec that was last acted on.")
    observed_trigger: str | None = Field(
        default=None, max_length=256, description="Last value of `spec.rotation.trigger` that was acted on."
    )
    current_version: int | None = Field(default=None, description="Number that the bundle shows as current.")
    last_rotation_time: Time | None = Field(default=None, description="When the current version became current.")
    next_rotation_time: Time | None = Field(default=None, description="When the next rotation may begin.")
    overlap_end_time: Time | None = Field(
        default=None, description="Until when the previous version is accepted at least."
    )
    bundle: BundleRef | None = Field(default=None, description="The bundle Secret as last written.")
    verifier: VerifierRef | None = Field(default=None, description="The verifier's Secret as last written.")
    versions: tuple[Version, ...] = Field(
        default=(), max_length=MAX_VERSIONS, description="Versions that exist, and the last ones that did."
    )
    rotation: Rotation | None = Field(default=None, description="The rotation under way or failed last.")
    requests: tuple[Answer, ...] = Field(
        default=(), max_length=MAX_ANSWERS, description="What became of RotationRequests here; they copy it."
    )
    consumers: tuple[ConsumerStatus, ...] = Field(
        default=(), max_length=MAX_CONSUMERS, description="How far each consumer is."
    )
    notifications: tuple[Notification, ...] = Field(
        default=(), max_length=32, description="What is told of it, and to whom."
    )
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16, description="What a person should know.")
