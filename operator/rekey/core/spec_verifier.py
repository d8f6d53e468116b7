"""Who checks a credential: the Secret that says what is accepted now, in a form that they read."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from rekey.core.shape import ATOMIC, LINE, SUBDOMAIN, Duration, Part

_SCOPE: Final = r"^[!#-\[\]-~]+$"  # RFC 6749, appendix A.4: no blank, no quote, no backslash


class Format(StrEnum):
    """How the versions that are accepted are written down."""

    SHA256 = "SHA256"
    JWKS = "JWKS"
    CA_BUNDLE = "CABundle"
    AUTHORIZED_KEYS = "AuthorizedKeys"
    HMAC = "HMAC"


# Which kinds of `generate` each format can describe, by their names in a manifest.
FITTING: Final = {
    Format.SHA256: ("password", "token"),
    Format.JWKS: ("signingKey",),
    Format.CA_BUNDLE: ("certificate",),
    Format.AUTHORIZED_KEYS: ("sshKey",),
    Format.HMAC: ("hmacKey",),
}


class Verifier(Part):
    """The Secret that verifiers read."""

    secret_name: str = Field(
        min_length=1,
        max_length=240,
        pattern=SUBDOMAIN,
        description="Name of the Secret that says which versions are accepted now. It cannot be changed. It has no "
        "private part, but for the format `HMAC`.",
    )
    format: Format = Field(
        description="How they are written down, beside the list in `verifier.json`; it cannot be changed. `SHA256` "
        "(password, token): hashes, in the list itself. `JWKS` (signingKey): `jwks.json`. `CABundle` (certificate): "
        "`ca.crt`. `AuthorizedKeys` (sshKey): `authorized_keys`. `HMAC` (hmacKey): `keyring.json`, with the keys "
        "themselves.",
    )
    aggregate: bool = Field(
        default=False,
        description="Share the Secret with every other credential of the namespace that names it, with the same format "
        "and `aggregate` too; it cannot be changed. It then belongs to none of them. What does not fit is told in "
        "`<secretName>-1`, `<secretName>-2` and so on, with lists of their own: verifiers read all. Not for `HMAC`.",
    )
    client: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=LINE,
        description="Whom a verifier is to take the bearer for. Absent: the name of the RotatedCredential.",
    )
    scopes: tuple[Annotated[str, Field(min_length=1, max_length=128, pattern=_SCOPE)], ...] = Field(
        default=(), max_length=32, json_schema_extra=ATOMIC, description="What it may be used for. None: for anything."
    )
    audience: tuple[Annotated[str, Field(min_length=1, max_length=253, pattern=LINE)], ...] = Field(
        default=(), max_length=16, json_schema_extra=ATOMIC, description="Where it may be used. None: anywhere."
    )
    token_lifetime: Duration = Field(
        default=timedelta(0),
        description="How long what is made with a version, such as a signed token, is valid. A version stays accepted "
        "for `overlap.propagation` and `overlap.duration` after its last use: together they must cover this and "
        "`cacheTime`.",
    )
    cache_time: Duration = Field(
        default=timedelta(0),
        description="How long verifiers may go by what they read before. Where none is restarted "
        "`overlap.propagation` should be at least as long.",
    )
