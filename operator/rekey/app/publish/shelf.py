"""What is served, in memory, and how old it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from rekey.core.documents import Age
from rekey.core.facts import Key
from rekey.core.publication import Publication
from rekey.ports.cluster import Clock

Scope = str | None
"""One namespace, or all of them."""

EVERYWHERE: Final[Scope] = None


class Shelf:
    """Publications by their keys; each scope is kept by a follower of its own."""

    def __init__(self, scopes: Iterable[str], clock: Clock, stale_after: timedelta) -> None:
        self.scopes: tuple[Scope, ...] = tuple(scopes) or (EVERYWHERE,)
        self._clock = clock
        self._stale_after = stale_after
        self._heard: dict[Scope, datetime] = {}
        self._lost: set[Scope] = set()
        self._known: dict[Key, Publication] = {}

    @property
    def is_full(self) -> bool:
        """Tell whether everything was listed once: before that nobody can say that something does not exist."""
        return len(self._heard) == len(self.scopes)

    @property
    def age(self) -> Age:
        """Return how old the oldest of it is; ask only when `is_full`."""
        as_of = min(self._heard.values())
        stale = self._clock.now() - as_of > self._stale_after
        return Age(as_of, away=bool(self._lost) or stale, stale=stale)

    def get(self, key: Key) -> Publication | None:
        """Return what is published of a credential."""
        return self._known.get(key)

    def all(self) -> tuple[Publication, ...]:
        """Return everything that is published."""
        return tuple(self._known.values())

    def within(self, scope: Scope) -> Mapping[Key, Publication]:
        """Return what is published in a scope."""
        return {key: one for key, one in self._known.items() if scope in (EVERYWHERE, key.namespace)}

    def put(self, key: Key, publication: Publication | None) -> None:
        """Serve this of the credential from now on; None: nothing."""
        if publication is None:
            self._known.pop(key, None)
        else:
            self._known[key] = publication

    def heard(self, scope: Scope) -> None:
        """Take note that what is known of a scope is so now."""
        self._heard[scope] = self._clock.now()
        self._lost.discard(scope)

    def lost(self, scope: Scope) -> None:
        """Take note that a scope is not heard any more."""
        self._lost.add(scope)
