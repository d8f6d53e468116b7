"""What is no call of a life after all: a read that came by chance in every run without faults."""

from collections import Counter

import pytest

from tests.faults.calls import Point
from tests.faults.explore import Outcome
from tests.faults.matrix import Fault, Kind
from tests.faults.plan import Plan

ELSEWHERE = Point(Kind.WRITE, "create secrets web-v2", "Issuing", 1)
FOUND = {
    "a read that came in every life with a fault elsewhere": (Kind.READ, 20, False),
    "a read that came in most of them": (Kind.READ, 11, False),
    "a read that came in few of them": (Kind.READ, 3, True),
    "news that came in none of them": (Kind.NEWS, 0, True),
    "a write that came in none of them": (Kind.WRITE, 0, False),
    "an Event that came in few of them": (Kind.EVENT, 3, False),
}


@pytest.mark.parametrize("what", FOUND)
def test_it_is_by_chance_if_it_seldom_comes(what: str) -> None:
    """Of twenty lives with a fault elsewhere; lives with a fault at the call itself do not count."""
    kind, came, by_chance = FOUND[what]
    point = Point(kind, "it", "RollingOut", 2)
    lived = Counter({("rotation", point): 60, ("rotation", ELSEWHERE): 20, ("rollback", ELSEWHERE): 500})
    outcome = Outcome(lived=lived, seen=Counter({("rotation", point): came, ("rollback", point): 500}))
    assert outcome.came_by_chance(Plan("rotation", point, Fault.CRASH_AFTER)) is by_chance
