"""What the verifier's Secret says: the versions that are accepted now, worked out from the ledger alone.

1. The same ledger and the same spec give the same bytes, so nothing is written, and nobody reloads, for nothing.
2. A version is accepted from the moment it is published until it is committed to revocation.
3. What is told of one version is made once, here; one Secret may tell of many credentials (`rekey.core.aggregate`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from rekey.core import proof
from rekey.core.facts import Key
from rekey.core.material import Material
from rekey.core.spec_verifier import Format, Verifier
from rekey.core.status import State, Status, Version

LIST: Final = "verifier.json"
RETAINED: Final = "retained"
_WORDS: Final = {State.PUBLISHED: "next", State.ACTIVE: "current", State.RETIRING: "previous"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A version that is accepted, and what verifiers are to take it for."""

    version: Version
    status: str


@dataclass(frozen=True, slots=True)
class Told:
    """What verifiers are told of one version: its entry in the list, and what stands beside it in a file of its own.

    `retained`: its credential is gone, and what it left is to stay.
    """

    credential: str
    version: int
    entry: str
    beside: tuple[str, ...] = ()
    retained: bool = False


def accepted(status: Status, *, also: int | None = None, without: int | None = None) -> tuple[Entry, ...]:
    """Return what is accepted by this ledger, the newest first; `also` is about to be, `without` no more."""
    found = [
        Entry(version, _WORDS.get(version.state, "next"))
        for version in status.versions
        if (version.state in _WORDS or version.number == also) and version.number != without
    ]
    return tuple(reversed(found))


def recipe(key: Key, verifier: Verifier, entries: Sequence[Entry]) -> str:
    """Return a digest of all that the content is made from; it needs no value, not even for HMAC."""
    text = proof.as_text([verifier.format, [[_known(key, verifier, one), one.version.proof] for one in entries]])
    return sha256(text.encode()).hexdigest()[:16]


def content(key: Key, verifier: Verifier, entries: Sequence[Entry], keys: Mapping[int, Material]) -> Material:
    """Return the content of the Secret; `keys` are the values of the versions, by number, for HMAC only."""
    found = files(verifier.format, tell(key, verifier, entries, keys))
    if verifier.format is Format.HMAC:
        found["keyring.json"] = proof.keyring((one.status, keys[one.version.number]) for one in entries)
    return Material(found)


def tell(
    key: Key, verifier: Verifier, entries: Sequence[Entry], keys: Mapping[int, Material], *, retained: bool = False
) -> tuple[Told, ...]:
    """Return what is told of each version."""
    found = []
    for one in entries:
        proved = json.loads(one.version.proof or "{}")
        said = _known(key, verifier, one) | _shown(verifier.format, proved, keys.get(one.version.number))
        if retained:
            said[RETAINED] = True
        beside = _beside(verifier.format, proved)
        found.append(Told(str(key), one.version.number, proof.as_text(said), beside, retained))
    return tuple(found)


def files(form: Format, told: Sequence[Told]) -> dict[str, bytes]:
    """Return the list, and the file beside it in which each authority and each key stands once."""
    beside = list(dict.fromkeys(text for one in told for text in one.beside))
    found = {LIST: f'{{"entries":[{",".join(one.entry for one in told)}],"format":"{form}"}}'}
    match form:
        case Format.JWKS:
            found["jwks.json"] = f'{{"keys":[{",".join(beside)}]}}'
        case Format.CA_BUNDLE:
            found["ca.crt"] = "".join(beside)
        case Format.AUTHORIZED_KEYS:
            found["authorized_keys"] = "".join(f"{line}\n" for line in beside)
        case Format.SHA256 | Format.HMAC:
            pass
    return {name: text.encode() for name, text in found.items()}


def _beside(form: Format, proved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what stands in the other file for a version."""
    match form:
        case Format.JWKS:
            return (proof.as_text(proved["jwk"]),)
        case Format.CA_BUNDLE:
            return (proved["ca"],)
        case Format.AUTHORIZED_KEYS:
            return (proved["key"],)
        case Format.SHA256 | Format.HMAC:
            return ()


def _known(key: Key, verifier: Verifier, entry: Entry) -> dict[str, Any]:
    """Return what the ledger and the spec say of a version."""
    version = entry.version
    found: dict[str, Any] = {
        "credential": str(key),
        "version": version.number,
        "status": entry.status,
        "client": verifier.client or key.name,
        "scopes": list(verifier.scopes),
        "audience": list(verifier.audience),
        "issued": version.issued_time and f"{version.issued_time:%FT%TZ}",
        "expires": version.expiration_time and f"{version.expiration_time:%FT%TZ}",
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _shown(form: Format, proved: Mapping[str, Any], material: Material | None) -> dict[str, str]:
    """Return by what a verifier finds the version, and its hash where that is what it compares with."""
    match form:
        case Format.SHA256:
            return {name: proved[name] for name in ("id", "sha256") if name in proved}
        case Format.JWKS:
            return {"id": proved["kid"]}
        case Format.CA_BUNDLE:
            return {"id": proved["serial"]}
        case Format.AUTHORIZED_KEYS:
            return {"id": proof.fingerprint_of(proved["key"])}
        case Format.HMAC:
            return {} if material is None else {"id": proof.key_id(material)}
