"""What a verifier remembers beyond its content, all of it bounded: versions that are gone, and who was just seen."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from rekey_client.entries import ById, Entry, Table

_MOST = 10_000
_MOST_PASSWORDS = 100


@dataclass
class Gone:
    """Versions that were accepted once: their holders are told `revoked` or `expired`, and strangers nothing."""

    most: int = _MOST
    table: Table = field(default_factory=Table)

    def learn(self, before: Table, after: Table) -> None:
        """Remember what `after` does not have any more; the oldest are forgotten first."""
        self.table = Table(
            self._kept(self.table.tokens, before.tokens, after.tokens),
            self._kept_passwords(before.passwords, after.passwords),
            self._kept(self.table.keys, before.keys, after.keys),
        )

    def _kept(self, gone: ById, before: ById, after: ById) -> dict[str, tuple[Entry, ...]]:
        left = {name: before[name] for name in before if name not in after}
        kept = {name: entries for name, entries in gone.items() if name not in after and name not in left} | left
        return dict(islice(kept.items(), max(0, len(kept) - self.most), None))

    def _kept_passwords(self, before: Iterable[Entry], after: Iterable[Entry]) -> tuple[Entry, ...]:
        still = {entry.digest for entry in after}
        kept = {entry.digest: entry for entry in (*self.table.passwords, *before) if entry.digest not in still}
        return tuple(kept.values())[-min(self.most, _MOST_PASSWORDS) :]


class Windows:
    """Counts by key in windows of `seconds`; only the keys seen last are kept."""

    def __init__(self, seconds: float, most: int = _MOST) -> None:
        self._seconds, self._most = seconds, most
        self._found: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def count(self, key: Hashable, now: float) -> tuple[int, float]:
        """Count one more; return how many there are in the window and the seconds until it ends."""
        with self._lock:
            start, count = self._found.get(key, (now, 0))
            if now >= start + self._seconds:
                start, count = now, 0
            self._found[key] = (start, count + 1)
            self._found.move_to_end(key)
            if len(self._found) > self._most:
                self._found.popitem(last=False)
        return count + 1, start + self._seconds - now
