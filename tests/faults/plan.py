"""Which fault meets which call: the full product, and a sample that leaves out no call and no fault."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from tests.faults.calls import AGAIN, Point
from tests.faults.matrix import CRASHES, MATRIX, Fault, Kind


@dataclass(frozen=True)
class Plan:
    """One case to be: a fault at a call of a life."""

    life: str
    point: Point
    fault: Fault

    def __str__(self) -> str:
        return f"{self.life}: {self.fault} at {self.point}"


def stable(runs: Iterable[Iterable[Point]]) -> list[Point]:
    """Return the calls that every run without faults made; polls beyond the second are taken for it."""
    common = set.intersection(*(set(run) for run in runs))
    # A second list is the comparison of lists, which comes when it is time.
    often = {Kind.READ: AGAIN, Kind.LIST: 1}
    return sorted(one for one in common if one.nth <= often.get(one.kind, one.nth))


def product(points: Mapping[str, Iterable[Point]]) -> list[Plan]:
    """Return every call with every fault that fits it."""
    return [Plan(life, point, fault) for life, ones in points.items() for point in ones for fault in MATRIX[point.kind]]


def sample(whole: list[Plan], size: int, seed: int) -> list[Plan]:
    """Return at least that many of them: every call, and every fault at every kind of call, at least once."""
    dice = random.Random(seed)  # noqa: S311  # repeatable is what it must be
    shuffled = list(whole)
    dice.shuffle(shuffled)
    seen: set[object] = set()
    first: list[Plan] = []
    rest: list[Plan] = []
    for one in shuffled:
        new = {(one.life, one.point), (one.point.kind, one.fault)} - seen
        seen |= new
        (first if new else rest).append(one)
    return first + rest[: max(0, size - len(first))]


def part(whole: list[Plan], number: int, of: int) -> list[Plan]:
    """Return one of so many parts: a case is in the same one whichever other cases there are."""
    return [one for one in whole if crc32(str(one).encode()) % of == number]


def histogram(plans: Iterable[Plan]) -> str:
    """Return a table: how often each fault met each sort of call."""
    counts: Counter[tuple[str, Fault]] = Counter()
    for one in plans:
        counts[_sort(one), one.fault] += 1
    sorts = sorted({sort for sort, _ in counts})
    width = max(map(len, sorts), default=0)
    keys = [f"{letter}: {fault}" for letter, fault in zip(_LETTERS, Fault, strict=False)]
    head = " " * width + "".join(f"{letter:>5}" for letter, _ in zip(_LETTERS, Fault, strict=False)) + "   all"
    rows = [
        f"{sort:{width}}" + "".join(f"{counts[sort, fault] or '.':>5}" for fault in Fault) + f"{_total(counts, sort):6}"
        for sort in sorts
    ]
    last = f"{'all':{width}}" + "".join(f"{sum(counts[sort, one] for sort in sorts):5}" for one in Fault)
    return "\n".join([", ".join(keys), head, *rows, f"{last}{counts.total():6}"])


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _sort(one: Plan) -> str:
    """Return verb and resource of a call; of Events the reasons are told apart elsewhere."""
    return " ".join(one.point.label.split(" ")[:2])


def _total(counts: Counter[tuple[str, Fault]], sort: str) -> int:
    return sum(number for (one, _), number in counts.items() if one == sort)


def batches(plans: Iterable[Plan], sizes: Mapping[str, int]) -> list[tuple[str, list[Plan]]]:
    """Return the cases by the operator that they need, in batches of at most that size."""
    sorted_out: dict[str, list[Plan]] = {name: [] for name in sizes}
    for one in plans:
        sorted_out[needs(one.fault)].append(one)
    return [
        (name, ones[start : start + sizes[name]])
        for name, ones in sorted_out.items()
        for start in range(0, len(ones), sizes[name])
    ]


def needs(fault: Fault) -> str:
    """Return which operator a fault needs."""
    if fault in CRASHES:
        return "mortal"
    return {Fault.SILENT: "impatient", Fault.INVALID: "curious"}.get(fault, "plain")
