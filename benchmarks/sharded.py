"""Several operators with a shard each: their namespaces, their settings, and when each has its own."""

from collections.abc import Sequence

from benchmarks.controller import QUIET, Controller
from tests.cluster.waiting import until


def dealt(spaces: int, number: int) -> dict[str, int | None]:
    """Return so many namespaces, each with its shard; without a label where there is only one."""
    return {f"mass-{place:02}": place % number if number > 1 else None for place in range(spaces)}


def settings(number: int) -> dict[str, str]:
    """Return what each operator is told."""
    return {"REKEY_SHARDS": str(number)} if number > 1 else {}


def shared(controllers: Sequence[Controller], count: int) -> None:
    """Wait until each has its part, and no other, and has nothing to do but to compare Secrets now and then."""
    share = count // len(controllers)
    seconds, quiet = 300 + count / 50, QUIET + share / 250_000
    until(
        lambda: all(abs(one.known() - share) <= len(controllers) for one in controllers),
        f"each operator to keep {share} credentials",
        seconds=seconds,
        every=1,
    )
    for one in controllers:
        one.until_quiet(seconds, quiet)


def stopped(controllers: Sequence[Controller]) -> None:
    """Have them end one after another."""
    for one in controllers:
        one.stop()
