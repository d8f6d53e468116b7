"""The closed list of reasons: every decision, condition and Event carries one of these words.

A reason is API: people alert on it, `docs/events.md` is drawn from these tables, and nothing branches on its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why nothing (more) is done now: the reasons of conditions."""

    ACTIVE = "Active"
    ISSUING = "Issuing"
    PUBLISHING = "Publishing"
    AWAITING_VERIFIERS = "AwaitingVerifiers"
    VALIDATING = "Validating"
    VALIDATION_REFUSED = "ValidationRefused"
    VALIDATION_UNREACHABLE = "ValidationUnreachable"
    VALIDATION_FORBIDDEN = "ValidationForbidden"
    ROLLING_OUT = "RollingOut"
    AWAITING_ROLLOUT = "AwaitingRollout"
    AWAITING_WINDOW = "AwaitingWindow"
    AWAITING_STAGING = "AwaitingStaging"
    CONSUMERS_UNHEALTHY = "ConsumersUnhealthy"
    AWAITING_SLOT = "AwaitingSlot"
    AWAITING_CACHES = "AwaitingCaches"
    SETTLING = "Settling"
    OVERLAP_OPEN = "OverlapOpen"
    HELD_BY_PODS = "HeldByPods"
    IN_USE = "InUse"
    USAGE_UNKNOWN = "UsageUnknown"
    DEADLINE_PASSED = "DeadlinePassed"
    ON_HOLD = "OnHold"
    MANUAL_REVOCATION = "ManualRevocation"
    NEVER_REVOKED = "NeverRevoked"
    REVOKING = "Revoking"
    ROLLING_BACK = "RollingBack"
    ROLLBACK_BLOCKED = "RollbackBlocked"
    ROLLOUT_FAILED = "RolloutFailed"
    SUSPENDED = "Suspended"
    INVALID_SPEC = "InvalidSpec"
    NAME_TAKEN = "NameTaken"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    TOO_MANY_VERSIONS = "TooManyVersions"
    BACKEND_REFUSED = "BackendRefused"
    BACKEND_UNREACHABLE = "BackendUnreachable"
    PROVIDER_NOT_FOUND = "ProviderNotFound"
    PROVIDER_NOT_ALLOWED = "ProviderNotAllowed"
    PROVIDER_NOT_READY = "ProviderNotReady"
    NEEDS_REAUTH = "NeedsReauth"
    MISSING_RIGHTS = "MissingRights"
    KEY_UNAVAILABLE = "KeyUnavailable"
    STATE_UNREADABLE = "StateUnreadable"
    DELETING = "Deleting"
    MOVED = "Moved"
    NO_CONSUMERS = "NoConsumers"
    COMPROMISED = "Compromised"
    ABOUT_TO_EXPIRE = "AboutToExpire"
    EXPIRED = "Expired"
    UNDECLARED_PODS = "UndeclaredPods"
    ENFORCED = "Enforced"
    NO_POLICY = "NoPolicy"
    FAILS_OPEN = "FailsOpen"
    NOT_BOUND = "NotBoundToPod"
    NONE = "None"


class RequestWhy(StrEnum):
    """How a RotationRequest stands: the reasons of its conditions."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    REFUSED = "Refused"
    FAILED = "Failed"
    NOTHING_FOUND = "NothingFound"
    TOO_MANY = "TooMany"


class ProviderWhy(StrEnum):
    """How a provider is: the reasons of its condition `Ready`."""

    ANSWERS = "Answers"
    NEEDS_REAUTH = "NeedsReauth"
    BACKEND_UNREACHABLE = "BackendUnreachable"
    PROVIDER_NOT_READY = "ProviderNotReady"
    RATE_LIMITED = "RateLimited"


@dataclass(frozen=True, slots=True)
class Kind:
    """What an Event of one reason means: its severity, its action, and one sentence for the docs."""

    warning: bool
    action: str
    meaning: str


def _normal(action: str, meaning: str) -> Kind:
    return Kind(warning=False, action=action, meaning=meaning)


def _warning(action: str, meaning: str) -> Kind:
    return Kind(warning=True, action=action, meaning=meaning)


class Notice(StrEnum):
    """The reasons of Events; `NOTICES` says what each means."""

    POSTPONED = "RotationPostponed"
    NOT_POSTPONED = "RotationNotPostponed"
    ISSUED = "Issued"
    PUBLISHED = "Published"
    ADOPTED = "Adopted"
    REBUILT = "LedgerRebuilt"
    ACTIVATED = "Activated"
    CONSUMER_RESTARTED = "ConsumerRestarted"
    CONSUMER_WAITING = "ConsumerWaiting"
    CONSUMER_REVERTED = "ConsumerReverted"
    CONSUMER_REMOVED = "ConsumerRemoved"
    OVERLAP_STARTED = "OverlapStarted"
    OVERLAP_EXPIRED = "OverlapExpired"
    REVOKED = "Revoked"
    DISCARDED = "Discarded"
    VALIDATION_REFUSED = "ValidationRefused"
    ROLLOUT_FAILED = "RolloutFailed"
    ROLLED_BACK = "RolledBack"
    REVOCATION_BLOCKED = "RevocationBlocked"
    REVOCATION_FORCED = "RevocationForced"
    UNDECLARED_CONSUMER = "UndeclaredConsumer"
    EXPIRING = "Expiring"
    STALLED = "Stalled"
    DRIFT_REPAIRED = "DriftRepaired"
    VALUE_LOST = "ValueLost"
    REQUEST_ACCEPTED = "RequestAccepted"
    REQUEST_REFUSED = "RequestRefused"
    REQUEST_FAILED = "RequestFailed"
    RELEASED = "Released"
    DESTROYED = "Destroyed"
    ORPHANED = "Orphaned"
    RING_CREATED = "KeyRingCreated"
    RING_ROTATED = "KeyRingRotated"
    KEY_DISABLED = "KeyDisabled"
    KEY_DELETED = "KeyDeleted"
    RING_STALLED = "KeyRingStalled"


NOTICES: Final[dict[Notice, Kind]] = {
    Notice.POSTPONED: _warning(
        "Decide", "The next rotation waits for what `spec.validation` asks for; the note says for whom."
    ),
    Notice.NOT_POSTPONED: _warning(
        "Decide",
        "A rotation begins although `spec.validation` is not met: the version is compromised, or about to expire.",
    ),
    Notice.ISSUED: _normal("Issue", "The first version was made and the bundle shows it."),
    Notice.PUBLISHED: _normal(
        "Publish", "The verifier's Secret has the new version; it is used when verifiers know it."
    ),
    Notice.ADOPTED: _normal("Adopt", "The value of an existing, unowned Secret became version 1."),
    Notice.REBUILT: _warning("Rebuild", "The status was lost and was rebuilt from the bundle; no version was made."),
    Notice.ACTIVATED: _normal("Activate", "The bundle shows the new version as current; consumers are moved next."),
    Notice.CONSUMER_RESTARTED: _normal("Restart", "A rolling restart of one consumer was triggered."),
    Notice.CONSUMER_WAITING: _normal(
        "Restart",
        "A consumer is not restarted by Rekey (paused, OnDelete, partition): it gates all the same.",
    ),
    Notice.CONSUMER_REVERTED: _warning(
        "Restart", "Somebody put a consumer's template back; the version was written into it once more."
    ),
    Notice.CONSUMER_REMOVED: _normal("Observe", "A consumer was taken from the spec during a rotation."),
    Notice.OVERLAP_STARTED: _normal(
        "Overlap",
        "The new version is active and every consumer uses it; both versions are accepted now.",
    ),
    Notice.OVERLAP_EXPIRED: _normal("Overlap", "The overlap is over and nobody can hold the old version any more."),
    Notice.REVOKED: _normal("Revoke", "The old version is gone."),
    Notice.DISCARDED: _normal("Discard", "A version that failed, or was never used, is gone."),
    Notice.VALIDATION_REFUSED: _warning(
        "Validate", "The service of `spec.validation` did not accept a new version, which nobody used; it is discarded."
    ),
    Notice.ROLLOUT_FAILED: _warning(
        "Restart", "A consumer did not become ready within `rollout.progressDeadline`, or did not stay so."
    ),
    Notice.ROLLED_BACK: _warning("Rollback", "The version before is current again; the failed one will be discarded."),
    Notice.REVOCATION_BLOCKED: _warning(
        "Revoke", "The overlap is over but the old version must stay: see who holds or uses it."
    ),
    Notice.REVOCATION_FORCED: _warning(
        "Revoke",
        "Revoked whoever holds or uses it: compromised, or past `overlap.deadline` with `atDeadline: Revoke`.",
    ),
    Notice.UNDECLARED_CONSUMER: _warning(
        "Observe", "Pods use the Secret without being declared; they gate, unrestarted."
    ),
    Notice.EXPIRING: _warning(
        "Decide", "The current version expires soon, or has expired, and no newer one has taken its place."
    ),
    Notice.STALLED: _warning("Decide", "It does not get on; the note says what to do, or when it is tried again."),
    Notice.DRIFT_REPAIRED: _warning("Repair", "A Secret was changed or deleted by somebody else and was restored."),
    Notice.VALUE_LOST: _warning("Repair", "No copy of the current value was left; a new version is made."),
    Notice.REQUEST_ACCEPTED: _normal("Request", "What a RotationRequest asks for was begun, or is so already."),
    Notice.REQUEST_REFUSED: _warning("Request", "A RotationRequest cannot be carried out; the note says why."),
    Notice.REQUEST_FAILED: _warning("Request", "What was begun for a RotationRequest came to nothing."),
    Notice.RELEASED: _normal("Delete", "The credential was deleted; its Secrets stay and belong to nobody now."),
    Notice.DESTROYED: _normal("Delete", "The credential was deleted and with it every version and the bundle."),
    Notice.ORPHANED: _warning(
        "Delete", "The credential was let go after five minutes of trying; the note names the rest."
    ),
    Notice.RING_CREATED: _normal("Seal", "The key ring was made (an Event of its Secret, as the next four)."),
    Notice.RING_ROTATED: _normal("Rotate", "The key ring has a new key; the one before only decrypts from now on."),
    Notice.KEY_DISABLED: _normal("Disable", "Nothing is left under an old key of the ring: it decrypts no more."),
    Notice.KEY_DELETED: _normal("Delete", "A disabled key of the ring is gone for good: its retention is over."),
    Notice.RING_STALLED: _warning("Rotate", "An old key of the ring stays in use; the note says what is in the way."),
}
