"""How long to wait before the next try: longer each time, never in step with others."""

from collections.abc import Hashable, Iterator
from datetime import timedelta
from typing import Final
from zlib import crc32

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(minutes=5)
_DOUBLINGS: Final = 16


def delay(seed: str, attempt: int, first: timedelta = FIRST, longest: timedelta = LONGEST) -> timedelta:
    """Return the wait after failure number `attempt`, counted from 0: 1 to 2 times `first`, doubled each time."""
    doubled: timedelta = first * 2 ** (min(attempt, _DOUBLINGS) + 1)
    whole = min(doubled, longest)
    return whole * (0.5 + crc32(f"{seed}:{attempt}".encode()) / 2**33)


class Backoff:
    """Failures in a row of each key."""

    def __init__(self, first: timedelta = FIRST, longest: timedelta = LONGEST) -> None:
        self._first = first
        self._longest = longest
        self._failures: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def failed(self, key: Hashable, at_least: float | None = None) -> timedelta:
        """Count a failure and return how long to wait.

        `at_least` are seconds that the other side asked for; whatever it says, nobody waits for longer than `longest`.
        """
        attempt = self._failures.get(key, 0)
        self._failures[key] = attempt + 1
        wait = delay(str(key), attempt, self._first, self._longest)
        return wait if at_least is None else max(wait, timedelta(seconds=min(self._longest.total_seconds(), at_least)))

    def failures(self, key: Hashable) -> int:
        """Return how often in a row this key has failed."""
        return self._failures.get(key, 0)

    def stuck(self, failures: int) -> int:
        """Return how many keys have failed at least that often in a row."""
        return sum(number >= failures for number in self._failures.values())

    def succeeded(self, key: Hashable) -> None:
        """Begin anew for this key."""
        self._failures.pop(key, None)


class Endless:
    """Seconds to wait, without end; each iteration begins anew, so that a library may keep one instance."""

    def __init__(self, seed: str, first: timedelta, longest: timedelta) -> None:
        self._seed = seed
        self._first = first
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        attempt = 0
        while True:
            yield delay(self._seed, attempt, self._first, self._longest).total_seconds()
            attempt += 1
