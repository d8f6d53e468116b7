"""What an error of AWS means for who asks in our name; nothing of its text is repeated."""

from __future__ import annotations

from typing import Final

from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.aws.asking import Refused

_PAUSE: Final = 10.0
_BUSY: Final = frozenset({"RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "PriorRequestNotComplete"})
_SOON: Final = frozenset({"ConcurrentModification", "EntityTemporarilyUnmodifiable"})
UNKNOWN: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "ExpiredToken"}
)
SHUT: Final = UNKNOWN | {
    *("AccessDenied", "AccessDeniedException", "ExpiredTokenException", "SignatureDoesNotMatch"),
    *("IncompleteSignature", "MissingAuthenticationToken", "OptInRequired", "NotAuthorized"),
}
_FAILED: Final = 500


def meaning(refused: Refused, operation: str, user: str, secret: str) -> RekeyError:
    """Return the error that it is, about that user; `secret` names the Secret that we log in with."""
    words = f"AWS answered {operation} of user {user} with {refused.code}"
    match refused.code:
        case code if "Throttl" in code or code in _BUSY:
            return Retryable(words, retry_after=refused.wait or _PAUSE)
        case code if code in _SOON:
            return Retryable(words, retry_after=refused.wait)
        case code if code.startswith("AccessDenied"):  # a right may be given at any time, and nothing tells of it
            right = "sts:AssumeRole" if operation == "AssumeRole" else f"iam:{operation}"
            return Rejected(
                Reason.BACKEND_REFUSED, f"{words}: we need the right {right} (Secret {secret}), see docs/aws.md"
            )
        case code if code in SHUT:
            return Rejected(Reason.NEEDS_REAUTH, f"{words}: put good keys into Secret {secret}")
        case "NoSuchEntity":
            return Rejected(
                Reason.BACKEND_REFUSED,
                f"there is no IAM user {user}: create it, or see whether "
                f"the keys of Secret {secret} are of the right account",
            )
        case "LimitExceeded":
            return Rejected(
                Reason.BACKEND_REFUSED,
                f"{words}: see which access keys and tags it has, and delete what nobody uses",
            )
        case _ if refused.status >= _FAILED:
            return NoAnswer(words, retry_after=refused.wait)
        case _:
            return Rejected(Reason.BACKEND_REFUSED, f"{words}: see what the provider declares")
