"""What a request presents: the Authorization header, taken apart and bounded before anything looks at it."""

import re
from base64 import b64decode
from collections.abc import Sequence
from typing import NamedTuple

from rekey_client.outcome import Reason

LONGEST = 16 << 10
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class Presented(NamedTuple):
    """A token or password; with the user it is said to be of, when it came by Basic. Made for each request: cheap."""

    value: str
    user: str | None = None


def read(authorization: Sequence[str | bytes]) -> Presented | Reason:
    """Return what the header's values present, or why that cannot be said."""
    if not authorization:
        return Reason.MISSING
    text = authorization[0]
    if len(authorization) != 1 or len(text) > LONGEST:
        return Reason.BAD_REQUEST
    scheme, _, value = (text.decode("latin-1") if isinstance(text, bytes) else text).partition(" ")
    value = value.strip(" ")
    if not _VISIBLE.fullmatch(value):
        return Reason.BAD_REQUEST
    match scheme.lower():
        case "bearer":
            return Presented(value)
        case "basic":
            return _basic(value)
        case _:
            return Reason.BAD_REQUEST


def _basic(value: str) -> Presented | Reason:
    try:
        user, colon, password = b64decode(value, validate=True).decode("ascii").partition(":")
    except ValueError:
        return Reason.MALFORMED
    if not colon or not _VISIBLE.fullmatch(password):
        return Reason.MALFORMED
    return Presented(password, user)
