"""The operator's Secrets and the kit: twenty clients call a real service through rotations, and none is refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.callers import GENERATES, Callers, both_sides, calling, told
from tests.e2e.conftest import Opening
from tests.e2e.projected import projected
from tests.e2e.stage import Stage
from tests.kit.rotating import Kind

pytestmark = [pytest.mark.kube, pytest.mark.timeout(1800)]

# Clients hear of a change half a second late, verifiers nearly as late as they may.
LATE, LATER = 0.5, 0.9
OVERLAP = {"duration": "1s", "propagation": "1s"}
LENGTHS = [
    pytest.param(3, 1_000, id="3 rotations, 1000 requests"),
    pytest.param(100, 50_000, id="100 rotations, 50000 requests", marks=pytest.mark.slow),
]


@contextmanager
def working(stage: Stage, kind: Kind, directory: Path) -> Iterator[Callers]:
    """Have version 1 made and used."""
    stage.apply(both_sides(kind, overlap=OVERLAP))
    stage.until_states(kind, {1: "Active"})
    with ExitStack() as stack:
        ours = stack.enter_context(projected(stage, told(kind), directory / "verifier", LATER))
        theirs = stack.enter_context(projected(stage, kind, directory / "bundle", LATE))
        yield stack.enter_context(calling(kind, ours, theirs))


def rotate(stage: Stage, kind: Kind, number: int) -> None:
    """Have the next version made, and the one before it revoked."""

    def is_over() -> bool:
        status = stage.status(kind)
        return status.get("currentVersion") == number and "rotation" not in status

    stage.trigger(kind, f"to-{number}")
    stage.until(is_over, f"version {number} of {kind} to be the only one")


@pytest.mark.parametrize("kind", GENERATES)
@pytest.mark.parametrize(("rotations", "requests"), LENGTHS)
def test_no_request_is_refused(
    opening: Opening,
    kind: Kind,
    rotations: int,
    requests: int,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Clients that do not try twice: the server counts accepted requests and nothing else."""
    with opening() as stage, working(stage, kind, tmp_path) as callers:
        for number in range(2, rotations + 2):
            rotate(stage, kind, number)
            callers.crowd.wait_for_total(requests * (number - 1) // rotations)
        callers.crowd.stop.set()
    record_property("histogram", f"{rotations} rotations, {callers.sent()} requests with {kind}: {callers.counted()}")
    assert callers.counted() == {"accepted": callers.sent()}
    assert callers.answers() == {200}
    assert callers.sent() >= requests


@pytest.mark.parametrize("kind", GENERATES)
def test_without_the_first_step_requests_are_refused(opening: Opening, kind: Kind, tmp_path: Path) -> None:
    """The same under an operator that tells verifiers last: what their step is for, and that the test can fail."""
    program = ("-m", "tests.e2e.users_first")
    with opening(program=program) as stage, working(stage, kind, tmp_path) as callers:
        rotate(stage, kind, 2)
    assert callers.counted()["unknown"] > 0
    assert 401 in callers.answers()
