"""What is declared of backends that are asked over HTTP: where they are, how they write, when what they give ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

POINTER: Final = r"^(/[^/]+)+$"
URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9._~%:@!,;=+/]*)?$"


class BodyFormat(StrEnum):
    """How the body of a request is written."""

    FORM = "Form"
    JSON = "JSON"


class ExpiryUnit(StrEnum):
    """What the server means by the field that says when something ends."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    DATE = "Date"
