"""What the world may know of one credential, read from its object: public keys, their states and times.

1. Published is a signing key whose verifier has the format JWKS: whoever writes that asks for it. Nothing else is.
2. Of a JWK only the members that are public are taken over, whatever stands in the status.
3. Only the fields named here are looked at: who reads may be older or newer than who wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, ValidationError

from rekey.core import duration
from rekey.core.facts import Key
from rekey.core.record import Record, Time
from rekey.core.status import MAX_VERSIONS, State, Version

FORMAT: Final = "JWKS"
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
_COMMON: Final = ("kty", "kid", "alg", "use")
_MOST: Final = 4096


class Standing(StrEnum):
    """What one key is to those who verify."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"
    REVOKED = "revoked"


_STANDINGS: Final[Mapping[State, Standing]] = {
    State.ISSUED: Standing.NEXT,
    State.PUBLISHED: Standing.NEXT,
    State.ACTIVE: Standing.CURRENT,
    State.RETIRING: Standing.PREVIOUS,
    State.REVOKING: Standing.REVOKED,
    State.REVOKED: Standing.REVOKED,
    State.DISCARDED: Standing.REVOKED,
}

Jwk = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One version. `jwk` is None where its proof cannot be read; of an ended one the `kid` may be all there is."""

    version: int
    standing: Standing
    kid: str | None
    jwk: Jwk | None
    created: datetime | None
    activated: datetime | None
    deprecated: datetime | None
    revoked: datetime | None
    expires: datetime | None

    @property
    def algorithm(self) -> str | None:
        """Return what it signs with."""
        return None if self.jwk is None else self.jwk["alg"]

    @property
    def accepted(self) -> bool:
        """Tell whether it is valid now."""
        return self.standing is not Standing.REVOKED


@dataclass(frozen=True, slots=True)
class Publication:
    """One credential as the world sees it; keys of higher versions first."""

    key: Key
    keys: tuple[PublicKey, ...]
    next_rotation: datetime | None
    overlap_end: datetime | None
    cache_for: timedelta | None
    """For how long verifiers may go by what they fetched; None: nothing is said about it."""

    @property
    def gaps(self) -> tuple[int, ...]:
        """Return the versions that are accepted and whose key cannot be shown."""
        return tuple(key.version for key in self.keys if key.accepted and key.jwk is None)


class Unreadable(ValueError):
    """Keep what was known: the object cannot be read."""


class _Status(Record):
    next_rotation_time: Time | None = None
    overlap_end_time: Time | None = None
    versions: tuple[Version, ...] = Field(default=(), max_length=MAX_VERSIONS)


def read(found: Mapping[str, Any]) -> Publication | None:
    """Return what is published of the object of a credential, None if nothing is.

    Raises:
        Unreadable: it is of a shape that this version of Rekey does not know.
    """
    try:
        metadata, spec = found["metadata"], found["spec"]
        if (spec.get("verifier") or {}).get("format") != FORMAT or "signingKey" not in spec["generate"]:
            return None
        status = _Status.model_validate(found.get("status") or {})
        known = [version for version in status.versions if version.state in _STANDINGS]
        return Publication(
            key=Key(metadata["namespace"], metadata["name"]),
            keys=tuple(_public(version) for version in sorted(known, key=lambda one: one.number, reverse=True)),
            next_rotation=status.next_rotation_time,
            overlap_end=status.overlap_end_time,
            cache_for=_cache_for(spec),
        )
    except ValidationError as error:
        raise Unreadable(f"{error.error_count()} fields of its status are not what they should be") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(f"it does not have the form of a RotatedCredential ({type(error).__name__})") from None


def _public(version: Version) -> PublicKey:
    kid, jwk = keys_of(version.proof or "")
    return PublicKey(
        version=version.number,
        standing=_STANDINGS[version.state],
        kid=kid,
        jwk=jwk,
        created=version.issued_time,
        activated=version.activated_time,
        deprecated=version.retire_time,
        revoked=version.revocation_time,
        expires=version.expiration_time,
    )


def keys_of(proof: str) -> tuple[str | None, Jwk | None]:
    """Return the id in a proof, and the public members of its key: None where they are not those of a signing key."""
    try:
        found = json.loads(proof)
        kid, key = found["kid"], found.get("jwk") or {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, None
    if not _is_text(kid):
        return None, None
    try:
        jwk = {name: key[name] for name in sorted((*_COMMON, *_MEMBERS[key["kty"]]))}
    except (KeyError, TypeError):
        return kid, None
    whole = all(map(_is_text, jwk.values())) and (jwk["kid"], jwk["use"]) == (kid, "sig")
    return kid, jwk if whole else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST


def _cache_for(spec: Mapping[str, Any]) -> timedelta | None:
    """Return how soon verifiers are to know of a key: longer ago fetched keys may lack the one that signs."""
    text = (spec.get("overlap") or {}).get("propagation")
    return None if text is None else duration.parse(text)
