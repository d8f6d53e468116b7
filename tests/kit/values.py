"""Tokens, keys and verifier Secrets as the operator writes them, made here from the contract and not from its code."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zlib import crc32

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from rekey_client import Clock

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()


@dataclass
class Time:
    """Both clocks of a test, which moves them."""

    wall: float = NOW
    steady: float = 1000.0

    @property
    def clock(self) -> Clock:
        """The clocks as the kit reads them."""
        return Clock(lambda: self.wall, lambda: self.steady)

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.steady += seconds


def at(seconds: float) -> str:
    """Return the time so many seconds after NOW as the operator writes it."""
    return datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def base62(number: int, digits: int) -> str:
    """Return the number in base 62, with leading zeros."""
    found = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found = DIGITS[digit] + found
    return found


@dataclass(frozen=True)
class Opaque:
    """One version's token."""

    id: str = field(default_factory=lambda: base62(secrets.randbits(128), 22))
    secret: str = field(default_factory=lambda: base62(secrets.randbits(256), 43))
    prefix: str = "rk_"

    @property
    def value(self) -> str:
        """The token itself."""
        body = f"{self.prefix}{self.id}.{self.secret}"
        return body + base62(crc32(body.encode()), 6)

    @property
    def bearer(self) -> str:
        """The header's value."""
        return f"Bearer {self.value}"

    def row(self, version: int = 1, **more: Any) -> dict[str, Any]:
        """Return its entry in verifier.json."""
        return {"id": self.id} | row(self.value, version, **more)


def row(value: str, version: int = 1, **more: Any) -> dict[str, Any]:
    """Return the entry of a value without an id."""
    digest = hashlib.sha256(value.encode()).hexdigest()
    return {"sha256": digest} | facts(version) | more


def facts(version: int) -> dict[str, Any]:
    """Return what every entry has."""
    known = {"credential": "shop/orders", "version": version, "status": "current"}
    return known | {"client": "orders", "issued": at(-3600)}


def sha256(*rows: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a verifier Secret of hashes."""
    return {"verifier.json": json.dumps({"format": "SHA256", "entries": rows}).encode()}


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    """Return a private key for an algorithm; `number` tells several apart."""
    match algorithm:
        case "RS256" | "PS256":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Signing:
    """One version's signing key."""

    algorithm: str = "ES256"
    number: int = 0

    @property
    def kid(self) -> str:
        """A kid; what the operator makes of the thumbprint, and verifiers only compare."""
        return f"kid-{self.algorithm}-{self.number}"

    @property
    def key(self) -> Any:
        """The private key."""
        return private_key(self.algorithm, self.number)

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM."""
        return bytes(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    @property
    def private_pem(self) -> bytes:
        """The private key as the bundle has it."""
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public JWK as the verifier Secret has it, made by PyJWT."""
        maker = pyjwt.get_algorithm_by_name(self.algorithm)
        found = maker.to_jwk(self.key.public_key(), as_dict=True)
        return {**found, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a JWT signed by PyJWT; a claim that is None is left out."""
        said = {"iat": int(NOW), "exp": int(NOW) + 600, "aud": "api", "scope": "read"} | claims
        given = {name: value for name, value in said.items() if value is not None}
        return pyjwt.encode(given, self.key, self.algorithm, headers={"kid": self.kid} | (header or {}))

    def row(self, version: int = 1, **more: Any) -> dict[str, Any]:
        """Return its entry in verifier.json."""
        return {"id": self.kid} | facts(version) | more

    def bundle(self, version: int) -> dict[str, bytes]:
        """Return the files of a bundle with this key."""
        found = {"private.pem": self.private_pem, "kid": self.kid.encode(), "algorithm": self.algorithm.encode()}
        return found | {"public.pem": self.public_pem, "version": str(version).encode()}


def jwks(*keys: tuple[Signing, dict[str, Any]]) -> dict[str, bytes]:
    """Return the files of a verifier Secret of keys."""
    entries = {"format": "JWKS", "entries": [row for _, row in keys]}
    return {
        "verifier.json": json.dumps(entries).encode(),
        "jwks.json": json.dumps({"keys": [key.jwk for key, _ in keys]}).encode(),
    }
