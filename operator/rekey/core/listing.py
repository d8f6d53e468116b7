"""How many names are said in one sentence: a few, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable


def few(items: Iterable[object], most: int = 3) -> str:
    """Return the first names and the number of the others."""
    names = [str(item) for item in items]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
