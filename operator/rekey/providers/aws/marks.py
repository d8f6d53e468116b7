"""Which access keys of an IAM user are ours: said by tags of the user, for keys have neither name nor tag.

1. A mark is written, and read back, before its key is made: the credential, the number, when, and the keys that were
   there. When the key is known its id stands there instead.
2. Of an answer that was lost the mark tells: a key that was not there before, that no other mark names, and that was
   made when it was asked for, is ours, if there is only one. If there are two, or if an unknown key of another
   credential is missing, too, nobody can say, and none is touched.
3. A user is one credential's: with marks of another on it nothing is made, or two could take each other's keys for
   lost ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rekey.ports.backend import Claim

SETTLED: Final = timedelta(minutes=1)
"""After this IAM, which is eventually consistent, tells of everything, and no request of ours is under way."""
_SKEW: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(seconds=30)
_VALUE: Final = 256
_TAG: Final = re.compile(r"rekey\.dev/(?P<owner>[-0-9A-Za-z]+)/(?P<number>[0-9]+)/(?P<since>[0-9]+)")
_SAID: Final = re.compile(r"(?P<what>key|before)=(?P<ids>[A-Za-z0-9+]*) (?P<namespace>[^/ ]*)/(?P<name>[^/ ]*)")


@dataclass(frozen=True, slots=True)
class Key:
    """An access key that is there."""

    id: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """What one tag says: `key` is None as long as that is not known, `before` are the keys that were there then."""

    claim: Claim
    since: datetime
    before: tuple[str, ...] = ()
    key: str | None = None

    @property
    def tag(self) -> str:
        """Return the key of the tag."""
        since = (self.since - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
        return f"rekey.dev/{self.claim.owner}/{self.claim.number}/{since}"

    @property
    def text(self) -> str:
        """Return the value of the tag; a long name is cut, for it is for people to read."""
        what = f"before={'+'.join(self.before)}" if self.key is None else f"key={self.key}"
        return f"{what} {self.claim.namespace}/{self.claim.name}"[:_VALUE]

    def is_young(self, now: datetime) -> bool:
        """Say whether IAM may not tell of everything yet that was done then."""
        return now < self.since + SETTLED

    def may_be(self, key: Key) -> bool:
        """Say whether the key appeared when this one was asked for."""
        return key.id not in self.before and self.since - _SKEW <= key.created <= self.since + _LONGEST + _SKEW


def read(tags: Iterable[tuple[str, str]]) -> tuple[Mark, ...]:
    """Return the marks among the tags of a user, the oldest number first."""
    found = []
    for tag, text in tags:
        about, said = _TAG.fullmatch(tag), _SAID.fullmatch(text)
        if about is None or said is None:
            continue
        claim = Claim(about["owner"], said["namespace"], said["name"], int(about["number"]))
        since = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(about["since"]))
        ids = tuple(filter(None, said["ids"].split("+")))
        known = said["what"] == "key"
        found.append(Mark(claim, since, () if known else ids, ids[0] if known and ids else None))
    return tuple(sorted(found, key=lambda mark: (mark.claim.number, mark.since)))


def of(owner: str, marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks of a credential."""
    return tuple(mark for mark in marks if mark.claim.owner == owner)


def lost(mark: Mark, keys: Sequence[Key], marks: Sequence[Mark]) -> tuple[str, ...]:
    """Return the keys of which one may be what came of that mark."""
    known = {one.key for one in marks}
    return tuple(key.id for key in keys if key.id not in known and mark.may_be(key))


def is_rivalled(mark: Mark, marks: Iterable[Mark]) -> bool:
    """Say whether a key of another credential is unknown, too."""
    return any(one.key is None and one.claim.owner != mark.claim.owner for one in marks)
