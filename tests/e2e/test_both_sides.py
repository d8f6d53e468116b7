"""The operator's Secrets and the kit: twenty clients call a real service through rotations, and none is refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rekey_client import Directories, Token, Verifier
from rekey_client.credentials import Credential
from rekey_client.httpx_auth import RekeyAuth
from rekey_client.signing import Claims, Signed
from tests.e2e.conftest import Opening
from tests.e2e.manifests import credential
from tests.e2e.projected import projected
from tests.e2e.stage import Stage
from tests.kit.rotating import Crowd, Kind, serving

pytestmark = [pytest.mark.kube, pytest.mark.timeout(1800)]

CLIENTS = 20
# Clients hear of a change half a second late, verifiers nearly as late as they may.
LATE, LATER = 0.5, 0.9
OVERLAP = {"duration": "1s", "propagation": "1s"}
GENERATES: dict[Kind, tuple[dict[str, Any], str]] = {
    "tokens": ({"token": {"prefix": "rk_"}}, "SHA256"),
    "jwts": ({"signingKey": {"algorithm": "ES256"}}, "JWKS"),
}
LENGTHS = [
    pytest.param(3, 1_000, id="3 rotations, 1000 requests"),
    pytest.param(100, 50_000, id="100 rotations, 50000 requests", marks=pytest.mark.slow),
]


@dataclass
class Both:
    """A credential, those who call with it, and who checks them."""

    stage: Stage
    name: str
    verifier: Verifier
    crowd: Crowd

    def rotate(self, number: int) -> None:
        """Have the next version made, and the one before it revoked."""
        self.stage.trigger(self.name, f"to-{number}")
        self.stage.until(lambda: self._is_over(number), f"version {number} to be the only one")

    def _is_over(self, number: int) -> bool:
        status = self.stage.status(self.name)
        return status.get("currentVersion") == number and "rotation" not in status


@contextmanager
def working(stage: Stage, kind: Kind, directory: Path, pause: float) -> Iterator[Both]:
    """Have version 1 made and used."""
    generate, form = GENERATES[kind]
    name, told = kind, f"{kind}-verifier"
    verifier = {"secretName": told, "format": form, "audience": ["api"]}
    stage.apply(credential(name, generate=generate, overlap=OVERLAP, verifier=verifier))
    stage.until_states(name, {1: "Active"})
    with ExitStack() as stack:
        ours = stack.enter_context(projected(stage, told, directory / "verifier", LATER))
        theirs = stack.enter_context(projected(stage, name, directory / "bundle", LATE))
        checks = Verifier(Directories([ours], every=0.05), audience="api")
        shows: Credential = Token(theirs, every=0.05) if kind == "tokens" else Signed(theirs, Claims("api"), every=0.05)
        url = stack.enter_context(serving(checks))
        crowd = Crowd(url, RekeyAuth(shows, retry=False), [0] * CLIENTS, [set() for _ in range(CLIENTS)], pause=pause)
        stack.enter_context(crowd.working())
        yield Both(stage, name, checks, crowd)


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
    with opening() as stage, working(stage, kind, tmp_path, pause=0.05) as both:
        for number in range(2, rotations + 2):
            both.rotate(number)
            both.crowd.wait_for_total(requests * (number - 1) // rotations)
        both.crowd.stop.set()
    sent = sum(both.crowd.sent)
    record_property(
        "histogram", f"{rotations} rotations, {sent} requests with {kind}: {both.verifier.counters.by_reason()}"
    )
    assert both.verifier.counters.by_reason() == {"accepted": sent}
    assert set().union(*both.crowd.statuses) == {200}
    assert sent >= requests


@pytest.mark.parametrize("kind", GENERATES)
def test_without_the_first_step_requests_are_refused(opening: Opening, kind: Kind, tmp_path: Path) -> None:
    """The same under an operator that tells verifiers last: what their step is for, and that the test can fail."""
    program = ("-m", "tests.e2e.users_first")
    with opening(program=program) as stage, working(stage, kind, tmp_path, pause=0.05) as both:
        both.rotate(2)
    assert both.verifier.counters.by_reason()["unknown"] > 0
    assert 401 in set().union(*both.crowd.statuses)
