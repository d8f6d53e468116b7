"""What an answer of an OAuth2 endpoint means: a token, wait and ask again, or a person must act (RFC 6749, 5).

1. A token wins: an answer that carries one is never thrown away, as the refresh token that it was got with may be used
   up. What is odd about the rest of it (when it ends, of which type it is) is replaced by what was declared.
2. What may have made a token that was not understood is `LOST`: to ask again may fail because of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from rekey.core.answers import MAX_BODY, Answer, Then, Trouble, document, follows, life, secret, told, waits
from rekey.core.pointing import at
from rekey.core.spec_http import ExpiryUnit
from rekey.core.spec_oauth2 import Oauth2Server

_TYPE: Final = re.compile(r"[A-Za-z][-A-Za-z0-9._]{0,63}")
_BEARER: Final = "Bearer"
_AWAY: Final = frozenset({"temporarily_unavailable", "service_unavailable"})
_BROKEN: Final = frozenset({"server_error", "internal_error", "fatal_error"})
_BUSY: Final = frozenset({"rate_limit_exceeded", "ratelimited", "slow_down"})


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and what the server said of it.

    `life`: None if it said nothing that makes sense. `refresh`: None if the one that was shown stays good. `missing`:
    scopes that were asked for and not granted.
    """

    access: str = field(repr=False)
    kind: str
    life: timedelta | None
    refresh: str | None = field(default=None, repr=False)
    missing: tuple[str, ...] = ()


def token(answer: Answer, server: Oauth2Server, asked: Iterable[str] = ()) -> Token | Trouble:
    """Return what the token endpoint answered to a request for these scopes."""
    found = document(answer)
    access = secret(at(found, server.token_field))
    if not answer.is_success or access is None:
        return trouble(answer, server, f"no token stands at {server.token_field} (`tokenField`)")
    kind = at(found, "/token_type")
    granted = _scopes(at(found, "/scope"))
    return Token(
        access=access,
        kind=kind if isinstance(kind, str) and _TYPE.fullmatch(kind) else _BEARER,
        life=life(at(found, server.expiry_field), server.expiry_unit, answer),
        refresh=secret(at(found, "/refresh_token")),
        missing=tuple(scope for scope in asked if granted and scope not in granted),
    )


def trouble(answer: Answer, server: Oauth2Server, otherwise: str = "") -> Trouble:
    """Return what an answer means that is none of what was asked for."""
    code = _code(answer, server)
    wait, words = waits(answer, busy=code in _BUSY), told(answer, code)
    if answer.is_success and document(answer) is None:
        return Trouble(Then.LOST, f"{words} with what is not a JSON object of {MAX_BODY // 1024} KiB at most")
    if answer.is_success and not code and otherwise:
        words = f"{words}, but {otherwise}"
    return Trouble(_then(answer.status, code, server), words, code, wait)


def is_active(answer: Answer) -> bool | None:
    """Return what the introspection endpoint says of a token (RFC 7662, 2.2); None: nothing that can be read."""
    active = at(document(answer), "/active") if answer.is_success else None
    return active if isinstance(active, bool) else None


def told_life(answer: Answer) -> timedelta | None:
    """Return how long a token is good by what the introspection endpoint says."""
    return life(at(document(answer), "/exp"), ExpiryUnit.DATE, answer) if is_active(answer) else None


def expires(length: timedelta | None, server: Oauth2Server, sent: datetime) -> datetime:
    """Return when a token is taken to end: counted from when it was asked for, so rather too early."""
    return sent + min(length or server.token_lifetime, server.longest_lifetime)


def _then(status: int, code: str, server: Oauth2Server) -> Then:
    if code in server.reauthorize_errors:
        return Then.REAUTHORIZE
    by_status = follows(status)
    if by_status is Then.REAUTHORIZE:
        return by_status
    if code in _AWAY | _BUSY:
        return Then.WAIT
    return Then.LOST if by_status is Then.REFUSED and code in _BROKEN else by_status


def _code(answer: Answer, server: Oauth2Server) -> str:
    found = at(document(answer), server.error_field)
    return found if isinstance(found, str) else ""


def _scopes(found: object) -> frozenset[str]:
    """Return the scopes of an answer: parted by blanks, or by commas (GitHub, Slack); none if it says nothing."""
    return frozenset(filter(None, re.split(r"[ ,]+", found))) if isinstance(found, str) else frozenset()
