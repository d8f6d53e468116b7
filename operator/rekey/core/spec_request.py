"""What a person asks for once: the models of a RotationRequest's `.spec`, from which its CRD is made."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rekey.core.shape import LINE, Duration, ObjectName, Part
from rekey.core.spec_consumers import LabelSelector


class RequestReason(StrEnum):
    """What is asked for."""

    MANUAL = "Manual"
    COMPROMISE = "Compromise"
    ROLLBACK = "Rollback"
    REVOKE = "Revoke"


class RevokeWhen(StrEnum):
    """When compromised versions go."""

    IMMEDIATELY = "Immediately"
    AFTER_ROLLOUT = "AfterRollout"


class CredentialRef(Part):
    """One RotatedCredential of the namespace."""

    name: Annotated[ObjectName, Field(max_length=63)] = Field(description="Name of the RotatedCredential.")


class RotationRequestSpec(Part):
    """All of `.spec`."""

    reason: RequestReason = Field(
        description="`Manual`: rotate once, as a new `rotation.trigger` would. `Compromise`: make a new version at "
        "once and revoke all older ones without an overlap. `Rollback`: make the version before the current one "
        "current again. `Revoke`: revoke an old version without waiting for the rest of its overlap."
    )
    credential_ref: CredentialRef | None = Field(
        default=None,
        description="The RotatedCredential it is about. Exactly one of `credentialRef` and `selector` must be set.",
    )
    selector: LabelSelector | None = Field(
        default=None,
        description="Labels of the RotatedCredentials it is about: those that match when the request is first looked "
        "at, 1000 at most. It must not be empty.",
    )
    revoke: RevokeWhen | None = Field(
        default=None,
        description="With `Compromise`, and required there: `Immediately` revokes as soon as the new version is "
        "current, although pods still hold the old one; `AfterRollout` when no pod can hold it any more.",
    )
    version: int | None = Field(
        default=None,
        ge=1,
        le=999_999_999,
        description="With `Revoke`, and required there: number of the version to revoke. With `Rollback`: number of "
        "the version that must become current, if it is to be made sure of.",
    )
    message: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Why, for people who look later."
    )
    requested_by: Annotated[str, Field(max_length=200, pattern=LINE)] | None = Field(
        default=None, description="Who asks, for people who look later. Nobody verifies it yet."
    )
    ttl_after_finished: Duration = Field(
        default=timedelta(hours=24),
        description="How long the finished request is kept: up to 8760h. `0s` deletes it at once.",
    )
