"""Nobody is refused through rotations, as long as verifiers hear of a version before anyone uses it."""

from pathlib import Path

import pytest

from tests.kit.rotating import Kind, rotating

KINDS: list[Kind] = ["tokens", "jwts"]
LENGTHS = [
    pytest.param(20, 2_000, id="20 rotations, 2000 requests"),
    pytest.param(100, 20_000, id="100 rotations, 20000 requests", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rotations", "requests"), LENGTHS)
def test_no_request_is_refused(kind: Kind, rotations: int, requests: int, tmp_path: Path) -> None:
    """Twenty clients that do not try twice: the server counts accepted requests and nothing else."""
    with rotating(tmp_path, kind, clients=20) as run:
        for new in range(2, rotations + 2):
            run.rotate(new - 1, new, verifier_first=True)
            run.crowd.wait_for_total(requests * (new - 1) // rotations)
        run.crowd.stop.set()
    assert run.verifier.counters.by_reason() == {"accepted": sum(run.crowd.sent)}
    assert set().union(*run.crowd.statuses) == {200}
    assert sum(run.crowd.sent) >= requests


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_first_step_requests_are_refused(kind: Kind, tmp_path: Path) -> None:
    """The same with verifiers told last: what the order of the steps is for, and that the test above can fail."""
    with rotating(tmp_path, kind, clients=20) as run:
        for new in range(2, 4):
            run.rotate(new - 1, new, verifier_first=False)
    assert run.verifier.counters.by_reason()["unknown"] > 0
    assert 401 in set().union(*run.crowd.statuses)
