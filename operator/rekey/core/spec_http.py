"""What is declared of backends that are asked over HTTP: where they are, how they write, when what they give ends.

Also by whom they must be known, what we show them in TLS, and by which proxy they are asked.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from rekey.core.shape import ObjectName

POINTER: Final = r"^(/[^/]+)+$"
URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9._~%:@!,;=+/]*)?$"

_PROXY: Final = r"^http://[-A-Za-z0-9.:\[\]]+$"

CaSecretName = Annotated[
    ObjectName | None,
    Field(description="Secret whose `ca.crt` its certificate must be issued by. Absent: the image's own."),
]
CertificateSecretName = Annotated[
    ObjectName | None,
    Field(
        description="Secret with `tls.crt` and `tls.key`, such as one of type kubernetes.io/tls: the certificate that "
        "we show where TLS asks for one. It is read for each request."
    ),
]
ProxyUrl = Annotated[
    str | None,
    Field(
        max_length=1024,
        pattern=_PROXY,
        description="HTTP proxy that connects us to the endpoints (CONNECT), as `http://host:port`; it sees their "
        "names, and nothing of what is sent. Absent: none; the environment's are never used.",
    ),
]


class BodyFormat(StrEnum):
    """How the body of a request is written."""

    FORM = "Form"
    JSON = "JSON"


class ExpiryUnit(StrEnum):
    """What the server means by the field that says when something ends."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    DATE = "Date"
