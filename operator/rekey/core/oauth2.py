"""What an answer of an OAuth2 endpoint means: a token, wait and ask again, or a person must act (RFC 6749, 5).

1. A token wins: an answer that carries one is never thrown away, as the refresh token that it was got with may be used
   up. What is odd about the rest of it (when it ends, of which type it is) is replaced by what was declared.
2. Of an answer nothing is repeated but its status and the code of its error, and that only if it looks like one.
3. What may have made a token that was not understood is `LOST`: to ask again may fail because of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

import orjson

from rekey.core.rate import asked_wait, there
from rekey.core.spec_oauth2 import ExpiryUnit, Oauth2Server

MAX_BODY: Final = 64 * 1024
LONGEST: Final = timedelta(days=36_525)
"""A hundred years: who tells of more does not know what he says."""

_CODE: Final = re.compile(r"[a-z_]{1,64}")
_VISIBLE: Final = re.compile(r"[!-~]+")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_TYPE: Final = re.compile(r"[A-Za-z][-A-Za-z0-9._]{0,63}")
_BEARER: Final = "Bearer"
_AWAY: Final = frozenset({"temporarily_unavailable", "service_unavailable"})
_BROKEN: Final = frozenset({"server_error", "internal_error", "fatal_error"})
_BUSY: Final = frozenset({"rate_limit_exceeded", "ratelimited", "slow_down"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to a request that was sent at that moment.

    Names of headers are in lower case; a body that is too long is None.
    """

    status: int
    sent: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=b"", repr=False)


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


class Then(Enum):
    """What follows from an answer without a token."""

    WAIT = auto()
    """Ask again later; nothing was done there."""
    LOST = auto()
    """Ask again later; it may have been done."""
    REAUTHORIZE = auto()
    """A person must authorize us anew, or give us another client secret."""
    REFUSED = auto()
    """A person must change what is asked for, or where."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An answer without a token, `words` for people; `retry_after`: seconds that the server asked us to wait.

    `code` is as the server wrote it: to compare, never to show.
    """

    then: Then
    words: str
    code: str = field(default="", repr=False)
    retry_after: float | None = None


def token(answer: Answer, server: Oauth2Server, asked: Iterable[str] = ()) -> Token | Trouble:
    """Return what the token endpoint answered to a request for these scopes."""
    found = _document(answer)
    access = _secret(_at(found, server.token_field))
    if not is_success(answer) or access is None:
        return trouble(answer, server, f"no token stands at {server.token_field} (`tokenField`)")
    kind = _at(found, "/token_type")
    granted = _scopes(_at(found, "/scope"))
    return Token(
        access=access,
        kind=kind if isinstance(kind, str) and _TYPE.fullmatch(kind) else _BEARER,
        life=_life(_at(found, server.expiry_field), server.expiry_unit, answer),
        refresh=_secret(_at(found, "/refresh_token")),
        missing=tuple(scope for scope in asked if granted and scope not in granted),
    )


def trouble(answer: Answer, server: Oauth2Server, otherwise: str = "") -> Trouble:
    """Return what an answer means that is none of what was asked for."""
    code = _code(answer, server)
    shown = code if _CODE.fullmatch(code) else ""
    wait = asked_wait(answer.headers, answer.sent, busy=answer.status == 429 or code in _BUSY)  # noqa: PLR2004  HTTP's own
    words = f"answered {answer.status}{f' ({shown})' if shown else ''}"
    if is_success(answer) and _document(answer) is None:
        return Trouble(Then.LOST, f"{words} with what is not a JSON object of {MAX_BODY // 1024} KiB at most")
    if is_success(answer) and not code and otherwise:
        words = f"{words}, but {otherwise}"
    return Trouble(_then(answer.status, code, server), words, code, wait)


def is_active(answer: Answer) -> bool | None:
    """Return what the introspection endpoint says of a token (RFC 7662, 2.2); None: nothing that can be read."""
    active = _at(_document(answer), "/active") if is_success(answer) else None
    return active if isinstance(active, bool) else None


def told_life(answer: Answer) -> timedelta | None:
    """Return how long a token is good by what the introspection endpoint says."""
    return _life(_at(_document(answer), "/exp"), ExpiryUnit.DATE, answer) if is_active(answer) else None


def expires(life: timedelta | None, server: Oauth2Server, sent: datetime) -> datetime:
    """Return when a token is taken to end: counted from when it was asked for, so rather too early."""
    return sent + min(life or server.token_lifetime, server.longest_lifetime)


def _then(status: int, code: str, server: Oauth2Server) -> Then:
    if code in server.reauthorize_errors or status == 401:  # noqa: PLR2004  HTTP's own
        return Then.REAUTHORIZE
    if status in {408, 425, 429, 503} or code in _AWAY | _BUSY:
        return Then.WAIT
    return Then.LOST if status >= 500 or code in _BROKEN else Then.REFUSED  # noqa: PLR2004  HTTP's own


def is_success(answer: Answer) -> bool:
    """Say whether the status is one of success."""
    return 200 <= answer.status < 300  # noqa: PLR2004  HTTP's own


def _document(answer: Answer) -> dict[str, Any] | None:
    try:
        found = orjson.loads(answer.body) if answer.body else None
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _at(document: object, pointer: str) -> object:
    """Return what stands at a JSON pointer (RFC 6901); None where nothing does. Lists are not looked into."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _code(answer: Answer, server: Oauth2Server) -> str:
    found = _at(_document(answer), server.error_field)
    return found if isinstance(found, str) else ""


def _secret(found: object) -> str | None:
    return found if isinstance(found, str) and _VISIBLE.fullmatch(found) else None


def _scopes(found: object) -> frozenset[str]:
    """Return the scopes of an answer: parted by blanks, or by commas (GitHub, Slack); none if it says nothing."""
    return frozenset(filter(None, re.split(r"[ ,]+", found))) if isinstance(found, str) else frozenset()


def _life(found: object, unit: ExpiryUnit, answer: Answer) -> timedelta | None:
    """Return how long a token is good; None if that is not said, over already, or absurd."""
    now = there(answer.headers, answer.sent)
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        found = float(found)
    try:
        if isinstance(found, str):
            life = datetime.fromisoformat(found) - now if unit is ExpiryUnit.DATE else None
        elif not isinstance(found, int | float) or isinstance(found, bool):
            life = None
        elif unit is ExpiryUnit.DATE:
            life = datetime.fromtimestamp(found, UTC) - now
        else:
            life = timedelta(seconds=found) if unit is ExpiryUnit.SECONDS else timedelta(milliseconds=found)
    except (ValueError, TypeError, OverflowError, OSError):  # no date, one without its zone, one that no calendar has
        return None
    return life if life is not None and timedelta() < life <= LONGEST else None
