"""What says whose a version is, written at Vault together with the version itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from rekey.ports.backend import Claim

MARK: Final = "rekey_version"
"""The key under which it stands; Vault lets nobody log in whose metadata have a key with a dot or a slash."""


def mark(claim: Claim, expires: datetime | None) -> str:
    """Return the text that says it."""
    told = {"owner": claim.owner, "namespace": claim.namespace, "name": claim.name, "number": claim.number}
    return json.dumps(told if expires is None else {**told, "expires": expires.isoformat()})


def read(text: object) -> tuple[Claim, datetime | None] | None:
    """Return whose it is and when it is to end; None if that is not said as we say it."""
    try:
        told = json.loads(text) if isinstance(text, str) else {}
        ends = told.get("expires")
        expires = None if ends is None else datetime.fromisoformat(ends).astimezone(UTC)
        return Claim(str(told["owner"]), str(told["namespace"]), str(told["name"]), int(told["number"])), expires
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def same(one: Claim, other: Claim) -> bool:
    """Say whether both are the same version: names are for people."""
    return (one.owner, one.number) == (other.owner, other.number)
