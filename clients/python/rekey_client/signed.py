"""JWTs: read strictly, verified with the algorithm of the key and no other, and judged by their times."""

import json
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Never

from joserfc import jws
from joserfc.errors import JoseError

from rekey_client.entries import Entry
from rekey_client.keys import REGISTRY
from rekey_client.outcome import Reason

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Header:
    """What an unverified token claims about its key."""

    kid: str
    algorithm: str


class Malformed(Exception):
    """It is no JWT; there is nothing else to say."""


def read_header(token: str) -> Header:
    """Return the header, which nobody vouches for yet.

    Raises:
        Malformed: this is no JWT with a kid.
    """
    if not _COMPACT.fullmatch(token):
        raise Malformed
    found = _object(_decoded(token.partition(".")[0]))
    kid, algorithm = found.get("kid"), found.get("alg")
    if not isinstance(kid, str) or not isinstance(algorithm, str) or "crit" in found:
        raise Malformed
    return Header(kid, algorithm)


def verify(token: str, header: Header, entry: Entry) -> Mapping[str, Any] | None:
    """Return the claims, or None where the entry's key did not sign this with its own algorithm.

    Raises:
        Malformed: the signature is right, what it signs is no set of claims.
    """
    if header.algorithm != entry.algorithm:
        return None
    try:
        found = jws.deserialize_compact(token, entry.key, registry=REGISTRY)
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
    return _object(found.payload or b"")


def judge_times(claims: Mapping[str, Any], now: float, leeway: float) -> Reason:
    """Return ACCEPTED, or what is wrong with the times; `exp` must be there."""
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if "exp" not in times or not all(_is_time(value) for value in times.values()):
        return Reason.MALFORMED
    if now >= times["exp"] + leeway:
        return Reason.EXPIRED
    if max(times.get("nbf", now), times.get("iat", now)) > now + leeway:
        return Reason.NOT_YET_VALID
    return Reason.ACCEPTED


def audiences(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the claim `aud`; None where there is none."""
    return _words(claims["aud"], apart=False) if "aud" in claims else None


def scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of `scope` or, without it, of `scp`."""
    return _words(claims.get("scope", claims.get("scp", "")), apart=True)


def _words(value: Any, *, apart: bool) -> frozenset[str]:  # noqa: ANN401  # from JSON
    if isinstance(value, str):
        return frozenset(value.split(" ") if apart else [value]) - {""}
    if isinstance(value, list):
        return frozenset(item for item in value if isinstance(item, str))
    return frozenset()


def _is_time(value: Any) -> bool:  # noqa: ANN401  # from JSON
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise Malformed from None


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Malformed from None
    if not isinstance(found, dict):
        raise Malformed
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")
