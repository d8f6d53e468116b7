"""What an answer that is not a success means: the one place where HTTP status codes become errors.

1. No message carries anything of a body but the names of refused fields, and of Secrets not even those
   (promise S7): an admission webhook may quote what it was shown.
2. Whatever may pass by itself is `Retryable`; what a person must change is `Rejected` or `Forbidden`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.client import BAD_REQUEST, INTERNAL_SERVER_ERROR
from typing import Any, Final

import aiohttp
import orjson

from rekey.core.reasons import Reason
from rekey.errors import (
    Conflict,
    Forbidden,
    NamespaceTerminating,
    NotFound,
    Rejected,
    RekeyError,
    Retryable,
    Taken,
)
from rekey.kube.api import SECRETS, Path, Verb

_SOON: Final = {
    401: "the API server did not accept our login",
    408: "the API server gave up waiting",
    410: "the list went on for too long",
    429: "the API server is busy",
}
_NAME: Final = "([-a-z0-9.]{1,253})"
_ADMISSION: Final = {
    "ValidatingAdmissionPolicy": re.compile(f"ValidatingAdmissionPolicy '{_NAME}'"),
    "admission webhook": re.compile(f'admission webhook "{_NAME}"'),
    "ResourceQuota": re.compile(f"exceeded quota: {_NAME}"),
}
"""What an administrator put in the way, and how the API server names it."""


def refusal(verb: Verb, path: Path, code: int, headers: Mapping[str, str], body: bytes) -> RekeyError:
    """Return the error that an answer stands for."""
    status, what = _status(body), said(verb, path)
    match code:
        case 403 | 404 | 409:
            return _by_state(verb, path, code, status)
        case 400 | 422 if by := _admission(status):
            return Forbidden(verb.name, path.resource, path.namespace, by=by)
        case 422 if any(cause.get("field") == "metadata.uid" for cause in _causes(status)):
            # A patch that carries the uid of an object met another one of that name.
            return Conflict(f"{what}: it was replaced in between")
        case _ if code in _SOON or not BAD_REQUEST <= code < INTERNAL_SERVER_ERROR:
            why = _SOON.get(code, f"failed with status {code}")
            return Retryable(f"{what}: {why}", retry_after=_retry_after(status, headers))
        case _:
            why = f"refused with status {code}{_fields(path, status)}"
            return Rejected(Reason.BACKEND_REFUSED, f"{what}: {why}")


def _by_state(verb: Verb, path: Path, code: int, status: dict[str, Any]) -> RekeyError:
    what = said(verb, path)
    causes = {cause.get("reason") for cause in _causes(status)}
    match code, status.get("reason"):
        case 404, _:
            return NotFound(f"{what}: there is none")
        case 409, "AlreadyExists":
            return Taken(f"{what}: the name is taken")
        case 409, _:
            return Conflict(f"{what}: it was changed in between")
        case _ if "NamespaceTerminating" in causes:
            return NamespaceTerminating(f"{what}: the namespace is being deleted")
        case _:
            return Forbidden(verb.name, path.resource, path.namespace, by=_admission(status))


def _admission(status: dict[str, Any]) -> str:
    """Return what refused it besides rights and rules of the API: that is mended elsewhere, at its owner's time.

    Its name is an administrator's and may be said; its message may quote the object and may not.
    """
    message = str(status.get("message", ""))
    found = ((kind, name.search(message)) for kind, name in _ADMISSION.items())
    return next((f"{kind} {match[1]}" for kind, match in found if match), "")


def said(verb: Verb, path: Path) -> str:
    """Return how messages begin: what was asked, of what, where."""
    return f"{verb.name} {path.resource}{f' in namespace {path.namespace}' if path.namespace else ''}"


def silence(error: Exception) -> str:
    """Return why no answer came, for a person."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "unknown host"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return "connection refused"
        case TimeoutError():
            return "not in time"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "connection closed"
        case _:
            return type(error).__name__


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:  # a proxy's page, say
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}


def _causes(status: dict[str, Any]) -> list[dict[str, Any]]:
    causes = (status.get("details") or {}).get("causes") or []
    return [cause for cause in causes if isinstance(cause, dict)]


def _fields(path: Path, status: dict[str, Any]) -> str:
    if path.resource == SECRETS.plural:
        return ""
    fields = [f"{cause.get('field', '?')}: {cause.get('reason', '?')}" for cause in _causes(status)]
    return f" ({'; '.join(fields[:5])[:500]})" if fields else ""


def _retry_after(status: dict[str, Any], headers: Mapping[str, str]) -> float | None:
    asked = headers.get("Retry-After") or (status.get("details") or {}).get("retryAfterSeconds")
    try:
        return max(0.0, float(asked)) if asked is not None else None
    except (TypeError, ValueError):  # it may be a date: our own patience is good enough then
        return None
