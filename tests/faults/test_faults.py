"""Every API call of a rotation, a rollback, an adoption and a deletion meets every fault that fits it."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.faults import plan
from tests.faults.explore import Outcome, explore
from tests.faults.lives import LIVES
from tests.faults.matrix import MATRIX, Fault

pytestmark = [pytest.mark.kube, pytest.mark.exclusive]

SAMPLES = {
    "a rotation": (("rotation",), 200),
    "an undo, an adoption, deletions": (("rollback", "adoption", "deletion, Retain", "deletion, Revoke"), 210),
}
"""Lives that are explored together, and how many cases of them `make test` takes: two halves, side by side."""
PARTS = 6
SEED = int(os.environ.get("FAULTS_SEED", "4"))
Record = Callable[[str, object], None]


def _check(outcome: Outcome, record: Record, title: str) -> None:
    text = f"{title}\n{outcome.text()}"
    record("histogram", text)
    print(text)
    assert outcome.wrong == []
    assert outcome.unmet == []
    assert set(outcome.met) == set(outcome.chosen) - set(outcome.chance)


def _leaves_nothing_out(outcome: Outcome) -> None:
    calls = {(one.life, one.point) for one in outcome.whole} - {(one.life, one.point) for one in outcome.chance}
    assert {(one.life, one.point) for one in outcome.met} >= calls
    assert {(one.point.kind, one.fault) for one in outcome.met} == {
        (kind, fault) for kind, faults in MATRIX.items() for fault in faults
    }
    assert {one.fault for one in outcome.met} == set(Fault)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("title", [pytest.param(one, marks=pytest.mark.xdist_group(one)) for one in SAMPLES])
def test_a_sample_of_all_faults_breaks_no_promise(
    title: str, own: Cluster, tmp_path: Path, record_property: Record
) -> None:
    """Each call meets a fault, each fault a call of each kind; all end as if nothing had happened."""
    lives, size = SAMPLES[title]
    outcome = asyncio.run(explore(own, tmp_path, partial(plan.sample, size=size, seed=SEED), lives))
    _check(outcome, record_property, f"faults met by API calls of {title}, sample of seed {SEED} (FAULTS_SEED)")
    _leaves_nothing_out(outcome)
    assert len(outcome.met) >= size - len(outcome.chance)


def test_the_samples_are_of_all_lives() -> None:
    """None is left out, and together they are the 400 cases that are promised."""
    assert sorted(life for lives, _ in SAMPLES.values() for life in lives) == sorted(LIVES)
    assert sum(size for _, size in SAMPLES.values()) >= 400


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(PARTS))
def test_no_fault_at_any_call_breaks_a_promise(
    number: int, own: Cluster, tmp_path: Path, record_property: Record
) -> None:
    """Each call meets each fault that fits it; all end as if nothing had happened. The parts are the whole product."""
    outcome = asyncio.run(explore(own, tmp_path, partial(plan.part, number=number, of=PARTS)))
    _check(outcome, record_property, f"faults met by API calls, the full product, part {number + 1} of {PARTS}")
