"""The ledgers of one namespace's credentials, as requests need them: parsed only where they are looked at."""

from collections.abc import Iterator, Mapping
from typing import Any

from rekey.app.cache import Cache
from rekey.core.answer import Answer
from rekey.core.facts import Key
from rekey.core.request import Ledger


class Ledgers(Mapping[str, Ledger]):
    """A view of the cache."""

    def __init__(self, cache: Cache, namespace: str) -> None:
        self._cache = cache
        self._namespace = namespace

    def __getitem__(self, name: str) -> Ledger:
        found = self._cache.found(Key(self._namespace, name))
        if found is None:
            raise KeyError(name)
        return ledger(found)

    def __iter__(self) -> Iterator[str]:
        return (seen.key.name for seen in self._cache if seen.key.namespace == self._namespace)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def ledger(found: Mapping[str, Any]) -> Ledger:
    """Return what a request needs to know of a credential as the API server holds it."""
    metadata, status = found["metadata"], found.get("status") or {}
    says = [str(one.get("message", "")) for one in status.get("conditions") or () if one["type"] == "Ready"]
    return Ledger(
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        answers=tuple(Answer.model_validate(one) for one in status.get("requests") or ()),
        says=says[0] if says else "",
        deleting="deletionTimestamp" in metadata,
    )
