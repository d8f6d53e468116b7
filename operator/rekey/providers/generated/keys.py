"""Key pairs of each algorithm, and how they are written."""

from typing import Final, assert_never

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from rekey.core.spec import Algorithm

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
DEFAULT_BITS: Final = 3072
_EXPONENT: Final = 65537


def pair(algorithm: Algorithm, bits: int | None) -> PrivateKey:
    """Return a new key pair."""
    match algorithm:
        case Algorithm.RS256 | Algorithm.PS256:
            return rsa(bits)
        case Algorithm.ES256:
            return elliptic(SECP256R1())
        case Algorithm.ES384:
            return elliptic(SECP384R1())
        case Algorithm.EDDSA:
            return Ed25519PrivateKey.generate()
        case _:
            assert_never(algorithm)


def rsa(bits: int | None) -> RSAPrivateKey:
    """Return a new RSA key pair; this takes seconds."""
    return generate_rsa(_EXPONENT, bits or DEFAULT_BITS)


def private_pem(key: PrivateKey) -> bytes:
    """Return the private key as PKCS#8 in PEM, in clear: this is what goes into a Secret."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey) -> bytes:
    """Return the public key as SubjectPublicKeyInfo in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
