"""Signing keys: of the algorithm and length asked for, with the thumbprint as id, read by libraries of another make."""

import asyncio
import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from joserfc import jwk, jws

from rekey.core.spec import Generate
from rekey.core.spec_generate import KEYS
from rekey.ports.issuer import Order
from tests.providers.making import GENERATED, LOOP, NOW, make, values

MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""What a thumbprint is made of (RFC 7638, RFC 8037), in their order."""

RULES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing is asked for": ({}, "EC", "ES256"),
    "ES256": ({"algorithm": "ES256"}, "EC", "ES256"),
    "ES384": ({"algorithm": "ES384"}, "EC", "ES384"),
    "EdDSA": ({"algorithm": "EdDSA"}, "OKP", "EdDSA"),
    "RS256": ({"algorithm": "RS256", "bits": 2048}, "RSA", "RS256"),
    "PS256": ({"algorithm": "PS256", "bits": 2048}, "RSA", "PS256"),
}


def public_jwk(made: dict[str, str], kind: str) -> dict[str, Any]:
    """Return the public key as a JWK, written by PyJWT."""
    writer: dict[str, Any] = {
        "RSA": jwt.algorithms.RSAAlgorithm,
        "EC": jwt.algorithms.ECAlgorithm,
        "OKP": jwt.algorithms.OKPAlgorithm,
    }
    key: Any = load_pem_public_key(made["public.pem"].encode())
    found: dict[str, Any] = json.loads(writer[kind].to_jwk(key))
    return found


@pytest.mark.parametrize("situation", RULES)
def test_a_token_is_signed_and_verified(situation: str) -> None:
    """PyJWT signs with the private key, and verifies by the public key of the JWK that carries our id."""
    rules, kind, algorithm = RULES[situation]
    made = values(make("signingKey", **rules))
    assert made["algorithm"] == algorithm
    token = jwt.encode({"sub": "orders"}, made["private.pem"], algorithm, headers={"kid": made["kid"]})
    keys = jwt.PyJWKSet.from_dict({"keys": [{**public_jwk(made, kind), "kid": made["kid"], "alg": algorithm}]})
    assert jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], [algorithm]) == {"sub": "orders"}


@pytest.mark.parametrize("situation", RULES)
def test_the_id_is_the_thumbprint(situation: str) -> None:
    """It is SHA-256 over the JWK's own members, computed here by hand; it stands beside the Secret in clear."""
    rules, kind, _ = RULES[situation]
    issued = make("signingKey", **rules)
    made = values(issued)
    key = public_jwk(made, kind)
    text = json.dumps({name: key[name] for name in MEMBERS[kind]}, separators=(",", ":"))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    assert made["kid"] == thumbprint == jwk.import_key(made["private.pem"], kind).thumbprint()  # type: ignore[call-overload]  # kind is one of its words
    assert issued.public == {"kid": thumbprint}


def test_another_library_reads_the_private_key() -> None:
    """What joserfc signs with it, it verifies by the public half, and not by another key's."""
    made, other = values(make("signingKey")), values(make("signingKey"))
    signed = jws.serialize_compact({"alg": "ES256"}, b"orders", jwk.ECKey.import_key(made["private.pem"]))
    assert jws.deserialize_compact(signed, jwk.ECKey.import_key(made["public.pem"])).payload == b"orders"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(jwt.encode({}, made["private.pem"], "ES256"), other["public.pem"], ["ES256"])


@pytest.mark.parametrize(("bits", "wanted"), [(None, 3072), (2048, 2048), (4096, 4096)])
def test_an_rsa_key_has_its_length(bits: int | None, wanted: int) -> None:
    """As many bits as were asked for, 3072 else, and the exponent that all use."""
    wish: dict[str, Any] = {"bits": bits} if bits else {}
    made = values(make("signingKey", algorithm="RS256", **wish))
    key: Any = load_pem_private_key(made["private.pem"].encode(), None)
    assert (key.key_size, key.public_key().public_numbers().e) == (wanted, 65537)


def test_the_keys_are_those_of_the_documentation() -> None:
    """Applications find these and nothing else; the private key is PKCS#8, the public one SubjectPublicKeyInfo."""
    made = values(make("signingKey"))
    assert set(made) == set(KEYS["signingKey"])
    assert made["private.pem"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert made["public.pem"].startswith("-----BEGIN PUBLIC KEY-----\n")


def test_others_work_while_an_rsa_key_is_made() -> None:
    """It takes seconds of a processor, in a thread: the loop turns meanwhile."""

    async def play() -> bool:
        order = Order(Generate.model_validate({"signingKey": RULES["RS256"][0]}), NOW)
        making = asyncio.create_task(GENERATED.issue(order))
        for _ in range(3):
            await asyncio.sleep(0)
        turned = not making.done()
        await making
        return turned

    assert LOOP.run_until_complete(play())


def test_no_two_keys_are_alike() -> None:
    """A hundred keys have a hundred ids."""
    assert len({make("signingKey").public["kid"] for _ in range(100)}) == 100
