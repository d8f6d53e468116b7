"""How hard a server lets itself be used, by the headers of its answers: what is left, and how long to wait.

`Retry-After` is RFC 9110. For the rest there are three ways to write it: `X-RateLimit-…` (nobody's standard), three
headers `RateLimit-…` and one or two `RateLimit`, `RateLimit-Policy` (earlier and later drafts of the same).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = timedelta(hours=24)
_NUMBER: Final = re.compile(r"\s*([0-9]{1,13})(?:\.[0-9]+)?\s*(?:[,;].*)?")
_SECONDS: Final = re.compile(r"[0-9]{1,13}(\.[0-9]{1,9})?")
_SINCE_1970: Final = 1_000_000_000
_MILLISECONDS: Final = 1_000_000_000_000
_ITEMS: Final = {"limit": r"(?:limit|q)", "remaining": r"(?:remaining|r)", "reset": r"(?:reset|t)"}


@dataclass(frozen=True, slots=True)
class Rate:
    """What a server says of its own limit; `reset`: when `remaining` is `limit` again."""

    limit: int | None = None
    remaining: int | None = None
    reset: datetime | None = None


def rate(headers: Mapping[str, str], now: datetime) -> Rate | None:
    """Return what the headers (names in lower case) say; None if nothing."""
    reset = _told(headers, "reset")
    found = Rate(_told(headers, "limit"), _told(headers, "remaining"), None if reset is None else _moment(reset, now))
    return found if found != Rate() else None


def asked_wait(headers: Mapping[str, str], now: datetime, *, busy: bool) -> float | None:
    """Return for how many seconds the server asks us to wait, a day at most; `busy`: its limit was reached."""
    text = headers.get("retry-after", "")
    wait: timedelta | None = None
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=float(text))
    elif moment := _date(text):
        wait = moment - there(headers, now)
    elif busy and (known := rate(headers, now)) is not None and known.reset is not None:
        wait = known.reset - now
    return None if wait is None else min(max(wait, timedelta()), LONGEST_WAIT).total_seconds()


def there(headers: Mapping[str, str], now: datetime) -> datetime:
    """Return the present instant by the server's own clock, with which the dates that it tells are to be compared."""
    return _date(headers.get("date", "")) or now


def _told(headers: Mapping[str, str], what: str) -> int | None:
    for name in (f"ratelimit-{what}", f"x-ratelimit-{what}", f"x-rate-limit-{what}"):
        if found := _NUMBER.fullmatch(headers.get(name, "")):
            return int(found[1])
    together = f"{headers.get('ratelimit', '')};{headers.get('ratelimit-policy', '')}"
    item = re.search(rf"(?:^|[\s;,]){_ITEMS[what]}=([0-9]{{1,13}})(?![0-9])", together)
    return int(item[1]) if item else None


def _moment(told: int, now: datetime) -> datetime | None:
    """Return the moment that is meant: so many seconds from now, or since 1970, or milliseconds since then.

    None if no calendar has it.
    """
    try:
        if told < _SINCE_1970:
            return now + timedelta(seconds=told)
        return datetime.fromtimestamp(told / 1000 if told >= _MILLISECONDS else told, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _date(text: str) -> datetime | None:
    """Return what an HTTP date says; None if it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
