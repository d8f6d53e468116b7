"""The specs of CredentialProvider and ClusterCredentialProvider: where a backend is and how we log in there.

1. They belong to administrators: no RotatedCredential says where anything is sent.
2. Secrets are named without a namespace: those of a CredentialProvider are of its own namespace, those of a
   ClusterCredentialProvider of the operator's.
3. Exactly one kind is set, and which one never changes (admission sees to both).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from rekey.core.shape import ATOMIC, SET, Duration, ObjectName, Part
from rekey.core.spec_consumers import LabelSelector

_HOST: Final = r"^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$"
_URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9._~%:@!,;=+/]*)?$"


class Tls(StrEnum):
    """How the server is known."""

    VERIFY_FULL = "VerifyFull"
    NONE = "None"


class PostgresqlServer(Part):
    """A PostgreSQL server."""

    host: str = Field(min_length=1, max_length=253, pattern=_HOST, description="Name or address of the server.")
    port: int = Field(default=5432, ge=1, le=65535, description="Its port.")
    database: str = Field(
        default="postgres", min_length=1, max_length=63, pattern=r"^[!-~]+$", description="Database to log in to."
    )
    tls: Tls = Field(
        default=Tls.VERIFY_FULL,
        description="`VerifyFull`: TLS 1.2 at least, and a certificate for `host`. `None`: in the clear, accepted for "
        "a loopback address only.",
    )
    ca_secret_name: ObjectName | None = Field(
        default=None, description="Secret whose `ca.crt` its certificate must be issued by. Absent: the image's own."
    )
    secret_name: ObjectName = Field(
        description="Secret with `username` and `password` of the role by which we log in. It needs CREATEROLE, and "
        "to be a member of the roles that credentials name, with ADMIN OPTION."
    )


class Oauth2Authorization(StrEnum):
    """Where the client's own secret stands in a request to the token endpoint (RFC 6749, 2.3.1)."""

    HEADER = "Header"
    BODY = "Body"


class BodyFormat(StrEnum):
    """How a request to the token endpoint is written."""

    FORM = "Form"
    JSON = "JSON"


class ExpiryUnit(StrEnum):
    """What the server means by `expires_in`."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    DATE = "Date"


class Oauth2Server(Part):
    """An OAuth2 authorization server, and us as one of its clients."""

    token_url: str = Field(max_length=1024, pattern=_URL, description="The token endpoint (RFC 6749).")
    revocation_url: str | None = Field(
        default=None, max_length=1024, pattern=_URL, description="The revocation endpoint (RFC 7009), if it has one."
    )
    introspection_url: str | None = Field(
        default=None,
        max_length=1024,
        pattern=_URL,
        description="The introspection endpoint (RFC 7662), if it has one: by it a token is proved, and its expiry "
        "learned where the token endpoint does not tell.",
    )
    secret_name: ObjectName = Field(description="Secret with `client_id` and `client_secret`.")
    ca_secret_name: ObjectName | None = Field(
        default=None, description="Secret whose `ca.crt` its certificate must be issued by. Absent: the image's own."
    )
    authorization_method: Oauth2Authorization = Field(
        default=Oauth2Authorization.HEADER,
        description="`Header`: HTTP Basic. `Body`: as `client_id` and `client_secret` in the request.",
    )
    body_format: BodyFormat = Field(
        default=BodyFormat.FORM, description="`Form` as RFC 6749 has it, or `JSON` where a server wants that."
    )
    expiry_field: str = Field(
        default="/expires_in",
        max_length=128,
        pattern=r"^(/[^/]+)+$",
        description="Where the answer says when the token ends, as a JSON pointer (RFC 6901).",
    )
    expiry_unit: ExpiryUnit = Field(
        default=ExpiryUnit.SECONDS,
        description="What stands there: `Seconds` or `Milliseconds` from now, or a `Date` (RFC 3339, or seconds since "
        "1970).",
    )
    token_lifetime: Duration = Field(
        default=timedelta(hours=1),
        description="How long a token is taken to be good where the server does not say: from 1m to 8760h.",
    )
    longest_lifetime: Duration = Field(
        default=timedelta(hours=24),
        description="A token is renewed as if it ended by then, whatever the server says: from 1m to 8760h.",
    )
    reauthorize_errors: tuple[Annotated[str, Field(max_length=64, pattern=r"^[!-~]+$")], ...] = Field(
        default=("invalid_grant", "invalid_client", "unauthorized_client"),
        max_length=16,
        json_schema_extra=SET,
        description="Values of `error` by which the server says that a person must act. So does a 401.",
    )


class Limits(Part):
    """How hard the backend may be used."""

    concurrency: int = Field(default=4, ge=1, le=64, description="How many requests may be under way at once.")
    per_minute: int = Field(default=600, ge=1, le=60_000, description="How many requests may begin in a minute.")


class CredentialProviderSpec(Part):
    """All of `.spec` of a CredentialProvider."""

    postgresql: PostgresqlServer | None = Field(default=None, description="A PostgreSQL server, version 14 or later.")
    oauth2: Oauth2Server | None = Field(default=None, description="An OAuth2 authorization server.")
    limits: Limits = Field(default_factory=Limits, description="How hard the backend may be used by this operator.")


class AllowedNamespaces(Part):
    """Who may use a ClusterCredentialProvider; whoever is named by either."""

    names: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(), max_length=256, json_schema_extra=ATOMIC, description="Namespaces by name."
    )
    selector: LabelSelector | None = Field(default=None, description="Namespaces by their labels.")


class ClusterCredentialProviderSpec(CredentialProviderSpec):
    """All of `.spec` of a ClusterCredentialProvider."""

    allowed_namespaces: AllowedNamespaces = Field(
        default_factory=AllowedNamespaces, description="Namespaces whose credentials may use it. Absent: none."
    )


__all__ = [
    "AllowedNamespaces",
    "BodyFormat",
    "ClusterCredentialProviderSpec",
    "CredentialProviderSpec",
    "ExpiryUnit",
    "Limits",
    "Oauth2Authorization",
    "Oauth2Server",
    "PostgresqlServer",
    "Tls",
]
