"""The past and the announced moments of a published credential, and what those who use it are to know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rekey.core.publication import Publication, PublicKey, Standing


class What(StrEnum):
    """What happens to a key, or to the credential."""

    CREATED = "Created"
    ACTIVATED = "Activated"
    DEPRECATED = "Deprecated"
    REVOKED = "Revoked"
    ROTATION = "Rotation"
    OVERLAP_END = "OverlapEnd"
    EXPIRY = "Expiry"


MEANING = {
    What.CREATED: "made, and published",
    What.ACTIVATED: "signs from here on",
    What.DEPRECATED: "signs no more; still accepted",
    What.REVOKED: "not accepted any more",
    What.ROTATION: "the next rotation may begin",
    What.OVERLAP_END: "accepted until then at least",
    What.EXPIRY: "ends by itself",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a key, or is announced; `key` is None for a rotation yet to come."""

    at: datetime
    what: What
    key: PublicKey | None


def past(publication: Publication) -> tuple[Moment, ...]:
    """Return what happened, the last first."""
    return tuple(sorted(_past(publication), key=lambda one: (one.at, _number(one)), reverse=True))


def _past(publication: Publication) -> Iterator[Moment]:
    for key in publication.keys:
        happened = {
            What.CREATED: key.created,
            What.ACTIVATED: key.activated,
            What.DEPRECATED: key.deprecated,
            What.REVOKED: key.revoked,
        }
        yield from (Moment(at, what, key) for what, at in happened.items() if at is not None)


def announced(publication: Publication) -> tuple[Moment, ...]:
    """Return what is yet to come, the first first; what is overdue stays announced until it is done."""
    return tuple(sorted(_announced(publication), key=lambda one: (one.at, _number(one))))


def _announced(publication: Publication) -> Iterator[Moment]:
    if publication.next_rotation is not None:
        yield Moment(publication.next_rotation, What.ROTATION, None)
    leaving = _leaving(publication)
    if publication.overlap_end is not None and leaving is not None:
        yield Moment(publication.overlap_end, What.OVERLAP_END, leaving)
    for key in publication.keys:
        if key.accepted and key.expires is not None:
            yield Moment(key.expires, What.EXPIRY, key)


def _number(moment: Moment) -> int:
    return 0 if moment.key is None else moment.key.version


def _leaving(publication: Publication) -> PublicKey | None:
    """Return the key that the end of the overlap is about: the one that was current last."""
    previous = [key for key in publication.keys if key.standing is Standing.PREVIOUS and key.deprecated is not None]
    return max(previous, key=lambda key: (key.deprecated, key.version), default=None)


def notices(publication: Publication) -> tuple[str, ...]:
    """Return sentences for those who sign and verify."""
    leaving = _leaving(publication)
    said = []
    for key in publication.keys:
        name = f"Key {key.kid or '(unknown)'} (version {key.version})"
        if key.standing is Standing.NEXT:
            said.append(f"{name} is announced: verifiers should know it before it signs.")
        elif key.standing is Standing.PREVIOUS:
            until = publication.overlap_end if key is leaving else None
            rest = f"accepted until {shown(until)} at least" if until else "accepted until its revocation"
            since = f" since {shown(key.deprecated)}" if key.deprecated else ""
            said.append(f"{name} is deprecated{since}: sign with the current key; it is {rest}.")
    return tuple(said)


def shown(moment: datetime) -> str:
    """Return an instant as people and programs read it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
