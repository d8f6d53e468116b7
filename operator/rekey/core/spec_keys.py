"""What may be asked of generated key pairs: signing keys, SSH keys and certificates.

What is weaker than NIST SP 800-131A and RFC 7518 allow cannot be written down: no bound here may be lowered.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from rekey.core.shape import LINE, SET, Duration, Part

DNS_NAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


class Algorithm(StrEnum):
    """What a key signs by, in the words of RFC 7518 and RFC 8037."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    ES384 = "ES384"
    EDDSA = "EdDSA"


JWK_TYPES: Final[Mapping[str, Literal["RSA", "EC", "OKP"]]] = {
    Algorithm.RS256: "RSA",
    Algorithm.PS256: "RSA",
    Algorithm.ES256: "EC",
    Algorithm.ES384: "EC",
    Algorithm.EDDSA: "OKP",
}
"""The type of a JSON Web Key (RFC 7517, `kty`) that signs by each algorithm."""


class SshKeyType(StrEnum):
    """Types of SSH keys."""

    ED25519 = "ed25519"
    RSA = "rsa"


class Usage(StrEnum):
    """For which end of a TLS connection a certificate is good."""

    SERVER_AUTH = "ServerAuth"
    CLIENT_AUTH = "ClientAuth"


def _address(text: str) -> str:
    """Return the text of an IP address as it is.

    Raises:
        ValueError: it is none; admission sees to that too.
    """
    ip_address(text)
    return text


class SigningKey(Part):
    """A key pair that signs JSON Web Tokens."""

    algorithm: Algorithm = Field(
        default=Algorithm.ES256,
        description="How it signs. `EdDSA` is Ed25519.",
    )
    bits: int | None = Field(
        default=None,
        ge=2048,
        le=4096,
        description="Length of an RSA key, for `RS256` and `PS256` only; 3072 where it is not set.",
    )


class SshKey(Part):
    """A key pair by which one logs in with SSH."""

    type: SshKeyType = Field(default=SshKeyType.ED25519, description="Type of the key.")
    bits: int | None = Field(
        default=None,
        ge=3072,
        le=4096,
        description="Length of the key, for `rsa` only; 3072 where it is not set.",
    )
    comment: str = Field(
        default="",
        max_length=128,
        pattern=LINE,
        description="Text behind the public key, by which people tell keys apart. Not secret.",
    )


class Certificate(Part):
    """A certificate for TLS, issued by a certificate authority of this credential alone."""

    common_name: str = Field(
        min_length=1,
        max_length=61,
        pattern=LINE,
        description="Common name of the certificate. Its authority is called the same with ` CA` behind it.",
    )
    dns_names: tuple[Annotated[str, Field(max_length=253, pattern=DNS_NAME)], ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra=SET,
        description="DNS names that it is good for; `*.` may stand in front.",
    )
    ip_addresses: tuple[Annotated[str, Field(max_length=39), AfterValidator(_address)], ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra=SET,
        description="IP addresses, of version 4 or 6, that it is good for.",
    )
    usages: tuple[Usage, ...] = Field(
        default=(Usage.SERVER_AUTH,),
        min_length=1,
        max_length=2,
        json_schema_extra=SET,
        description="What it is good for. With `ServerAuth` it needs a DNS name or an IP address: clients look at "
        "nothing else.",
    )
    algorithm: Literal[Algorithm.ES256, Algorithm.ES384, Algorithm.RS256, Algorithm.EDDSA] = Field(
        default=Algorithm.ES256,
        description="Kind of both keys, the certificate's and its authority's. `EdDSA` is Ed25519, which browsers do "
        "not know.",
    )
    bits: int | None = Field(
        default=None,
        ge=2048,
        le=4096,
        description="Length of RSA keys, for `RS256` only; 3072 where it is not set.",
    )
    ca_lifetime: Duration = Field(
        default=timedelta(hours=8760),
        description="How long the authority is valid: from 1s to 219000h, and not shorter than `rotation.lifetime`. It "
        "issues one certificate after the other as long as it outlives them, and then the next authority is made.",
    )
