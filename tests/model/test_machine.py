"""Whatever is done to credentials on a real API server, in whatever order, the promises hold.

The seed is printed; `REKEY_MODEL_SEED=<seed>` plays the same steps again (what happens between them is the servers'
business, so a failure may need more than one try; the history of the failure is kept and named).
"""

import os
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.cluster.handle import Cluster
from tests.e2e.reader import Reader
from tests.e2e.stage import Stage
from tests.model import recorded
from tests.model.checker import Violation
from tests.model.machine import Machine, Place

pytestmark = pytest.mark.kube
USUAL = 20261121


def play(place: Place, number: int, examples: int, steps: int) -> None:
    """Play so many examples of so many steps, by the chance of that seed."""

    @seed(number)
    class Here(Machine):
        """The machine at this place."""

    Here.place = place
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            # Each example takes many seconds, and what fails does not fail again for certain: nothing is shrunk.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def place(prepared: Cluster, reader: Reader, tmp_path: Path, record_property: Callable[[str, object], None]) -> Place:
    """Give the place where examples are played; what each came to is told at the end."""
    done: Counter[str] = Counter()

    def folder() -> Path:
        found = tmp_path / secrets.token_hex(4)
        found.mkdir()
        return found

    def tell(stage: Stage, machine: Machine, found: list[Violation]) -> None:
        done.update(step.split()[0] for step in machine.steps)
        done["examples"] += 1
        done["refused by the API server"] += len(machine.hand.refusals)
        record_property("histogram", ", ".join(f"{count} {what}" for what, count in sorted(done.items())))
        if found or stage.operator.faults():
            kept = recorded.keep(machine.recorder.history(), Path("build/model") / f"{stage.namespace}.json")
            steps = "\n".join(machine.steps)
            lines = "\n".join([*map(str, found), *stage.operator.faults()])
            pytest.fail(f"broken:\n{lines}\nafter:\n{steps}\nthe history is in {kept}", pytrace=False)

    return Place(prepared, reader, folder, tell)


@pytest.mark.timeout(900)
def test_the_promises_hold_whatever_is_done(place: Place, record_property: Callable[[str, object], None]) -> None:
    """A few examples, the same in every run."""
    number = int(os.environ.get("REKEY_MODEL_SEED", USUAL))
    record_property("histogram", f"seed {number}")
    play(place, number, examples=3, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_promises_hold_whatever_is_done_for_long(
    place: Place, record_property: Callable[[str, object], None]
) -> None:
    """Many examples, others in every run."""
    number = int(os.environ.get("REKEY_MODEL_SEED", secrets.randbelow(10**9)))
    record_property("histogram", f"seed {number}")
    print(f"REKEY_MODEL_SEED={number}")
    play(place, number, examples=40, steps=40)
