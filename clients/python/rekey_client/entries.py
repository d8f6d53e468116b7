"""What is accepted now, as tables to look up in: parsed once from a verifier Secret, never while a request waits."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rekey_client.errors import Unreadable
from rekey_client.outcome import Identity, Outcome, Reason

FILES = ("verifier.json", "jwks.json", "keyring.json")
_TEXT = re.compile(r"[\x20-\x7e]{1,512}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HASHED = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One version that is accepted."""

    identity: Identity
    id: str
    hashed_id: str
    accepted: Outcome = field(repr=False)
    """What a request comes to if nothing is against it: made here, so that a request need not."""
    audience: frozenset[str] | None = None
    expires: float | None = None
    digest: bytes = b""
    """SHA-256 of a token or password; empty where a key verifies."""
    key: Any = field(default=None, repr=False)
    """The key of a JWT, of which `algorithm` is the only one it may be used with."""
    algorithm: str = ""


ById = Mapping[str, tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """All that is accepted. Two entries may share an id: two credentials that adopted the same value."""

    tokens: ById = field(default_factory=dict)
    passwords: tuple[Entry, ...] = ()
    """Entries without an id; whatever is presented is compared with every one."""
    keys: ById = field(default_factory=dict)

    def entries(self) -> Iterable[Entry]:
        """Go through all entries."""
        for entries in (*self.tokens.values(), *self.keys.values(), self.passwords):
            yield from entries


def hashed(identifier: str) -> str:
    """Return what logs may show of an id: enough to find it again, too little to use."""
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:_HASHED]


def merge(parts: Iterable[Table]) -> Table:
    """Return one table of several parts of an aggregate."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    passwords = tuple(entry for part in parts for entry in part.passwords)
    return Table(_together(part.tokens for part in parts), passwords, _together(part.keys for part in parts))


def _together(maps: Iterable[ById]) -> ById:
    found: dict[str, tuple[Entry, ...]] = {}
    for entries in maps:
        for name, values in entries.items():
            found[name] = found[name] + values if name in found else values
    return found


class Reader:
    """Makes tables of one folder's files. Of thousands of entries few change at a time; the others are kept."""

    def __init__(self) -> None:
        self._known: dict[str, Entry] = {}

    def read(self, files: Mapping[str, bytes]) -> Table:
        """Return the table that the files of one verifier Secret say.

        Raises:
            Unreadable: it is not whole, or of a kind that no request can be checked with.
        """
        if "verifier.json" not in files:
            raise Unreadable("verifier.json is missing; is this the folder of a verifier Secret?")
        try:
            content = json.loads(files["verifier.json"])
            return self._table(content["format"], content["entries"], files)
        except Unreadable:
            raise
        except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Unreadable(f"verifier.json is not what the operator writes ({type(error).__name__})") from None

    def _table(self, form: str, rows: list[Mapping[str, Any]], files: Mapping[str, bytes]) -> Table:
        if form == "SHA256":
            known = {
                text: self._known.get(text) or _hashed_entry(row) for text, row in ((repr(row), row) for row in rows)
            }
            self._known, entries = known, known.values()
            passwords = tuple(entry for entry in entries if not entry.id)
            return Table(_by_id(entry for entry in entries if entry.id), passwords)
        if form in {"JWKS", "HMAC"}:
            try:
                from rekey_client import keys  # noqa: PLC0415  # needs joserfc, which who has no JWTs need not install
            except ImportError:
                raise Unreadable(f"{form} needs joserfc: pip install 'rekey-client[jwt]'") from None
            found = keys.from_set(
                files.get("jwks.json" if form == "JWKS" else "keyring.json", b""), symmetric=form == "HMAC"
            )
            return Table(keys=_by_id(_key_entry(row, found) for row in rows))
        raise Unreadable(f"verifier.json: {form!r:.40} checks no requests; it is for the TLS or SSH server itself")


def _by_id(entries: Iterable[Entry]) -> ById:
    found: dict[str, tuple[Entry, ...]] = {}
    for entry in entries:
        found[entry.id] = (*found.get(entry.id, ()), entry)
    return found


def _hashed_entry(row: Mapping[str, Any]) -> Entry:
    digest = row["sha256"]
    if not _DIGEST.fullmatch(digest):
        raise Unreadable("verifier.json: a sha256 is not 64 hexadecimal digits")
    known = row.get("id")
    name = _text(known) if known is not None else ""
    return _entry(row, name, digest=bytes.fromhex(digest))


def _key_entry(row: Mapping[str, Any], found: Mapping[str, tuple[str, Any]]) -> Entry:
    name = _text(row["id"])
    if name not in found:
        raise Unreadable("verifier.json names a key that is not in the set beside it")
    algorithm, key = found[name]
    return _entry(row, name, key=key, algorithm=algorithm)


def _entry(row: Mapping[str, Any], name: str, **proof: Any) -> Entry:  # noqa: ANN401  # fields of Entry
    version = row["version"]
    if type(version) is not int:
        raise Unreadable("verifier.json: a version is no number")
    credential = _text(row["credential"])
    identity = Identity(_text(row.get("client", credential)), credential, version, _texts(row.get("scopes")))
    hashed_id = hashed(name or f"{credential}/{version}")  # of a password not even a hash of its hash
    accepted = Outcome(Reason.ACCEPTED, identity, hashed_id)
    return Entry(
        identity, name, hashed_id, accepted, _texts(row.get("audience")), _instant(row.get("expires")), **proof
    )


def _text(value: Any) -> str:  # noqa: ANN401  # from JSON
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise Unreadable("verifier.json: a name is not printable ASCII")
    return value


def _texts(value: Any) -> frozenset[str] | None:  # noqa: ANN401  # from JSON
    if value is not None and not isinstance(value, list):
        raise Unreadable("verifier.json: scopes and audience are lists")
    return frozenset(_text(item) for item in value) if value is not None else None


def _instant(value: Any) -> float | None:  # noqa: ANN401  # from JSON
    if value is None:
        return None
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise Unreadable("verifier.json: a time without its zone")
    return found.timestamp()
