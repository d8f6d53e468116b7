"""What a person asks for: the models of `.spec`, from which the CRD is made.

1. A spec that the API server admitted is parsed here and trusted from then on. What relates several fields
   to each other is judged at admission (`app/crd_rules.py`); what needs a calendar is judged by `schedule`.
2. Descriptions are what `kubectl explain` shows.
"""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from rekey.core.shape import ATOMIC, Part
from rekey.core.spec_consumers import (
    Consumer,
    ConsumerKind,
    LabelRequirement,
    LabelSelector,
    OnFailure,
    Operator,
    Refresh,
    Role,
    Rollout,
)
from rekey.core.spec_generate import CharacterClass, Encoding, Generate, HmacKey, Password, Token
from rekey.core.spec_generate import plain_keys as generated_keys
from rekey.core.spec_health import ConsumerHealth, Health
from rekey.core.spec_keys import Algorithm, Certificate, SigningKey, SshKey, SshKeyType, Usage
from rekey.core.spec_notify import MAX_NOTIFY, Notify
from rekey.core.spec_provide import Provide
from rekey.core.spec_rotation import AtDeadline, Hold, Overlap, Rotation, Window, WindowPolicy
from rekey.core.spec_target import Adopt, MergePolicy, SecretType, Target, Template, TemplateMetadata
from rekey.core.spec_usage import Prometheus, UsageGate
from rekey.core.spec_validation import HttpProbe, Validation
from rekey.core.spec_verifier import Format, Verifier


class RevocationPolicy(StrEnum):
    """When an old version is revoked."""

    AFTER_OVERLAP = "AfterOverlap"
    MANUAL = "Manual"
    NEVER = "Never"


class DeletionPolicy(StrEnum):
    """What is left when the resource is deleted."""

    RETAIN = "Retain"
    REVOKE = "Revoke"


_NOTHING = Health()


class RotatedCredentialSpec(Part):
    """All of `.spec`."""

    suspend: bool = Field(default=False, description="True: no new rotation begins; one that is under way is finished.")
    hold: Hold | None = Field(
        default=None, description="Keep every version accepted for a time, for an audit or an investigation."
    )
    generate: Generate | None = Field(
        default=None,
        description="What Rekey makes by itself. Exactly one kind must be set, and the kind cannot be changed. A "
        "change within the kind makes a new version.",
    )
    provider: Provide | None = Field(
        default=None,
        description="What is made at a backend. Exactly one of `generate` and `provider` must be set, and which one "
        "cannot be changed. A change makes a new version.",
    )
    rotation: Rotation = Field(
        default_factory=Rotation,
        description="When a new version is made. Must be set but for what is renewed by itself (`provider.oauth2`, "
        "`provider.serviceAccountToken`).",
    )
    overlap: Overlap = Field(
        default_factory=Overlap, description="How long the version before the current one stays accepted."
    )
    target: Target = Field(default_factory=Target, description="The Secret that the credential is read from.")
    verifier: Verifier | None = Field(
        default=None,
        description="The Secret that those read who check the credential: they learn of a version before anybody uses "
        "it, and no longer accept one only when nobody holds it. It may be added later and cannot be taken away.",
    )
    validation: Validation | None = Field(
        default=None,
        description="What a rotation waits for, what a new version must pass before it becomes current, and how long "
        "consumers must stay healthy.",
    )
    usage: UsageGate | None = Field(
        default=None,
        description="Do not revoke an old version that somebody is still seen using, though no pod holds it.",
    )
    consumers: tuple[Consumer, ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra=ATOMIC,
        description="Workloads of this namespace that use the credential, or check it. An old version is revoked only "
        "when none of their pods can still hold it; pods that use the Secret without being named here hold "
        "it up as well and are reported.",
    )
    rollout: Rollout = Field(default_factory=Rollout, description="How consumers are moved to a new version.")
    notify: tuple[Notify, ...] = Field(
        default=(),
        max_length=MAX_NOTIFY,
        json_schema_extra=ATOMIC,
        description="Who is told what becomes of it, by signed events over HTTP.",
    )
    revocation_policy: RevocationPolicy = Field(
        default=RevocationPolicy.AFTER_OVERLAP,
        description="`AfterOverlap`: revoke the old version when its overlap is over and nobody holds it. "
        "`Manual`: wait for a person. `Never`: leave it accepted.",
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="When the resource is deleted: `Retain` leaves the Secrets and drops our ownership, "
        "`Revoke` revokes every version and deletes them.",
    )
    revision_history_limit: int = Field(
        default=3,
        ge=0,
        le=20,
        description="How many ended versions `status.versions` remembers; their Secrets are gone.",
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.generate is None) is (self.provider is None):
            raise ValueError("must have exactly one of `generate` and `provider`")
        return self

    @property
    def source(self) -> Generate | Provide:
        """What a version is made by."""
        return self.generate or self.provider or Generate()

    @property
    def renews(self) -> bool:
        """Whether a version ends by itself soon, and the next one comes without a rollout."""
        return self.provider is not None and self.provider.renews

    @property
    def plain_keys(self) -> tuple[str, ...]:
        """The plain keys under which the value stands in the bundle."""
        source = self.source
        return generated_keys(source) if isinstance(source, Generate) else source.keys

    @property
    def health(self) -> Health:
        """What a rotation waits for: nothing, if nobody said."""
        return self.validation or _NOTHING


__all__ = [
    "Adopt",
    "Algorithm",
    "AtDeadline",
    "Certificate",
    "CharacterClass",
    "Consumer",
    "ConsumerHealth",
    "ConsumerKind",
    "DeletionPolicy",
    "Encoding",
    "Format",
    "Generate",
    "HmacKey",
    "Hold",
    "HttpProbe",
    "LabelRequirement",
    "LabelSelector",
    "MergePolicy",
    "OnFailure",
    "Operator",
    "Overlap",
    "Password",
    "Prometheus",
    "Refresh",
    "RevocationPolicy",
    "Role",
    "Rollout",
    "RotatedCredentialSpec",
    "Rotation",
    "SecretType",
    "SigningKey",
    "SshKey",
    "SshKeyType",
    "Target",
    "Template",
    "TemplateMetadata",
    "Token",
    "Usage",
    "UsageGate",
    "Validation",
    "Verifier",
    "Window",
    "WindowPolicy",
]
