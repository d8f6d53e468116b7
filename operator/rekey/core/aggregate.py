"""A verifier's Secret that many credentials share: each replaces what is said of itself, and nothing else.

1. What is said of others is taken from what is stored: no memory that is behind can drop what they still use.
2. An entry stays in the part where it was listed first, until it ends: no reader of all parts ever misses it.
3. A new one goes where its credential is listed already, else into the first part that has room; parts only get more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from rekey.core import proof
from rekey.core.material import Material
from rekey.core.spec_verifier import Format
from rekey.core.verifying import LIST, RETAINED, Told

LIMIT: Final = 900 * 1024
"""Bytes of a part beyond which it takes no new entry; the API server stores 1 MiB."""

_AUTHORITY: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
Part = tuple[Told, ...]


def part_name(secret: str, number: int) -> str:
    """Return the name of one of the Secrets that an aggregate is cut into."""
    return f"{secret}-{number}" if number else secret


def form_of(material: Material) -> str | None:
    """Return in what format the Secret says what is accepted, None if it says nothing that can be read."""
    form = _parsed(material).get("format")
    return form if isinstance(form, str) else None


def read(form: Format, material: Material) -> Part:
    """Return what a stored part says; what somebody left there that no verifier could read is not taken over."""
    beside = _by_id(form, material)
    entries = _parsed(material).get("entries")
    found = []
    for one in entries if isinstance(entries, list) else ():
        with suppress(KeyError, TypeError, ValueError, RecursionError):
            found.append(_taken_over(form, one, beside))
    return tuple(found)


def _taken_over(form: Format, one: Mapping[str, Any], beside: Mapping[str, tuple[str, ...]]) -> Told:
    texts = beside[one["id"]] if form is not Format.SHA256 else ()
    if not isinstance(one["credential"], str) or type(one["version"]) is not int:
        raise TypeError("it is of no version of a credential")
    if form is Format.SHA256 and not isinstance(one["sha256"], str):
        raise TypeError("it has no hash")
    told = Told(one["credential"], one["version"], proof.as_text(one), texts, one.get(RETAINED) is True)
    _weight(told)  # there is JSON that is no text
    return told


def merge(
    parts: Sequence[Part], own: Mapping[str, Sequence[Told]], gone: Collection[str] = frozenset()
) -> tuple[Part, ...]:
    """Return the parts after these credentials have told what is accepted of theirs, without those that are gone."""
    wanted = {(one.credential, one.version): one for told in own.values() for one in told}
    kept = [
        {
            (one.credential, one.version): wanted.get((one.credential, one.version), one)
            for one in part
            if (one.credential, one.version) in wanted or not (one.credential in own or one.credential in gone)
        }
        for part in parts
    ]
    room = [LIMIT - sum(map(_weight, part.values())) for part in kept]
    homes = {credential: number for number, part in enumerate(kept) for credential, _ in part}
    for at in sorted(wanted.keys() - {at for part in kept for at in part}):
        need = _weight(wanted[at])
        tried = (homes.get(at[0], 0), *range(len(kept)))
        number = next((one for one in tried if one < len(kept) and room[one] >= need), len(kept))
        if number == len(kept):
            kept.append({})
            room.append(LIMIT)
        kept[number][at] = wanted[at]
        room[number] -= need
        homes[at[0]] = number
    return tuple(tuple(part[at] for at in sorted(part, key=lambda at: (at[0], -at[1]))) for part in kept)


def _weight(told: Told) -> int:
    """Return how many bytes it takes."""
    return sum(len(text.encode()) + 1 for text in (told.entry, *told.beside))


def _parsed(material: Material) -> Mapping[str, Any]:
    try:
        found = json.loads(material.reveal().get(LIST, b"{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _by_id(form: Format, material: Material) -> dict[str, tuple[str, ...]]:
    """Return what stands beside the list by the ids in it; two authorities may have one serial number."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        for known, text in _beside(form, material.reveal()):
            if text not in found.get(known, ()):
                found[known] = (*found.get(known, ()), text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return found
    return found


def _beside(form: Format, values: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    match form:
        case Format.JWKS:
            for key in json.loads(values["jwks.json"])["keys"]:
                yield key["kid"], proof.as_text(key)
        case Format.CA_BUNDLE:
            for text in _AUTHORITY.findall(values["ca.crt"].decode()):
                yield proof.serial_of(text), text
        case Format.AUTHORIZED_KEYS:
            for line in values["authorized_keys"].decode().splitlines():
                yield proof.fingerprint_of(line), line
        case Format.SHA256 | Format.HMAC:
            return
