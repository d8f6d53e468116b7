"""The keys of JWTs, each with the one algorithm it may be used with (RFC 8725 §3.1)."""

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel

from rekey_client.entries import Entry, Table, hashed
from rekey_client.errors import Unreadable
from rekey_client.outcome import Identity, Outcome, Reason

_FAMILIES: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
}
_CURVES = {curve: algorithm for algorithm, (_, curve) in _FAMILIES.items() if curve}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_SYMMETRIC = "HS256"
_BITS = 2048
_SHORTEST = 32

Keys = dict[str, tuple[str, Any]]


class Registry(jws.JWSRegistry):
    """The library's algorithms, for callers that have decided which one it is to be.

    Header fields of others are ignored, as RFC 7515 §4 wants it (but `crit`, which is refused before this), and EdDSA
    is used without the warning that RFC 9864 has another name for it: that one hardly anybody understands yet.
    """

    max_header_length = 4096

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an algorithm of those that keys may have here."""
        if name != _SYMMETRIC and name not in _FAMILIES:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


REGISTRY = Registry()


def from_set(content: bytes, *, symmetric: bool = False) -> Keys:
    """Return algorithm and key by kid of a JWK set; keys that the kit cannot use are left out (RFC 7517 §5).

    Raises:
        Unreadable: it is no set, or shows a private key.
    """
    try:
        rows = json.loads(content)["keys"]
        found: Keys = {}
        for row in rows:
            usable = _symmetric(row) if symmetric else _public(row)
            if usable is not None:
                found[str(row["kid"])] = usable
    except Unreadable:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"the key set is not what RFC 7517 describes ({type(error).__name__})") from None
    return found


def from_url(content: bytes) -> Table:
    """Return the table that a published set says: keys without credential and version.

    Raises:
        Unreadable: it is no set, or shows a private key.
    """
    found = from_set(content)
    return Table(keys={kid: (_nameless(kid, *usable),) for kid, usable in found.items()})


def _nameless(kid: str, algorithm: str, key: Any) -> Entry:  # noqa: ANN401  # of one of several classes
    identity, hashed_id = Identity(""), hashed(kid)
    return Entry(identity, kid, hashed_id, Outcome(Reason.ACCEPTED, identity, hashed_id), key=key, algorithm=algorithm)


def _public(row: Mapping[str, Any]) -> tuple[str, Any] | None:
    if _PRIVATE & row.keys():
        raise Unreadable("the key set shows a private or symmetric key; nothing of it can be trusted")
    algorithm = row.get("alg") or _CURVES.get(str(row.get("crv")))
    family = _FAMILIES.get(str(algorithm))
    if "kid" not in row or family is None or row.get("use", "sig") != "sig":
        return None
    kind, curve = family
    if row.get("kty") != kind or (curve is not None and row.get("crv") != curve):
        return None
    fields = {name: row[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in row}
    try:
        key = jwk.import_key(fields)
        if kind == "RSA" and key.public_key.key_size < _BITS:  # type: ignore[union-attr]  # an RSA key has a size
            return None
    except (JoseError, ValueError, TypeError, AttributeError):
        return None
    return str(algorithm), key


def _symmetric(row: Mapping[str, Any]) -> tuple[str, Any] | None:
    if row.get("kty") != "oct" or row.get("alg") != _SYMMETRIC:
        return None
    key = jwk.OctKey.import_key({"kty": "oct", "k": row["k"]})
    return (_SYMMETRIC, key) if len(key.raw_value) >= _SHORTEST else None
