"""OAuth2 in the specs: where an authorization server is and who we are there, and the token that is wanted of it.

The first belongs to administrators, the second to whoever wants a credential, who never says where anything is sent.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from rekey.core.shape import LINE, SET, Duration, ObjectName, Part
from rekey.core.spec_http import POINTER, URL, BodyFormat, CaSecretName, CertificateSecretName, ExpiryUnit, ProxyUrl

_AUTHORIZATION: Final = (
    r"^(https://[-A-Za-z0-9.:\[\]]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?)"
    r"(/[-A-Za-z0-9._~%:@!,;=+/]*)?$"
)


class Oauth2Authorization(StrEnum):
    """How the client shows who it is: by a secret (RFC 6749, 2.3.1), or by a certificate alone (RFC 8705, 2.1)."""

    HEADER = "Header"
    BODY = "Body"
    CERTIFICATE = "Certificate"


class Oauth2Server(Part):
    """An OAuth2 authorization server, and us as one of its clients."""

    LOGIN: ClassVar = ("client_id",)

    token_url: str = Field(max_length=1024, pattern=URL, description="The token endpoint (RFC 6749).")
    revocation_url: str | None = Field(
        default=None, max_length=1024, pattern=URL, description="The revocation endpoint (RFC 7009), if it has one."
    )
    introspection_url: str | None = Field(
        default=None,
        max_length=1024,
        pattern=URL,
        description="The introspection endpoint (RFC 7662), if it has one: by it a token is proved, and its expiry "
        "learned where the token endpoint does not tell.",
    )
    authorization_url: str | None = Field(
        default=None,
        max_length=1024,
        pattern=_AUTHORIZATION,
        description="The authorization endpoint, to which `rekey authorize` sends a person's browser. The operator "
        "never asks it.",
    )
    authorization_parameters: dict[str, Annotated[str, Field(max_length=256, pattern=LINE)]] = Field(
        default_factory=dict,
        max_length=8,
        description="What is sent there besides, such as `access_type: offline` and `prompt: consent` for Google.",
    )
    issuer: str | None = Field(
        default=None,
        max_length=1024,
        pattern=URL,
        description="What the server calls itself in `iss` (RFC 9207). Absent: `iss`, if it is sent, must have the "
        "origin of `authorizationUrl`.",
    )
    secret_name: ObjectName = Field(
        description="Secret with `client_id` and `client_secret`; the latter not for `Certificate`."
    )
    ca_secret_name: CaSecretName = None
    proxy_url: ProxyUrl = None
    authorization_method: Oauth2Authorization = Field(
        default=Oauth2Authorization.HEADER,
        description="`Header`: HTTP Basic. `Body`: as `client_id` and `client_secret` in the request. `Certificate`: "
        "by the certificate alone (RFC 8705), with `client_id` in the request.",
    )
    certificate_secret_name: CertificateSecretName = None
    body_format: BodyFormat = Field(
        default=BodyFormat.FORM, description="`Form` as RFC 6749 has it, or `JSON` where a server wants that."
    )
    token_field: str = Field(
        default="/access_token",
        max_length=128,
        pattern=POINTER,
        description="Where the answer has the token, as a JSON pointer (RFC 6901). An answer without one is an error.",
    )
    error_field: str = Field(
        default="/error",
        max_length=128,
        pattern=POINTER,
        description="Where an answer without a token has the code of its error, as a JSON pointer.",
    )
    expiry_field: str = Field(
        default="/expires_in",
        max_length=128,
        pattern=POINTER,
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
        description="Codes of errors by which the server says that a person must act. So does a 401.",
    )


class Oauth2Token(Part):
    """An access token of an OAuth2 authorization server, renewed before it expires."""

    scopes: tuple[Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!#-\[\]-~]+$")], ...] = Field(
        default=(), max_length=32, json_schema_extra=SET, description="What is asked for. None: what the server gives."
    )
    audience: str | None = Field(
        default=None, min_length=1, max_length=512, pattern=LINE, description="For whom the token is to be good."
    )
    grant_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret of this namespace with the `refresh_token` that a person once got. "
        "Absent: the provider's client asks in its own name (client credentials).",
    )
