"""The credentials as last seen, what they claim from one another, and what we wrote ourselves.

1. Only a newer resourceVersion replaces what is there: events may come late, twice and in any order.
2. What we wrote ourselves is no news. A credential of which we know a newer version than we hold is `behind`, and
   has to be read again before it is acted on.
3. Everything is a view of the same entries: nothing is counted twice, nothing must be kept in step.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from sys import intern
from typing import Any

from rekey.app.seen import Seen, unpack
from rekey.core.facts import Credential, Key, Problem
from rekey.errors import Rejected
from rekey.kube.objects import instant

log = logging.getLogger(__name__)

Parse = Callable[[dict[str, Any]], Credential]
Told = Callable[[Key], None]


class Cache:
    """All credentials of this process. It belongs to one thread."""

    def __init__(self, parse: Parse, per_namespace: int, per_cluster: int) -> None:
        self._parse = parse
        self._limits = (per_namespace, per_cluster)
        self._entries: dict[Key, Seen] = {}
        self._claims: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        self._rolling: Counter[str] = Counter()
        self._told: list[tuple[Told, Told]] = []
        self.keeps: Callable[[Key], bool] = lambda _: True
        """Tells whether what is read of a credential is kept; with shards, whether it is ours."""
        self._rewound: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Seen]:
        return iter(self._entries.values())

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def tell(self, entered: Told, left: Told) -> None:
        """Tell from now on of every key that enters or leaves, whichever way it does."""
        self._told.append((entered, left))

    def tell_of_rewinds(self, told: Callable[[], None]) -> None:
        """Tell from now on when storage went back to an older state."""
        self._rewound.append(told)

    def put(self, seen: Seen) -> bool:
        """Keep it unless something newer is kept already; return whether it is news to us."""
        old = self._entries.get(seen.key)
        if old is None:
            seen.reason = intern(seen.reason)
            self._enter(seen)
            for entered, _ in self._told:
                entered(seen.key)
            return True
        if seen.version <= old.version:
            return False
        seen.known, seen.looked, seen.key, seen.reason = old.known, old.looked, old.key, intern(seen.reason)
        self._leave(old)
        self._enter(seen)
        return seen.version > seen.known

    def remove(self, key: Key, version: int) -> tuple[Key, ...] | None:
        """Forget it unless it was made anew since; return who waited for its Secret's name, None if it stays."""
        seen = self._entries.get(key)
        return None if seen is None or seen.version > version else self.forget(key)

    def forget(self, key: Key) -> tuple[Key, ...]:
        """Forget what is known to be gone; return who waited for its Secret's name."""
        seen = self._entries.pop(key, None)
        if seen is None:
            return ()
        self._leave(seen)
        for _, left in self._told:
            left(key)
        return tuple(self._claimants(key.namespace, seen.claim or key.name))

    def get(self, key: Key) -> Credential | None:
        """Return the credential as last seen; from here on that version is no news."""
        seen = self._entries.get(key)
        if seen is None:
            return None
        seen.known = max(seen.known, seen.version)
        return self._parse(unpack(seen))

    def peer(self, key: Key) -> Credential | None:
        """Return the credential for the sake of another one: it stays as much news as it was."""
        seen = self._entries.get(key)
        try:
            return None if seen is None else self._parse(unpack(seen))
        except Rejected:
            return None

    def found(self, key: Key) -> dict[str, Any] | None:
        """Return the object as far as it is kept; it stays as much news as it was."""
        seen = self._entries.get(key)
        return None if seen is None else unpack(seen)

    def learn(self, key: Key, version: int) -> None:
        """Note that the credential has this version, by our own write or read: it is no news when it comes."""
        seen = self._entries.get(key)
        if seen is not None:
            seen.known = max(seen.known, version)

    def knows(self, key: Key, version: int) -> bool:
        """Return whether that version, or a newer one, has been acted on; from any thread."""
        seen = self._entries.get(key)
        return seen is not None and seen.known >= version

    def looked(self, key: Key, now: datetime) -> None:
        """Note that a worker takes the credential up."""
        seen = self._entries.get(key)
        if seen is not None:
            seen.looked = int(now.timestamp())

    def has_news(self, key: Key) -> bool:
        """Return whether somebody else changed it since it was last acted on."""
        seen = self._entries.get(key)
        return seen is None or seen.version > seen.known

    def was_touched(self, key: Key) -> bool:
        """Return whether somebody else wrote to it since it was acted on, and left its spec as it was."""
        seen = self._entries.get(key)
        return seen is not None and 0 < seen.known < seen.version and seen.settled

    def is_behind(self, key: Key) -> bool:
        """Return whether a newer version than the one that is kept is known to exist."""
        seen = self._entries.get(key)
        return seen is None or seen.known > seen.version

    def is_hearsay(self, key: Key) -> bool:
        """Return whether something is to be done for it, and all that is known of it was heard."""
        seen = self._entries.get(key)
        return seen is not None and not seen.known and not seen.settled

    def versions(self) -> dict[Key, int]:
        """Return the newest version known of each credential."""
        return {key: max(seen.known, seen.version) for key, seen in self._entries.items()}

    def newest(self, key: Key) -> int:
        """Return the newest version known of one."""
        seen = self._entries.get(key)
        return 0 if seen is None else max(seen.known, seen.version)

    def rewind(self) -> None:
        """Hold every credential for older than any event: what is stored now is older than what was seen."""
        log.warning("the API server went back to an older state; everything is read anew")
        for seen in self._entries.values():
            seen.version, seen.known = 0, 1
        for told in self._rewound:
            told()

    def others(self, credential: Credential) -> tuple[Problem, ...]:
        """Return a problem for each credential whose target has the same name and that was there first."""
        name = credential.spec.target.secret_name or credential.key.name
        mine = (not credential.status.versions, credential.created, credential.uid)
        return tuple(
            Problem("spec.target.secretName", f"{name} is already used by RotatedCredential {rival.name}")
            for rival in self._claimants(credential.key.namespace, name)
            if rival != credential.key and self._rank(rival) < mine
        )

    def shares(self, key: Key, secret: str) -> bool:
        """Return whether that credential was heard of and shares this verifier's Secret; it may all the same if not."""
        seen = self._entries.get(key)
        return seen is not None and seen.shares == secret

    def allow(self, in_cluster: int) -> None:
        """Have another limit of rollouts in all: that of the shards that are ours."""
        self._limits = (self._limits[0], in_cluster)

    def free(self, credential: Credential) -> int:
        """Return how many rollouts this credential may start now."""
        in_namespace, in_cluster = self._limits
        left = in_namespace - self._rolling[credential.key.namespace]
        return max(0, min(left, in_cluster - self._rolling.total()))

    def note(self, credential: Credential, rolling: int) -> None:
        """Remember how many rollouts of this credential are in progress."""
        seen = self._entries.get(credential.key)
        if seen is not None:
            self._count(seen.key.namespace, rolling - seen.rolling)
            seen.rolling = rolling

    def _enter(self, seen: Seen) -> None:
        self._entries[seen.key] = seen
        self._count(seen.key.namespace, seen.rolling)
        if seen.claim is not None:
            self._claims[seen.key.namespace, seen.claim].add(seen.key)

    def _leave(self, seen: Seen) -> None:
        self._count(seen.key.namespace, -seen.rolling)
        if seen.claim is not None:
            claim = (seen.key.namespace, seen.claim)
            self._claims[claim].discard(seen.key)
            if not self._claims[claim]:
                del self._claims[claim]

    def _count(self, namespace: str, rolling: int) -> None:
        if rolling:
            self._rolling[namespace] += rolling
            if not self._rolling[namespace]:
                del self._rolling[namespace]

    def _claimants(self, namespace: str, name: str) -> Iterable[Key]:
        """Return the credentials whose target has that name."""
        namesake = self._entries.get(Key(namespace, name))
        if namesake is not None and namesake.claim is None:
            yield namesake.key
        yield from sorted(self._claims.get((namespace, name), ()), key=str)

    def _rank(self, key: Key) -> tuple[bool, datetime, str]:
        """Return who was first: whoever has versions, for ages are known in seconds only; then the older one.

        One whose spec cannot be parsed counts all the same.
        """
        found = unpack(self._entries[key])
        metadata = found["metadata"]
        return not found["status"].get("versions"), instant(metadata["creationTimestamp"]), metadata["uid"]
