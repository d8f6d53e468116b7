"""What of a credential may be known to the world, and that nothing else ever is."""

import json
from typing import Any

import pytest

from rekey.core.publication import Standing, Unreadable, keys_of, read
from tests.publish.objects import ROTATING, SPEC, credential, jwk, kid, proof, published, version

HMAC = {"verifier": {"secretName": "x", "format": "HMAC"}, "generate": {"hmacKey": {}}}

NOT_PUBLISHED: dict[str, dict[str, Any]] = {
    "a signing key without a verifier": {"verifier": None},
    "a signing key whose verifier is of another format": {"verifier": {"secretName": "x", "format": "CABundle"}},
    "an HMAC key": HMAC,
    "a key set of something that does not sign": {"generate": {"token": {}}},
}
NO_KEYS: dict[str, tuple[str | None, bool]] = {
    "nothing": (None, False),
    "no JSON": ("{", False),
    "no object": ("[]", False),
    "no id": (json.dumps({"jwk": jwk(1)}), False),
    "an id that is no text": (json.dumps({"kid": 5, "jwk": jwk(1)}), False),
    "lists in lists in lists": ("[" * 8_000, False),
    "no key": (json.dumps({"kid": kid(1)}), True),
    "a key that is a list": (json.dumps({"kid": kid(1), "jwk": [1]}), True),
    "a key of no kind": (json.dumps({"kid": kid(1), "jwk": {"kid": kid(1)}}), True),
    "a secret key": (proof(1, kty="oct", k="c2VjcmV0", alg="HS256"), True),
    "a key of another id": (proof(1, kid="other"), True),
    "a key that encrypts": (proof(1, use="enc"), True),
    "a coordinate that is no text": (proof(1, x=5), True),
    "an empty coordinate": (proof(1, x=""), True),
    "a coordinate without end": (proof(1, x="A" * 5000), True),
}
UNREADABLE: dict[str, dict[str, Any]] = {
    "a state of a later release": credential(version(1, "Sleeping")),
    "no spec": {"metadata": {"name": "a", "namespace": "b"}},
    "a spec that is a list": credential(spec=["x"]),
    "no duration": credential(spec={**SPEC, "overlap": {"propagation": "soon"}}),
    "versions without end": credential(*(version(1, "Revoked") for _ in range(65))),
}
CACHING: dict[str, tuple[dict[str, Any], float | None]] = {
    "a minute": ({"propagation": "1m"}, 60),
    "no time": ({"propagation": "0s"}, 0),
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
    assert keys_of(proof(1, d="private", p="private", oth="private", comment="x")) == (kid(1), jwk(1))


@pytest.mark.parametrize("name", NO_KEYS)
def test_what_is_no_public_key_is_a_gap(name: str) -> None:
    """The version is on record without a key, by its id if it has one, and counted."""
    text, has_id = NO_KEYS[name]
    found = published(credential(version(1, "Active", proof=text), version(2, "Issued")))
    assert [(key.version, key.kid, key.jwk) for key in found.keys] == [
        (2, kid(2), jwk(2)),
        (1, kid(1) if has_id else None, None),
    ]
    assert found.gaps == (1,)


def test_what_has_ended_is_no_gap() -> None:
    """Of a version that is not accepted any more the id is enough, and nothing is missed."""
    found = published(credential(version(1, "Revoked", proof=json.dumps({"kid": kid(1)})), version(2, "Active")))
    assert (found.keys[1].kid, found.keys[1].jwk, found.gaps) == (kid(1), None, ())


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_an_error(name: str) -> None:
    """Whoever serves keeps what was known."""
    with pytest.raises(Unreadable):
        read(UNREADABLE[name])


@pytest.mark.parametrize("name", CACHING)
def test_caching(name: str) -> None:
    """What was fetched is good for as long as verifiers may take to learn of a key."""
    overlap, seconds = CACHING[name]
    found = published(credential(spec={**SPEC, "overlap": overlap})).cache_for
    assert (None if found is None else found.total_seconds()) == seconds
