"""The published documents of one credential, as bytes: the same facts give the same bytes.

Nothing in them tells of the moment of writing. How old they are is said in `asOf` only while the API server is away:
then that moment stands still, and the bytes do too. The key set itself never says it: some verifiers take no member
that they do not know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rekey.core.publication import Publication, PublicKey
from rekey.core.timeline import Moment, announced, notices, past, shown


@dataclass(frozen=True, slots=True)
class Age:
    """When what is served was last known to be so; `away`: nothing was heard since then, `stale`: for too long."""

    as_of: datetime
    away: bool = False
    stale: bool = False


def jwks(publication: Publication) -> bytes:
    """Return the key set of every version that is accepted (RFC 7517)."""
    return _bytes({"keys": [dict(key.jwk) for key in publication.keys if key.accepted and key.jwk is not None]})


def catalog(publication: Publication, age: Age) -> bytes:
    """Return every version on record with its times, the key of those that are accepted, and of no other."""
    return _document(publication, age, {"keys": [_entry(key, with_key=True) for key in publication.keys]})


def timeline(publication: Publication, age: Age) -> bytes:
    """Return what happened and what is announced."""
    content = {
        "keys": [_entry(key, with_key=False) for key in publication.keys],
        "announced": [_moment(moment) for moment in announced(publication)],
        "past": [_moment(moment) for moment in past(publication)],
        "notices": list(notices(publication)),
    }
    return _document(publication, age, content)


def etag(body: bytes) -> str:
    """Return the strong validator of these bytes, without its quotes."""
    return hashlib.sha256(body).hexdigest()[:32]


def _document(publication: Publication, age: Age, content: Mapping[str, Any]) -> bytes:
    how_old = {"asOf": shown(age.as_of), "stale": age.stale} if age.away else {}
    return _bytes({"credential": str(publication.key), **how_old, **content})


def _entry(key: PublicKey, *, with_key: bool) -> dict[str, Any]:
    times = {
        "created": key.created,
        "activated": key.activated,
        "deprecated": key.deprecated,
        "revoked": key.revoked,
        "expires": key.expires,
    }
    said = {"kid": key.kid, "algorithm": key.algorithm, "status": key.standing.value, "version": key.version}
    jwk = {"jwk": dict(key.jwk)} if with_key and key.accepted and key.jwk is not None else {}
    return said | {name: shown(at) for name, at in times.items() if at is not None} | jwk


def _moment(moment: Moment) -> dict[str, Any]:
    key = moment.key
    about = {} if key is None else {"version": key.version, "kid": key.kid}
    return {"time": shown(moment.at), "what": moment.what.value, **about}


def _bytes(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
