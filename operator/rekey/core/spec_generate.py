"""What the operator makes by itself: passwords, tokens, HMAC keys; key pairs stand in `spec_keys`.

1. Exactly one member of `Generate` is set, and which one never changes (admission sees to both).
2. A value has at least `MINIMUM_BITS` of entropy: tokens and keys by their bounds, passwords by admission.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field
from pydantic.alias_generators import to_camel

from rekey.core.shape import LINE, SET, Part
from rekey.core.spec_keys import Certificate, SigningKey, SshKey

MINIMUM_BITS: Final = 128


class CharacterClass(StrEnum):
    """A set of characters that a password may be made of."""

    UPPER = "Upper"
    LOWER = "Lower"
    DIGIT = "Digit"
    SYMBOL = "Symbol"


# Printable ASCII without space, quotes, backquote and backslash: a symbol never ends a quoted string.
CHARACTERS: Final = {
    CharacterClass.UPPER: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    CharacterClass.LOWER: "abcdefghijklmnopqrstuvwxyz",
    CharacterClass.DIGIT: "0123456789",
    CharacterClass.SYMBOL: "!#$%&()*+,-./:;<=>?@[]^_{|}~",
}


class Encoding(StrEnum):
    """How the bytes of a key are written into the Secret."""

    BASE64 = "Base64"
    HEX = "Hex"
    RAW = "Raw"


class Password(Part):
    """A random password."""

    length: int = Field(
        default=32,
        ge=20,
        le=256,
        description="Number of characters. Together with `classes` and `exclude` it must give at least 128 "
        "bits; otherwise the resource is refused.",
    )
    classes: tuple[CharacterClass, ...] = Field(
        default=(CharacterClass.UPPER, CharacterClass.LOWER, CharacterClass.DIGIT),
        min_length=1,
        max_length=4,
        json_schema_extra=SET,
        description="Sets of characters to choose from; at least one of each appears. `Symbol` is printable "
        "ASCII without space, quotes, backquote and backslash.",
    )
    exclude: str = Field(
        default="",
        max_length=64,
        pattern=r"^[!-~]*$",
        description="Characters that must not appear, such as `Il1O0`, written one after the other. Each "
        "class must keep at least one character.",
    )

    def alphabets(self) -> tuple[str, ...]:
        """Return the characters that each class still has, in the order of `classes`."""
        return tuple("".join(sign for sign in CHARACTERS[kind] if sign not in self.exclude) for kind in self.classes)


class Token(Part):
    """A random bearer token: `<prefix><id>.<secret>` and a checksum."""

    prefix: str = Field(
        default="rk_",
        max_length=17,
        pattern=r"^([a-z][a-z0-9]{0,15}_)?$",
        description="Start of every token, by which scanners and people recognise it: at most 16 lower-case "
        "letters and digits and one underscore. Empty for none.",
    )
    bytes: int = Field(
        default=32,
        ge=32,
        le=512,
        description="Random bytes in the secret part, beside 16 bytes of random id.",
    )
    owner: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=LINE,
        description="Who answers for the token, such as a team or an address. Recorded with each version, "
        "never part of the token.",
    )
    metadata: dict[str, Annotated[str, Field(max_length=256, pattern=LINE)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Facts to record with each version, such as a cost centre. Keys are at most 63 letters, "
        "digits, dashes, dots and underscores. Not secret and never part of the token.",
    )


class HmacKey(Part):
    """A random key for signing messages with HMAC."""

    bytes: int = Field(
        default=32,
        ge=32,
        le=128,
        description="Length of the key: 32 suits HMAC-SHA256, 64 suits HMAC-SHA512.",
    )
    encoding: Encoding = Field(
        default=Encoding.BASE64,
        description="How the key is written into the Secret: `Base64` (standard alphabet with padding), "
        "`Hex` (lower case) or `Raw` (the bytes themselves; they cannot be used in a template).",
    )


class Generate(Part):
    """What to make: exactly one kind."""

    password: Password | None = Field(
        default=None, description="Make a random password, delivered under the key `password`."
    )
    token: Token | None = Field(
        default=None,
        description="Make a random bearer token, delivered under the key `token`. It reads "
        "`<prefix><id>.<secret>`, the id is no secret, and a checksum at its end lets scanners recognise it.",
    )
    hmac_key: HmacKey | None = Field(
        default=None, description="Make a random key for HMAC signatures, delivered under the key `key`."
    )
    signing_key: SigningKey | None = Field(
        default=None,
        description="Make a key pair that signs JSON Web Tokens, delivered as `private.pem` (PKCS#8), `public.pem`, "
        "`kid` (RFC 7638) and `algorithm`.",
    )
    ssh_key: SshKey | None = Field(
        default=None,
        description="Make an SSH key pair, delivered as `ssh-privatekey` (OpenSSH's format) and `ssh-publickey` (a "
        "line of authorized_keys).",
    )
    certificate: Certificate | None = Field(
        default=None,
        description="Make a TLS certificate and the authority that issues it, delivered as `tls.key`, `tls.crt` (with "
        "its authority behind it) and `ca.crt`. It is valid for `rotation.lifetime`, which must be set.",
    )


# The keys of the bundle under which each kind delivers its value, by the kind's name in a manifest.
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "password": ("password",),
    "token": ("token",),
    "hmacKey": ("key",),
    "signingKey": ("private.pem", "public.pem", "kid", "algorithm"),
    "sshKey": ("ssh-privatekey", "ssh-publickey"),
    "certificate": ("tls.key", "tls.crt", "ca.crt"),
}


def plain_keys(generate: Generate) -> tuple[str, ...]:
    """Return the plain keys under which the value that is asked for stands."""
    chosen = next(kind for kind, rules in generate if rules is not None)
    return KEYS[to_camel(chosen)]
