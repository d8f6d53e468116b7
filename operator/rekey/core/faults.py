"""What a parser found wrong, in words for the person who wrote it: no word of the parser's own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_SAID: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "extra_forbidden": lambda _: "unknown field",
    "missing": lambda _: "is required",
    "literal_error": lambda of: f"must be one of {_either(of['expected'])}",
    "enum": lambda of: f"must be one of {_either(of['expected'])}",
    "bool_parsing": lambda _: "must be true or false",
    "bool_type": lambda _: "must be true or false",
    "int_parsing": lambda _: "must be a whole number",
    "int_type": lambda _: "must be a whole number",
    "string_type": lambda _: "must be a text: put it in quotes",
    "model_type": lambda _: "must be an object",
    "dict_type": lambda _: "must be an object",
    "list_type": lambda _: "must be a list",
    "tuple_type": lambda _: "must be a list",
    "greater_than_equal": lambda of: f"must be at least {of['ge']}",
    "less_than_equal": lambda of: f"must be at most {of['le']}",
    "string_too_short": lambda of: f"must have at least {of['min_length']} characters",
    "string_too_long": lambda of: f"must have at most {of['max_length']} characters",
    "too_long": lambda of: f"must have at most {of['max_length']} items",
    "too_short": lambda of: f"must have at least {of['min_length']} items",
    "string_pattern_mismatch": lambda _: "is not of the form that is described for it",
}


def first(root: str, error: ValidationError) -> str:
    """Return where the first of them is, and what is wrong there; nothing of what was written is quoted."""
    fault: ErrorDetails
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{path(root, fault)}: {message(fault)}"


def message(fault: ErrorDetails) -> str:
    """Return what is wrong; it quotes what was written only where our own validators do."""
    if (said := _SAID.get(fault["type"])) is not None:
        return said(fault.get("ctx") or {})
    return fault["msg"].removeprefix("Value error, ")


def path(root: str, fault: ErrorDetails) -> str:
    """Return where: as in `spec.consumers[0].kind`."""
    places = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    return root + places if root else places.removeprefix(".")


def _either(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")
