"""Several operators at once: one acts, and whoever stops, freezes or dies, nothing is lost and nothing done twice."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import choose
from tests.cluster.handle import Cluster
from tests.cluster.options import Options
from tests.e2e.conftest import Opening, prepare
from tests.e2e.history import recording
from tests.e2e.process import PATIENCE
from tests.e2e.reader import reading
from tests.e2e.replicas import (
    QUICK_LEASE,
    Replica,
    Waves,
    freeze,
    judge,
    leader,
    population,
    running,
    spec,
    storm,
    thaw,
    until_leads,
)
from tests.e2e.stage import Stage, opened

pytestmark = pytest.mark.kube

WRITES = {"create", "update", "patch", "delete"}
LONG_AGO = datetime.min.replace(tzinfo=UTC)
Told = Callable[[str, object], None]


def test_who_stops_hands_over(opening: Opening, record_property: Told) -> None:
    """With the Lease as shipped a leader that is told to stop is followed at once, not when its Lease runs out."""
    with opening(running=False) as stage, running(stage, 2) as replicas:
        stage.apply(*population(2, consumed=2))
        waves = Waves(stage)
        stage.until(waves.settled, "the first versions")
        first = until_leads(stage, replicas)
        second = next(one for one in replicas if one is not first)
        stage.until(lambda: second.operator.said("standing by"), "a standby")
        first.operator.stop()
        waves.push()
        stage.until(waves.settled, "a rotation by the successor")
        assert leader(stage, replicas) is second
        assert spec(stage)["leaseTransitions"] == 2
        gap = _moment(second, "acting") - _moment(first, "the Lease is given back")
        record_property("gap", f"given back to acting: {gap.total_seconds():.2f} s (asked for: 3 s)")
        assert [one.operator.faults() for one in replicas] == [[], []]


def _moment(replica: Replica, message: str) -> datetime:
    line = next(line for line in reversed(replica.operator.lines()) if line["message"] == message)
    return datetime.fromisoformat(line["time"])


@pytest.fixture
def audited(cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster of our own that writes down who asked for what."""
    if cluster.backend == choose.GIVEN:
        pytest.skip("the API server of a cluster that is given keeps no audit log for us")
    with choose.start(tmp_path / "cluster", Options(audit="Metadata")) as found:
        yield prepare(found)


class Audit:
    """What the API server wrote down of one token."""

    def __init__(self, cluster: Cluster, token: str) -> None:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self._log = cluster.directory / "audit.log"
        self._id = f"JTI={claims['jti']}"

    def writes(self, since: datetime = LONG_AGO) -> list[str]:
        """Return its writes, but those of Leases, by when their first byte came: verb, resource, name and answer.

        One that was cut in two by a stop is answered (504) when the other end wakes and hangs up.
        """
        found = []
        for line in self._log.read_text().splitlines():
            event = json.loads(line) if line.endswith("}") else {}
            ids = event.get("user", {}).get("extra", {}).get("authentication.kubernetes.io/credential-id", ())
            about = event.get("objectRef", {})
            if self._id not in ids or datetime.fromisoformat(event["requestReceivedTimestamp"]) < since:
                continue
            if event["verb"] in WRITES and about.get("namespace") and about["resource"] != "leases":
                code = event.get("responseStatus", {}).get("code")
                found.append(f"{event['verb']} {about['resource']} {about.get('name')}: {code}")
        return found


@contextmanager
def frozen(
    stage: Stage, program: tuple[str, ...] | None, lasts: timedelta = timedelta()
) -> Iterator[tuple[Replica, Audit, datetime]]:
    """Give a leader that was stopped in the middle of forty rotations, which another ended, and runs again; since when.

    Its program is another one if that is given; `lasts`: for how long it is stopped at least.
    """
    stale = Replica("stale", stage.operator.another("stale", program))
    audit = Audit(stage.cluster, with_own_token(stage, stale))
    waves = Waves(stage)
    stage.apply(*population(40, consumed=8))
    stale.launch()
    try:
        stage.until(waves.settled, "the first versions")
        with running(stage, 1) as [other]:
            stage.until(lambda: other.operator.said("standing by"), "a standby")
            assert leader(stage, [stale]) is stale
            before = len(audit.writes())
            waves.push()
            stage.until(lambda: len(audit.writes()) >= before + 20, "the rotations to be under way")
            freeze(stale)
            since = datetime.now(UTC)
            stage.until(waves.settled, "the rotations to be ended by the other")
            assert leader(stage, [other]) is other
            stage.until(lambda: datetime.now(UTC) >= since + lasts, "the stop to last", seconds=PATIENCE + 60)
            waves.push()
            stage.until(lambda: _under_way(stage), "the next rotations to be under way")
            woken = datetime.now(UTC)
            thaw(stale)
            yield stale, audit, woken
            stage.until(waves.settled, "the next rotations to be ended")
            assert other.operator.faults() == []
    finally:
        stale.kill()


def _under_way(stage: Stage) -> bool:
    return any("rotation" in (one.get("status") or {}) for one in stage.all("rotatedcredentials"))


def with_own_token(stage: Stage, replica: Replica) -> str:
    """Have the replica log in with a token of its own; return that."""
    token = stage.kubectl("-n", "default", "create", "token", f"rekey-{stage.namespace}", "--duration=2h").strip()
    config: dict[str, Any] = yaml.safe_load(stage.operator.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = stage.operator.kubeconfig.with_name("stale.kubeconfig")
    path.write_text(yaml.safe_dump(config))
    replica.operator.vary(KUBECONFIG=str(path))
    return token


FREEZES = {
    "a short lease": (QUICK_LEASE, timedelta()),
    "as shipped, for a minute": ({}, timedelta(seconds=60)),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "case", [pytest.param(one, marks=[] if settings else pytest.mark.slow) for one, (settings, _) in FREEZES.items()]
)
def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes(
    case: str, audited: Cluster, tmp_path: Path, record_property: Told
) -> None:
    """Stopped in the middle of forty rotations and woken in the next forty: not one write, by the audit log."""
    settings, lasts = FREEZES[case]
    with (
        reading(audited) as reader,
        opened(audited, reader, tmp_path, settings) as stage,
        recording(reader, stage.namespace) as recorder,
    ):
        with frozen(stage, None, lasts) as (stale, audit, woken):
            stage.until(lambda: stale.operator.said("standing by"), "the woken one to see who leads")
        after = audit.writes(woken)
        record_property("writes", f"{len(audit.writes()) - len(after)} before, {len(after)} after SIGCONT")
        assert after == [], woken
        assert judge(recorder.history(), [f"c{place:03}" for place in range(40)], 3) == []
        assert stale.operator.faults() == []


@pytest.mark.timeout(600)
def test_without_the_gate_it_would_write(audited: Cluster, tmp_path: Path, record_property: Told) -> None:
    """The same process with its gate taken out does write: what the test above counts can be counted."""
    with reading(audited) as reader, opened(audited, reader, tmp_path, QUICK_LEASE) as stage:
        with frozen(stage, ("-m", "tests.e2e.ungated")) as (_, audit, woken):
            stage.until(lambda: audit.writes(woken) != [], "a write that nobody should send")
        record_property("writes", "; ".join(audit.writes(woken)[:10]))


def besieged(stage: Stage, number: int, seconds: float, every: tuple[float, float]) -> str:
    """Kill leaders for so long while so many credentials rotate; judge all that happened, and say it in a line."""
    names = [f"c{place:03}" for place in range(number)]
    waves = Waves(stage)
    with recording(stage.reader, stage.namespace) as recorder, running(stage, 3) as replicas:
        stage.apply(*population(number, consumed=10))
        until_leads(stage, replicas)
        kills = storm(stage, replicas, waves, seconds, every)
        stage.until(waves.settled, "every rotation to complete", 3 * PATIENCE)
        waves.push()
        stage.until(waves.settled, "one more rotation in peace", 3 * PATIENCE)
        terms = spec(stage)["leaseTransitions"]
        history = recorder.history()
        broken = judge(history, names, waves.done + 1)
        assert broken == []
        assert [one.operator.faults() for one in replicas] == [[]] * 3
    rotations = number * waves.done
    return (
        f"{kills} leaders killed, {terms} terms, {rotations} rotations of {number} credentials, 0 versions made twice"
    )


@pytest.mark.timeout(600)
def test_leaders_are_killed_and_every_rotation_completes(opening: Opening, record_property: Told) -> None:
    """Three replicas, forty credentials, half a minute: no version is made twice, nobody locked out, all complete."""
    with opening(running=False, settings=QUICK_LEASE) as stage:
        record_property("storm", besieged(stage, 40, 30, (1.0, 4.0)))


@pytest.mark.slow
@pytest.mark.exclusive
@pytest.mark.timeout(1500)
def test_leaders_are_killed_for_three_minutes(opening: Opening, record_property: Told) -> None:
    """Three replicas, two hundred credentials, kill -9 of the leader every five seconds for three minutes."""
    with opening(running=False, settings=QUICK_LEASE) as stage:
        line = besieged(stage, 200, 180, (5.0, 5.0))
        print(line)
        record_property("storm", line)
