"""JSON pointers (RFC 6901): what stands at one in a document, and how a document is built by them."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")


def at(document: object, pointer: str) -> object:
    """Return what stands there; None where nothing does."""
    for name in _steps(pointer):
        if isinstance(document, list):
            document = document[int(name)] if _INDEX.fullmatch(name) and int(name) < len(document) else None
        else:
            document = document.get(name) if isinstance(document, dict) else None
    return document


def put(document: MutableMapping[str, Any], pointer: str, value: object) -> None:
    """Have it stand there, in objects that are made where there are none; what stood there is replaced."""
    *steps, last = _steps(pointer)
    for name in steps:
        inner = document.get(name)
        if not isinstance(inner, dict):
            inner = document[name] = {}
        document = inner
    document[last] = value


def _steps(pointer: str) -> Iterator[str]:
    return (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
