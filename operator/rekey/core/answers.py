"""What any answer over HTTP means to who asked a backend: it was done, wait and ask again, or a person must act.

1. Of an answer nothing is repeated but its status and the code of its error, and that only if it looks like one.
2. What may have made something that was not understood is `LOST`: it may be there, and nobody knows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

import orjson

from rekey.core.rate import asked_wait, there
from rekey.core.spec_http import ExpiryUnit

MAX_BODY: Final = 64 * 1024
LONGEST: Final = timedelta(days=36_525)
"""A hundred years: who tells of more does not know what he says."""

_VISIBLE: Final = re.compile(r"[!-~]+")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CODE: Final = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to a request that was sent at that moment.

    Names of headers are in lower case; a body that is too long is None.
    """

    status: int
    sent: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=b"", repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300  # noqa: PLR2004  HTTP's own


class Then(Enum):
    """What follows from an answer that is none of what was asked for."""

    WAIT = auto()
    """Ask again later; nothing was done there."""
    LOST = auto()
    """Ask again later; it may have been done."""
    REAUTHORIZE = auto()
    """A person must authorize us anew, or give us another secret to log in with."""
    REFUSED = auto()
    """A person must change what is asked for, or where."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An answer that is none of what was asked for, `words` for people; `retry_after`: seconds it asked us to wait.

    `code` is as the server wrote it: to compare, never to show.
    """

    then: Then
    words: str
    code: str = field(default="", repr=False)
    retry_after: float | None = None


def waits(answer: Answer, *, busy: bool) -> float | None:
    """Return how many seconds it asks us to wait; `busy`: its code says that a limit was reached."""
    return asked_wait(answer.headers, answer.sent, busy=busy or answer.status == 429)  # noqa: PLR2004  HTTP's own


def follows(status: int) -> Then:
    """Return what follows from a status, whatever else is said."""
    if status == 401:  # noqa: PLR2004  HTTP's own
        return Then.REAUTHORIZE
    if status in {408, 425, 429, 503}:
        return Then.WAIT
    return Then.LOST if status >= 500 else Then.REFUSED  # noqa: PLR2004  HTTP's own


def told(answer: Answer, code: str) -> str:
    """Return the status for people, with the code of the error if it is one word of small letters."""
    return f"answered {answer.status}{f' ({code})' if _CODE.fullmatch(code) else ''}"


def contents(answer: Answer) -> object:
    """Return what the body is in JSON; None if it is none."""
    try:
        return orjson.loads(answer.body) if answer.body else None
    except orjson.JSONDecodeError:
        return None


def document(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object that the body is; None if it is none."""
    found = contents(answer)
    return found if isinstance(found, dict) else None


def secret(found: object) -> str | None:
    """Return a value that can stand in a header; None if it is none."""
    return found if isinstance(found, str) and _VISIBLE.fullmatch(found) else None


def life(found: object, unit: ExpiryUnit, answer: Answer) -> timedelta | None:
    """Return how long something is good; None if that is not said, over already, or absurd."""
    now = there(answer.headers, answer.sent)
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        found = float(found)
    try:
        if isinstance(found, str):
            length = _date(found) - now if unit is ExpiryUnit.DATE else None
        elif not isinstance(found, int | float) or isinstance(found, bool):
            length = None
        elif unit is ExpiryUnit.DATE:
            length = datetime.fromtimestamp(found, UTC) - now
        else:
            length = timedelta(seconds=found) if unit is ExpiryUnit.SECONDS else timedelta(milliseconds=found)
    except (ValueError, TypeError, OverflowError, OSError):  # no date, one without its zone, one that no calendar has
        return None
    return length if length is not None and timedelta() < length <= LONGEST else None


def _date(text: str) -> datetime:
    """Return the moment that is meant; of a day without an hour its beginning, which is rather too early."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if _DAY.fullmatch(text) else found
