"""Every API call of a rotation, a rollback, an adoption and a deletion meets every fault that fits it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.faults.explore import Outcome, explore
from tests.faults.matrix import MATRIX, Fault

pytestmark = [pytest.mark.kube, pytest.mark.exclusive]

SIZE = 410
SEED = int(os.environ.get("FAULTS_SEED", "4"))
Record = Callable[[str, object], None]


def _check(outcome: Outcome, record: Record, title: str) -> None:
    text = f"{title}\n{outcome.text()}"
    record("histogram", text)
    print(text)
    assert outcome.wrong == []
    assert outcome.unmet == []
    assert {(one.life, one.point) for one in outcome.met} == {(one.life, one.point) for one in outcome.whole}
    assert {(one.point.kind, one.fault) for one in outcome.met} == {
        (kind, fault) for kind, faults in MATRIX.items() for fault in faults
    }
    assert {one.fault for one in outcome.met} == set(Fault)


@pytest.mark.timeout(900)
def test_a_sample_of_all_faults_breaks_no_promise(own: Cluster, tmp_path: Path, record_property: Record) -> None:
    """Each call meets a fault, each fault a call of each kind; all end as if nothing had happened."""
    outcome = asyncio.run(explore(own, tmp_path, SIZE, SEED))
    _check(outcome, record_property, f"faults met by API calls, sample of seed {SEED} (FAULTS_SEED)")
    assert len(outcome.met) >= 400


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_fault_at_any_call_breaks_a_promise(own: Cluster, tmp_path: Path, record_property: Record) -> None:
    """Each call meets each fault that fits it; all end as if nothing had happened."""
    outcome = asyncio.run(explore(own, tmp_path, None, SEED))
    _check(outcome, record_property, "faults met by API calls, the full product")
    assert len(outcome.met) == len(outcome.whole)
