"""A logging filter that takes credentials out of whatever others log: `handler.addFilter(Redact())`."""

import logging
import re
from typing import Final

_NAMES: Final = "authorization|x-token-secret|secret"
_FIELD: Final = re.compile(
    rf"""(?ix) (?<![a-z0-9]) ({_NAMES}) (['"]?\s*[:=,]\s*)
    (b?'(?:[^'\\]|\\.)*' | b?"(?:[^"\\]|\\.)*" | (?:(?:bearer|basic)\s+)?(?:\[redacted\]|[^\s,;&}})\]]+))"""
)
_SCHEME: Final = re.compile(r"(?i)\b(bearer|basic)\s+[-._~+/A-Za-z0-9]{8,}=*")
_KEYS: Final = frozenset(_NAMES.split("|"))
_GONE: Final = "[redacted]"


def redacted(text: str) -> str:
    """Return the text without the values of `authorization`, `x-token-secret` and `secret`, and what follows Bearer."""
    return _SCHEME.sub(rf"\1 {_GONE}", _FIELD.sub(rf"\1\2{_GONE}", text))


class Redact(logging.Filter):
    """Redacts message, arguments, traceback and extra fields of every record; it drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place."""
        _clean_message(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text)
        for name, value in vars(record).items():
            if name.lower().replace("_", "-") in _KEYS:
                setattr(record, name, _GONE)
            elif isinstance(value, dict) and name != "args":
                setattr(record, name, _plain(value))
        return True


def _clean_message(record: logging.LogRecord) -> None:
    """Clean the arguments one by one first: some formatters, such as uvicorn's, want them; then what they make up."""
    if isinstance(record.args, tuple):
        record.args = tuple(redacted(value) if isinstance(value, str) else value for value in record.args)
    try:
        text = record.getMessage()
    except (TypeError, ValueError):
        text = str(record.msg)
    if redacted(text) != text or not record.args:
        record.msg, record.args = redacted(text), None


def _plain(fields: dict[object, object]) -> dict[object, object]:
    return {key: _GONE if str(key).lower().replace("_", "-") in _KEYS else value for key, value in fields.items()}
