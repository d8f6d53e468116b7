"""The HTTP answer to a validation that was refused, as RFC 6750 has it: helpful, and the same for all who guess."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rekey_client.outcome import Outcome, Reason

SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""One scope, by RFC 6749 §3.3."""

_GUESSED = "The token is not one that this service accepts. Read the current one from where it is delivered."
_ANSWERS: dict[Reason, tuple[int, str, str]] = {
    Reason.MISSING: (401, "", "Send an Authorization header: Bearer and a token."),
    Reason.BAD_REQUEST: (
        400,
        "invalid_request",
        "Send exactly one Authorization header of at most 16 KiB: Bearer and a token, or Basic.",
    ),
    Reason.MALFORMED: (401, "invalid_token", "The token is cut or mistyped. Copy it again, whole."),
    Reason.UNKNOWN: (401, "invalid_token", _GUESSED),
    Reason.INVALID: (401, "invalid_token", _GUESSED),
    Reason.NOT_YET_VALID: (401, "invalid_token", "The token is not valid yet. Check the clock of who signs it."),
    Reason.EXPIRED: (401, "invalid_token", "The token has expired. Read or request the current one."),
    Reason.REVOKED: (401, "invalid_token", "The token has been revoked. Read or request the current one."),
    Reason.WRONG_AUDIENCE: (401, "invalid_token", "The token is meant for another service."),
    Reason.INSUFFICIENT_SCOPE: (403, "insufficient_scope", "The token does not have the scope that this needs."),
    Reason.THROTTLED: (429, "", "Too many requests with this token. Wait as long as Retry-After says."),
    Reason.UNAVAILABLE: (503, "", "Tokens cannot be checked at the moment. Try again soon."),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send instead of the application's answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def line(self) -> str:
        """The status with its name, as WSGI wants it."""
        names = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests"}
        return f"{self.status} {names.get(self.status, 'Service Unavailable')}"


def answer(outcome: Outcome, realm: str = "rekey") -> Answer:
    """Return the answer to a refused request; the text depends on the reason only, never on what was sent."""
    status, error, description = _ANSWERS[outcome.reason]
    body = json.dumps({"error": error or outcome.reason.value, "error_description": description}).encode()
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    ]
    if status in {400, 401, 403}:
        headers.append(("www-authenticate", _challenge(realm, error, description, outcome.scopes)))
    if outcome.retry_after is not None:
        headers.append(("retry-after", str(outcome.retry_after)))
    return Answer(status, tuple(headers), body)


def _challenge(realm: str, error: str, description: str, scopes: Iterable[str]) -> str:
    fields = {"realm": realm, "error": error, "error_description": description if error else ""}
    fields["scope"] = " ".join(scopes)
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items() if value)


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes, which go into a header.

    Raises:
        ValueError: one of them is no scope.
    """
    found = (scopes,) if isinstance(scopes, str) else tuple(scopes)
    for scope in found:
        if not SCOPE.fullmatch(scope):
            raise ValueError(f"{scope!r} is no scope: printable ASCII without blank, quote and backslash")
    return found
