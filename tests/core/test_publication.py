"""What of a credential may be known to the world, and that nothing else ever is."""

import json
from typing import Any

import pytest

from rekey.core.publication import Standing, Unreadable, jwk_of, read
from tests.publish.objects import ROTATING, SPEC, credential, jwk, proof, published, version

HMAC = {"verifier": {"secretName": "x", "format": "HMAC"}, "generate": {"hmacKey": {}}}

NOT_PUBLISHED: dict[str, dict[str, Any]] = {
    "a signing key without a verifier": {"verifier": None},
    "a signing key whose verifier is of another format": {"verifier": {"secretName": "x", "format": "CABundle"}},
    "an HMAC key": HMAC,
    "a key set of something that does not sign": {"generate": {"token": {}}},
}
NO_KEYS: dict[str, str] = {
    "no JSON": "{",
    "no object": "[]",
    "no key": "{}",
    "a key of no kind": json.dumps({"jwk": {"kid": "a"}}),
    "a secret key": json.dumps({"jwk": {"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256", "use": "sig"}}),
    "a key that encrypts": proof(1, use="enc"),
    "a coordinate that is no text": proof(1, x=5),
    "an empty coordinate": proof(1, x=""),
    "a coordinate without end": proof(1, x="A" * 5000),
    "lists in lists in lists": "[" * 100_000,
}
UNREADABLE: dict[str, dict[str, Any]] = {
    "a state of a later release": credential(version(1, "Sleeping")),
    "no spec": {"metadata": {"name": "a", "namespace": "b"}},
    "a spec that is a list": credential(spec=["x"]),
    "no duration": credential(spec={**SPEC, "overlap": {"propagation": "soon"}}),
    "versions without end": credential(*(version(1, "Revoked") for _ in range(65))),
}
CACHING: dict[str, tuple[dict[str, Any], float | None]] = {
    "propagation is shorter": ({"overlap": {"propagation": "1m"}, "cacheTime": "5m"}, 60),
    "the declared cache is shorter": ({"overlap": {"propagation": "1h"}, "cacheTime": "5m"}, 300),
    "only propagation is said": ({"overlap": {"propagation": "1m"}}, 60),
    "nothing is said": ({}, None),
}


@pytest.mark.parametrize("name", NOT_PUBLISHED)
def test_what_was_not_asked_for_is_not_published(name: str) -> None:
    """Only a signing key with a verifier of the format JWKS is."""
    assert read(credential(*ROTATING, spec=SPEC | NOT_PUBLISHED[name])) is None


def test_every_state_has_a_standing() -> None:
    """Verifiers are told apart what is announced, in use, on its way out, and gone; one only reserved is nothing."""
    states = ("Reserved", "Issued", "Published", "Active", "Retiring", "Revoking", "Revoked", "Discarded")
    found = published(credential(*(version(number, state) for number, state in enumerate(states, 1))))
    assert [(key.version, key.standing) for key in found.keys] == [
        (8, Standing.REVOKED),
        (7, Standing.REVOKED),
        (6, Standing.REVOKED),
        (5, Standing.PREVIOUS),
        (4, Standing.CURRENT),
        (3, Standing.NEXT),
        (2, Standing.NEXT),
    ]


def test_private_members_are_left_out() -> None:
    """Whatever stands in a status, a private number is never served."""
    assert jwk_of(proof(1, d="private", p="private", oth="private", comment="x")) == jwk(1)


@pytest.mark.parametrize("name", NO_KEYS)
def test_what_is_no_public_key_is_a_gap(name: str) -> None:
    """The version is on record without a key, and counted."""
    found = published(credential(version(1, "Active", proof=NO_KEYS[name][:8000]), version(2, "Issued")))
    assert [(key.version, key.kid is None) for key in found.keys] == [(2, False), (1, True)]
    assert found.gaps == (1,)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_an_error(name: str) -> None:
    """Whoever serves keeps what was known."""
    with pytest.raises(Unreadable):
        read(UNREADABLE[name])


@pytest.mark.parametrize("name", CACHING)
def test_caching(name: str) -> None:
    """The shorter of what the credential promises to verifiers counts."""
    said, seconds = CACHING[name]
    verifier = {"secretName": "x", "format": "JWKS", **{key: said[key] for key in said if key == "cacheTime"}}
    spec = {**SPEC, "overlap": said.get("overlap", {}), "verifier": verifier}
    found = published(credential(spec=spec)).cache_for
    assert (found and found.total_seconds()) == seconds
