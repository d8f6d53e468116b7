"""What a service says about its limits, of whichever headers it uses: for the caller, who decides when to go on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

_EPOCH: Final = 1_000_000_000
"""A reset above this is a date, not a number of seconds."""
_NUMBER: Final = re.compile(r"\d{1,12}")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many calls there are in a window, how many are left, and in how many seconds there are more."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], now: float) -> "RateLimit":
        """Read `Retry-After`, `RateLimit`, `RateLimit-*` and `X-RateLimit-*`; what is not understood is left out.

        `now` is the wall's clock, for servers that write a date.
        """
        given = {name.lower(): value for name, value in headers.items()}
        fields = _fields(given.get("ratelimit", ""))
        policy = _fields(given.get("ratelimit-policy", ""))

        def number(name: str) -> int | None:
            found = _number(given.get(f"ratelimit-{name}"))
            return found if found is not None else _number(given.get(f"x-ratelimit-{name}"))

        limit = _first(fields.get("limit"), policy.get("q"), number("limit"))
        remaining = _first(fields.get("remaining"), fields.get("r"), number("remaining"))
        reset = _first(fields.get("reset"), fields.get("t"), number("reset"))
        seconds = None if reset is None else max(0.0, reset - now if reset > _EPOCH else float(reset))
        after = _after(given.get("retry-after", ""), now)
        return cls(limit, remaining, seconds if after is None else after)


def _first(*found: int | None) -> int | None:
    return next((value for value in found if value is not None), None)


def _number(text: str | None) -> int | None:
    found = _NUMBER.match((text or "").strip())
    return int(found[0]) if found else None


def _fields(text: str) -> dict[str, int]:
    """Read the numbers of `limit=10, remaining=5` and of `"default";q=10;w=60`; the first policy counts."""
    found: dict[str, int] = {}
    for name, value in re.findall(r"([a-z]+)\s*=\s*(\d{1,12})", text.lower()):
        found.setdefault(name, int(value))
    return found


def _after(text: str, now: float) -> float | None:
    if text.strip().isdigit() and len(text) < len(str(_EPOCH)):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
