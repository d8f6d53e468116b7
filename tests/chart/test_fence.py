"""A leader that was frozen wakes up with its own gate taken out: what it sends is refused by the API server.

That the gate holds as shipped is shown in tests/e2e/test_leaders.py: there it sends nothing.
"""

import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chart.deployed import Deployed, deployed
from tests.chart.helm import Helm
from tests.chart.sent import sent, verdict
from tests.cluster.handle import Cluster
from tests.e2e.history import recording
from tests.e2e.process import Operator
from tests.e2e.reader import Reader
from tests.e2e.replicas import Waves, population
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("chart"), pytest.mark.timeout(600)]

UNGATED = ("-m", "tests.e2e.ungated")
NUMBER = 24
QUICK = {"leaseDuration": "3s", "leaseRenewDeadline": "2s", "leaseRetry": "500ms"}


@pytest.fixture
def release(helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path: Path) -> Iterator[Deployed]:
    """Give a release of its own, with a quick Lease."""
    with deployed(helm, own_cluster, own_reader, tmp_path, {"settings": QUICK}) as found:
        yield found


@dataclass(frozen=True)
class Awake:
    """What a frozen leader met when it woke up, and where."""

    stage: Stage
    waves: Waves
    stale: Operator
    before: int
    pod: str

    def answers(self) -> Counter[str]:
        """Return how its writes since then were answered."""
        return Counter(map(verdict, sent(self.stage.cluster, self.pod)[self.before :]))


@contextmanager
def frozen(release: Deployed) -> Iterator[tuple[Stage, Waves, Operator, Operator]]:
    """Give a leader without a gate that is frozen in the middle of its rotations, which another has ended."""
    name = f"frozen-{secrets.token_hex(3)}"
    release.cluster.kubectl("create", "namespace", name)
    first, second = release.replicas[:2]
    stale, other = first.operator.another("stale", UNGATED), second.operator
    stage = Stage(release.cluster, release.reader, name, other)
    waves = Waves(stage)
    stage.apply(*population(NUMBER, consumed=8))
    stale.launch()
    try:
        stage.until(waves.settled, "the first versions")
        other.launch()
        stage.until(lambda: other.said("standing by"), "a standby")
        before = len(sent(release.cluster, first.pod))
        waves.push()
        stage.until(lambda: len(sent(release.cluster, first.pod)) >= before + 15, "the rotations to be under way")
        stale.send(signal.SIGSTOP)
        stage.until(waves.settled, "the rotations to be ended by the other", 180)
        assert release.holder() == second.pod
        yield stage, waves, stale, other
    finally:
        stale.kill()
        other.stop()
        release.cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_the_policy_refuses_a_stale_leader(release: Deployed, record_property: Any) -> None:
    """Of all that it sends when it wakes nothing is taken, and at least one write is refused by the fence itself."""
    with frozen(release) as (stage, waves, stale, other), recording(release.reader, stage.namespace) as recorder:
        pod = release.replicas[0].pod
        before = len(sent(release.cluster, pod))
        waves.push()
        stale.send(signal.SIGCONT)
        awake = Awake(stage, waves, stale, before, pod)
        stage.until(lambda: awake.answers()["fenced"], "a write that is refused")
        stage.until(waves.settled, "the next rotations to be ended by who leads", 180)
        waves.push()
        stage.until(waves.settled, "one more wave", 180)
        answers = awake.answers()
        record_property("answers", f"writes of the stale leader after SIGCONT: {dict(answers)}")
        print(dict(answers))
        assert answers["taken"] == 0
        assert answers["fenced"] >= 1
        assert judge_since(recorder.history(), waves) == []
        assert other.faults() == []


def judge_since(history: Any, waves: Waves) -> list[str]:
    """Return what was broken in the waves that were recorded."""
    broken = []
    for place in range(NUMBER):
        made = {number: times for number, times in history.made(f"c{place:03}").items() if number > 2}
        if made != dict.fromkeys(range(3, waves.done + 2), 1):
            broken.append(f"c{place:03}: versions were made so often: {made}")
    return broken


def test_resource_versions_refuse_what_the_policy_lets_pass(release: Deployed, record_property: Any) -> None:
    """The Lease names the frozen one again when it wakes (ABA): its old writes pass the fence and meet a conflict."""
    with frozen(release) as (stage, waves, stale, other):
        pod = release.replicas[0].pod
        other.stop()
        before = len(sent(release.cluster, pod))
        release.hold(pod)
        stale.send(signal.SIGCONT)
        awake = Awake(stage, waves, stale, before, pod)
        stage.until(lambda: awake.answers()["conflict"], "a write that meets a conflict")
        answers = awake.answers()
        record_property("answers", f"writes of the stale leader that leads again: {dict(answers)}")
        print(dict(answers))
        assert answers["fenced"] == 0
        waves.push()
        stage.until(waves.settled, "it to go on as the leader that it is", 180)
