"""Wait for a condition with a deadline: the one place here that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.cluster.errors import ClusterError

_T = TypeVar("_T")


class TimedOut(ClusterError):
    """The condition did not come true before its deadline."""


def until(look: Callable[[], _T], what: str, *, seconds: float, every: float = 0.05) -> _T:
    """Return the first true answer of `look`; raise `TimedOut` naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimedOut(f"waited {seconds:g} s for {what}; the last look gave {answer!r}")
        time.sleep(every)
