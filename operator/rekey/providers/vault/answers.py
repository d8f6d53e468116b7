"""What an answer of a Vault server means: a document, nothing there, wait and ask again, or a person must act.

Of what an answer says of an error nothing is repeated: known texts are told in words of our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from rekey.core.rate import asked_wait
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotYet, Rejected, RekeyError, Retryable
from rekey.providers.vault.road import MAX_BODY, Answer

_WAITING: Final = {
    307: "is a standby that passes nothing on: name the address of the one that is active",
    408: "was too slow",
    412: "is behind the one that is active",
    425: "is too early",
    472: "is a standby for disaster recovery",
    473: "is a standby for reading",
    503: "is sealed, or in maintenance",
}
"""What passes, and nothing was done."""
_KNOWN: Final = {
    r"no handler for route|unsupported (path|operation)": "nothing of that kind is mounted there: see `mount`",
    r"role .*(does not exist|not found)|unknown role|invalid role name": "there is no such role: see `role`",
    r"not allowed by (this )?role": "its role does not allow one of the names that are asked for",
    r"ttl cannot be longer|beyond the expiration": "`lifetime` is longer than its role, or its authority, allows",
    r"failed to revoke": "its database does not let the user go: see `revocation_statements`, and whether it answers",
    r"no default issuer|no issuer": "the engine has no authority yet",
}
_CAS: Final = "check-and-set parameter"
_UPGRADING: Final = "Upgrading from non-versioned"
"""What a KV engine answers with a 400 for the first moments of its life."""


def document(answer: Answer) -> Mapping[str, Any]:
    """Return what an answer of success holds."""
    return answer.document or {}


def data(answer: Answer) -> Mapping[str, Any]:
    """Return what stands under `data`."""
    found = document(answer).get("data")
    return found if isinstance(found, dict) else {}


def is_success(answer: Answer) -> bool:
    """Say whether the status is one of success."""
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def errors(answer: Answer) -> str:
    """Return what an answer says went wrong: to compare, never to show."""
    found = document(answer).get("errors")
    return "\n".join(str(text) for text in found) if isinstance(found, list) else ""


def is_missing(answer: Answer) -> bool:
    """Say whether what was asked for is not there, in a place that is."""
    return answer.status == HTTPStatus.NOT_FOUND and not re.search("no handler for route", errors(answer))


def is_outdated(answer: Answer) -> bool:
    """Say whether somebody wrote a secret in between (check-and-set)."""
    return answer.status == HTTPStatus.BAD_REQUEST and _CAS in errors(answer)


def problem(answer: Answer, who: str, what: str) -> RekeyError | None:
    """Return what is raised for an answer to `what`; None for one of success."""
    status = answer.status
    if is_success(answer):
        lost = f"{who} answered {status} with what is not a JSON object of {MAX_BODY // 1024} KiB at most"
        return NoAnswer(lost) if answer.document is None and status != HTTPStatus.NO_CONTENT else None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = asked_wait(answer.headers, answer.sent, busy=True)
        return Retryable(f"{who} asks for a pause (429)", retry_after=wait)
    if status in _WAITING:
        wait = asked_wait(answer.headers, answer.sent, busy=False)
        return Retryable(f"{who} {_WAITING[status]} ({status})", retry_after=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NoAnswer(f"{who} answered {status} to {what}")
    said = errors(answer)
    if _UPGRADING in said:
        return NotYet(f"{who} makes an engine ready ({status})")
    why = next((words for text, words in _KNOWN.items() if re.search(text, said)), "see what is asked of it")
    return Rejected(Reason.BACKEND_REFUSED, f"{who} answered {status} to {what}: {why}")
