"""How a rotation is checked: by a request that a service must accept, and by the health of consumers."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from rekey.core.shape import ATOMIC, HOST, Duration, ObjectName, Part
from rekey.core.spec_health import Health

# No user, no fragment, nothing that looks like a template: the value never stands in a URL.
_URL: Final = rf"^https?://{HOST}(:[0-9]{{1,5}})?(/[-A-Za-z0-9._~%:@!,;=+/]*)?(\?[-A-Za-z0-9._~:@!,;=+/&]*)?$"


class Header(Part):
    """The value in a header of its own."""

    name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z][-A-Za-z0-9]*$",
        description="Name of the header, such as `X-Api-Key`.",
    )
    prefix: str = Field(
        default="", max_length=64, pattern=r"^[ -~]*$", description="What stands before the value, such as `Token `."
    )


class Basic(Part):
    """The value as the password of HTTP Basic."""

    username: str = Field(
        min_length=1, max_length=253, pattern=r"^[!-9;-~]+$", description="The name that belongs to the password."
    )


class Bearer(Part):
    """The value as a bearer token."""


class HttpProbe(Part):
    """One GET request with the value."""

    url: str = Field(
        max_length=1024,
        pattern=_URL,
        description="What is asked for: `https://<host>[:port]/path`, without user and fragment. Services of the "
        "credential's own namespace may be asked (`<service>.<namespace>.svc`, these also by `http://`), and what the "
        "operator's setting `REKEY_PROBE_ALLOWED` allows. Redirects are not followed.",
    )
    header: Header | None = Field(default=None, description="Send the value in a header of its own.")
    basic: Basic | None = Field(default=None, description="Send the value as the password of HTTP Basic.")
    bearer: Bearer | None = Field(default=None, description="Send `Authorization: Bearer <value>`.")
    expect_status: tuple[Annotated[int, Field(ge=200, le=499)], ...] = Field(
        default=(200,),
        min_length=1,
        max_length=16,
        json_schema_extra=ATOMIC,
        description="Status codes by which the service accepts the value. Any other 4xx refuses it, but for 408, 425 "
        "and 429; everything else, and no answer, says nothing about it.",
    )
    ca_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret of this namespace whose `ca.crt` the server's certificate must be issued by. Absent: by an "
        "authority that the operator's image trusts.",
    )


class Validation(Health):
    """What a new version must pass before it becomes current, beside what the rotation waits for."""

    http: HttpProbe | None = Field(
        default=None,
        description="Use the new version once before anybody else does, when verifiers have learned of it. Exactly "
        "one of `header`, `basic` and `bearer` must be set. Only for a password, a token or an HMAC key as text.",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10),
        description="How long one try may take, from 1s to 30s, and never longer than the operator still leads "
        "(`REKEY_LEASE_RENEW_DEADLINE`).",
    )
    failure_threshold: int = Field(
        default=3,
        ge=1,
        le=10,
        description="After how many refusals the version is discarded and another one made; after five such versions "
        "none is made until somebody mends it. A service that cannot be reached is asked again and again, and nothing "
        "is discarded.",
    )
