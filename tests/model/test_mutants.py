"""The protocol's mutants are put into the code one by one: the checker names what each breaks, and passes the code."""

from collections.abc import Callable

import pytest

from tests.model.checker import promises
from tests.model.mutants import AS_IT_IS, MUTANTS

ENOUGH = 25
"""So many seeds catch every mutant several times over."""
SAMPLE = 8
"""So many are played of what is right where time is short."""


def first_catch(name: str, seeds: int) -> tuple[int, set[str], list[str]]:
    """Return the first seed at which the promise that gives the mutant away is broken, and all that broke with it."""
    mutant = MUTANTS[name]
    for seed in range(seeds):
        found = mutant.play(seed)
        if mutant.caught & promises(found):
            return seed, promises(found), [str(one) for one in found][:5]
    return -1, set(), []


@pytest.mark.parametrize("name", [name for name, mutant in MUTANTS.items() if mutant.caught])
def test_a_mutant_is_caught(name: str, record_property: Callable[[str, object], None]) -> None:
    """The promise that it breaks is found broken, within a few runs of the same chance that the code survives."""
    seed, broken, lines = first_catch(name, ENOUGH)
    record_property("histogram", f"{name} {MUTANTS[name].title}: seed {seed} breaks {', '.join(sorted(broken))}")
    assert seed >= 0, f"{name} was not caught: {lines}"


def passes(title: str, seeds: range) -> None:
    """Play the variant with these seeds; nothing must be found."""
    variant = {**AS_IT_IS, **MUTANTS}[title]
    for seed in seeds:
        assert [str(one) for one in variant.play(seed)] == [], f"seed {seed} of {title}"


@pytest.mark.parametrize("title", [*AS_IT_IS, "M7"])
def test_what_is_right_passes(title: str) -> None:
    """The code as it is passes what catches the mutants; so does M7, whose late writes repeat what is there."""
    passes(title, range(SAMPLE))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("title", [*AS_IT_IS, "M7"])
def test_what_is_right_passes_for_long(title: str) -> None:
    """The same with many more seeds."""
    passes(title, range(SAMPLE, 800))
