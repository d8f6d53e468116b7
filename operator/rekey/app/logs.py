"""What is logged, and what never is.

1. A line of our own is a fixed sentence and fields from a closed list; a field that is not in it is left out.
2. Of an error that is not ours only its type and the places in our own code are shown: its message may quote what it
   was given, and a traceback may show locals.
3. A line of a library is its first 300 characters without anything that looks like a value: no run of 20 letters
   and digits passes. kopf, aiohttp, urllib3 and asyncio are heard from `warning` on, whatever the level is. That kopf
   tries again is said only when that does not help.
4. One line each, on stderr: JSON, or text for people.
"""

import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

import rekey
from rekey.app.settings import LogFormat, LogLevel
from rekey.errors import RekeyError

FIELDS: Final = (
    *("credential", "namespace", "uid", "version", "reason", "message_text", "cause", "step", "lane", "stalled"),
    *("until", "seconds", "attempt", "count", "port", "server", "right", "verb", "resource", "code", "error"),
    *("signal", "workers", "namespaces", "release", "lease", "holder", "term"),
)
LIBRARIES: Final = ("kopf", "aiohttp", "urllib3", "asyncio", "kubernetes", "boto3", "botocore")
_OURS: Final = str(Path(rekey.__file__).parent)
_VALUE: Final = re.compile(r"[A-Za-z0-9+=]{20,}")
_LONGEST: Final = 300
_RETRY: Final = re.compile(r"Request attempt #(\d+)\S* failed; will retry: .* -> (\w+)")
_SOON: Final = 3
_USELESS: Final = ("OS signals are ignored", "Multidimensional multitasker has failed")


def describe(error: BaseException) -> str:
    """Return what may be said of an error: ours speak for themselves, of others type and place."""
    if isinstance(error, RekeyError):
        return f"{type(error).__name__}: {error}"
    places = [
        f"{Path(frame.filename).relative_to(_OURS)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(_OURS)
    ]
    return f"{type(error).__name__} at {' < '.join(reversed(places[-5:])) or 'unknown place'}"


class Plain(logging.Filter):
    """Makes of every record one that may be shown."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Reduce the record in place; drop what tells nobody anything."""
        text = record.getMessage()
        if _is_patience(text) and logging.getLogger().level > logging.DEBUG:
            return False
        if not record.name.startswith("rekey"):
            text = _VALUE.sub("[…]", text.partition("\n")[0][:_LONGEST])
        record.msg, record.args = text, None
        if record.exc_info and record.exc_info[1] is not None:
            record.error = describe(record.exc_info[1])
        record.exc_info = record.exc_text = record.stack_info = None
        return not text.startswith(_USELESS)


def _is_patience(text: str) -> bool:
    """Return whether it only says that kopf tries again: at first, or for want of an answer (`contact` tells that)."""
    found = _RETRY.search(text)
    return found is not None and (int(found[1]) <= _SOON or not found[2].startswith("API"))


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record that may be shown."""
    given = vars(record)
    return {name: given[name] for name in FIELDS if given.get(name) is not None}


def moment(record: logging.LogRecord) -> str:
    """Return when the record was made."""
    made = datetime.fromtimestamp(record.created, UTC)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        return orjson.dumps(line, default=str).decode()


class Text(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        more = "".join(f" {name}={value}" for name, value in fields(record).items())
        return f"{moment(record)[11:23]} {record.levelname.lower():7} {record.getMessage()}{more}"


def start(level: LogLevel, form: LogFormat) -> None:
    """Log to stderr from here on."""
    text = form is LogFormat.TEXT or (form is LogFormat.AUTO and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Text() if text else Json())
    handler.addFilter(Plain())
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.raiseExceptions = False  # the report of a failed log call shows its arguments
