"""What a validation came to: one of a closed list of reasons, and who it is when it was accepted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})


class Reason(StrEnum):
    """Everything a validation can come to."""

    ACCEPTED = "accepted"
    MISSING = "missing"
    """There is no Authorization header."""
    BAD_REQUEST = "bad_request"
    """The header cannot be read: another scheme, too long, twice, or signs that no credential has."""
    MALFORMED = "malformed"
    """The header is well, the token in it is not: cut, mistyped, or no JWT."""
    UNKNOWN = "unknown"
    """No version with this id was ever known here."""
    INVALID = "invalid"
    """The id is known, the secret, signature or algorithm is not that version's."""
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    """It was accepted once, and is not any more."""
    WRONG_AUDIENCE = "wrong_audience"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    """Nothing to compare with: never read, or older than the longest allowed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was accepted, and by which version of which credential."""

    client: str
    credential: str = ""
    version: int | None = None
    scopes: frozenset[str] | None = None
    """What it may do; None: not restricted."""
    subject: str | None = None
    claims: Mapping[str, Any] = field(default_factory=lambda: _NO_CLAIMS, repr=False)
    """All that a JWT says; empty for tokens and passwords."""

    def allows(self, *scopes: str) -> bool:
        """Tell whether it has all these scopes."""
        return self.scopes is None or self.scopes.issuperset(scopes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one validation."""

    reason: Reason
    identity: Identity | None = None
    """Set when accepted; otherwise whose version was refused, as far as that is proven by secret or signature."""
    hashed_id: str = "-"
    degraded: bool = False
    """Judged by content that could not be refreshed for a while."""
    scopes: tuple[str, ...] = ()
    """What would have been needed, when that was missing."""
    retry_after: int | None = None

    @property
    def accepted(self) -> bool:
        """Tell whether the request may go on."""
        return self.reason is Reason.ACCEPTED
