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
    """Wait until each knows its part, and no more."""
    share = count // len(controllers)
    until(
        lambda: all(abs(one.known() - share) <= len(controllers) for one in controllers),
        f"each operator to keep {share} credentials",
        seconds=_patience(count),
        every=1,
    )


def quiet(controllers: Sequence[Controller], count: int) -> None:
    """Wait until none has anything to do but to compare Secrets now and then."""
    share = count // len(controllers)
    for one in controllers:
        one.until_quiet(_patience(count), QUIET + share / 250_000)


def taken_over(controllers: Sequence[Controller], count: int) -> None:
    """Kill the first; wait until the others know its part, too."""
    controllers[0].kill()
    until(
        lambda: sum(one.known() for one in controllers[1:]) >= count,
        "the others to know everything",
        seconds=_patience(count),
        every=0.5,
    )


def _patience(count: int) -> float:
    return 300 + count / 50


def stopped(controllers: Sequence[Controller]) -> None:
    """Have them end one after another."""
    for one in controllers:
        one.stop()
