"""Credentials with signing keys as the API server has them, their proofs made by hand."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from rekey.core.publication import Publication, read

START = datetime(2026, 11, 21, 8, tzinfo=UTC)
SPEC = {
    "generate": {"signingKey": {"algorithm": "ES256"}},
    "rotation": {"interval": "720h"},
    "overlap": {"duration": "2h", "propagation": "1m"},
    "verifier": {"secretName": "orders-keys", "format": "JWKS", "cacheTime": "5m"},
}


def at(hours: float) -> str:
    """Return an instant so many hours after the start, as the API server writes it."""
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def private(number: int) -> ec.EllipticCurvePrivateKey:
    """Return the key of a version, the same for all credentials of this process."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def jwk(number: int) -> dict[str, str]:
    """Return its public part."""
    key = ECKey.import_key(private(number), {"use": "sig", "alg": "ES256"})
    found = {name: str(value) for name, value in key.as_dict(private=False).items()}
    return {**found, "kid": key.thumbprint()}


def token(number: int, **claims: Any) -> str:
    """Return a token that this version signed."""
    return jwt.encode(claims or {"sub": "orders"}, private(number), algorithm="ES256", headers={"kid": kid(number)})


def kid(number: int) -> str:
    """Return the id of a version's key."""
    return jwk(number)["kid"]


def proof(number: int, **changes: Any) -> str:
    """Return the proof of a version as an operator writes it, with changes in its key."""
    return json.dumps({"kid": kid(number), "jwk": {**jwk(number), **changes}})


def version(number: int, state: str, **changes: Any) -> dict[str, Any]:
    """Return an entry of `status.versions`; each version is issued a day after the one before."""
    born = 24 * (number - 1)
    found: dict[str, Any] = {
        "number": number,
        "state": state,
        "secretName": f"orders-v{number}",
        "issuedTime": at(born),
        "proof": proof(number),
    }
    if state not in {"Issued", "Published", "Discarded"}:
        found["activatedTime"] = at(born + 1)
    if state in {"Retiring", "Revoking", "Revoked"}:
        found["retireTime"] = at(born + 25)
    if state in {"Revoking", "Revoked"}:
        found["revocationTime"] = at(born + 27)
    return found | changes


def status(*versions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a status with these versions."""
    return {"observedGeneration": 1, "versions": list(versions), "nextRotationTime": at(500), **changes}


def credential(
    *versions: dict[str, Any], name: str = "orders", namespace: str = "shop", spec: Any = None, **changes: Any
) -> dict[str, Any]:
    """Return a credential; the changes are to its status."""
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotatedCredential",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec or SPEC,
        "status": status(*versions, **changes),
    }


def published(found: dict[str, Any]) -> Publication:
    """Return what is published of it."""
    publication = read(found)
    assert publication is not None
    return publication


ROTATING = (version(1, "Revoked"), version(2, "Retiring"), version(3, "Active"), version(4, "Published"))
"""One of each standing."""
