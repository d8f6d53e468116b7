"""Durations as people write them in a manifest: Go's notation, from milliseconds to hours.

1. What `PATTERN` and `MAX_LENGTH` admit, `parse` understands; the CRD is made from the same two constants.
2. `MAX_LENGTH` also keeps the sum below what Go's duration type can hold, so a CEL rule never overflows.
3. `parse(show(value)) == value` for every duration of whole milliseconds that is not negative.
"""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final

PATTERN: Final = r"^([0-9]{1,6}(ms|s|m|h)){1,4}$"
MAX_LENGTH: Final = 20

_UNITS: Final = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_WHOLE: Final = re.compile(PATTERN.removesuffix("$") + r"\Z", re.ASCII)
_TERM: Final = re.compile(r"([0-9]+)(ms|s|m|h)", re.ASCII)


@lru_cache(maxsize=1_024)
def parse(text: str) -> timedelta:
    """Return the length of time that *text* names, such as `90s` or `1h30m`.

    Raises `ValueError` with a text for the person who wrote it.
    """
    if len(text) > MAX_LENGTH or not _WHOLE.match(text):
        msg = (
            f"{text[:40]!r} is not a duration: write whole numbers with the units h, m, s or ms, "
            f"such as 90s, 1h30m or 720h (days are 24h), at most {MAX_LENGTH} characters"
        )
        raise ValueError(msg)
    return sum((int(count) * _UNITS[unit] for count, unit in _TERM.findall(text)), timedelta())


def show(value: timedelta) -> str:
    """Return *value* as a person would write it, to the millisecond: `24h`, `1m30s`, `0s`."""
    rest = abs(value)
    terms = []
    for unit, length in _UNITS.items():
        count, rest = divmod(rest, length)
        if count:
            terms.append(f"{count}{unit}")
    sign = "-" if terms and value < timedelta() else ""
    return sign + ("".join(terms) or "0s")
