"""The chart with two shards and two replicas: each has one, with the chart's rights, identity and fence."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.chart.deployed import Deployed, Replica, deployed, fenced
from tests.chart.helm import Helm
from tests.chart.sent import sent, verdict
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.history import recording
from tests.e2e.process import PATIENCE
from tests.e2e.reader import Reader
from tests.e2e.replicas import Waves, judge, population
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.xdist_group("chart"), pytest.mark.timeout(900)]

UNGATED = ("-m", "tests.e2e.ungated")
SHARDS = 2
NUMBER = 12
NAMES = [f"c{place:03}" for place in range(NUMBER)]
LONG = 3 * PATIENCE
VALUES = {
    "shards": SHARDS,
    "settings": {"leaseDuration": "4s", "leaseRenewDeadline": "3s", "leaseRetry": "500ms"},
}


@pytest.fixture
def release(helm: Helm, own_cluster: Cluster, own_reader: Reader, tmp_path: Path) -> Iterator[Deployed]:
    """Give a release with two shards; no operator runs yet."""
    with deployed(helm, own_cluster, own_reader, tmp_path, VALUES) as found:
        yield found


@pytest.fixture
def stages(release: Deployed) -> Iterator[list[Stage]]:
    """Give a namespace in each shard, with credentials; the policies know whose it is."""
    made = [release.fresh() for _ in range(SHARDS)]
    for shard, stage in enumerate(made):
        if shard:
            release.cluster.kubectl("label", "namespace", stage.namespace, f"rekey.dev/shard={shard}")
        release.hold("nobody-we-know", shard, stage.namespace)
        release.hold(release.replicas[0].pod, shard, stage.namespace)
        release.write_lease("", shard)
        stage.apply(*population(NUMBER, consumed=6))
    try:
        yield made
    finally:
        for one in release.replicas:
            one.operator.kill()
        for stage in made:
            release.cluster.kubectl("delete", "namespace", stage.namespace, "--wait=false")


def until_held(release: Deployed, *replicas: Replica) -> None:
    """Wait until these, and no others, have the shards, as many each."""
    pods = sorted(one.pod for one in replicas for _ in range(SHARDS // len(replicas)))
    until(
        lambda: sorted(release.holder(shard) for shard in range(SHARDS)) == pods,
        f"{', '.join(pods)} to have the shards",
        seconds=LONG,
    )


def until_settled(every: list[Waves]) -> None:
    """Wait until every credential in both shards has come as far as it was asked to."""
    until(lambda: all(waves.settled() for waves in every), "both shards to be served", seconds=LONG, every=0.5)


def rotate(every: list[Waves]) -> None:
    """Have every credential in both shards rotate."""
    for waves in every:
        waves.push()
    until_settled(every)


def assert_fenced_apart(release: Deployed, stages: list[Stage]) -> None:
    """See that in each shard nobody may write but who has its Lease."""
    for shard, stage in enumerate(stages):
        holder, lease = release.holder(shard), release.leases[shard]
        for one in release.replicas:
            said = fenced(one, stage.namespace)
            assert (f"Lease {lease} is held by {holder}" in said) == (one.pod != holder), said


def answers(release: Deployed, replica: Replica, before: int) -> dict[str, str]:
    """Return how its writes since then were answered, with the last such answer."""
    found = sent(release.cluster, replica.pod)[before:]
    return {verdict(one): one["responseStatus"].get("message", "") for one in found}


def test_each_replica_serves_its_shard_and_the_other_one_when_that_dies(
    release: Deployed, stages: list[Stage], record_property: Any
) -> None:
    """Both shards rotate under two replicas, under one when the other is killed, and under two when it is back."""
    first, second = release.replicas
    every = [Waves(stage) for stage in stages]
    with ExitStack() as stack:
        records = [stack.enter_context(recording(release.reader, stage.namespace)) for stage in stages]
        for one in release.replicas:
            one.operator.launch()
        until_held(release, first, second)
        until_settled(every)
        rotate(every)
        assert_fenced_apart(release, stages)

        first.operator.kill()
        until_held(release, second)
        rotate(every)
        assert_fenced_apart(release, stages)

        first.operator.launch()
        until_held(release, first, second)
        rotate(every)
        assert_fenced_apart(release, stages)
        for stage in stages:
            stage.until_condition(NAMES[0], "Fenced", "True", "Enforced")
    broken = [line for one in records for line in judge(one.history(), NAMES, every[0].done + 1)]
    assert broken == []
    for one in release.replicas:
        assert "rekey_fenced 1.0" in one.operator.metrics()
        assert one.operator.faults() == []
    record_property("shards", f"{SHARDS * NUMBER * every[0].done} rotations under the chart's fence, none made twice")


def test_a_stale_leader_is_refused_by_the_lease_of_its_shard(
    release: Deployed, stages: list[Stage], record_property: Any
) -> None:
    """It wakes up without its own gate: what it begins in its shard is refused, and the refusal names that Lease."""
    every = [Waves(stage) for stage in stages]
    stale, other = release.replicas
    ungated = stale.operator.another("stale", UNGATED)
    try:
        ungated.launch()
        other.operator.launch()
        until_held(release, stale, other)
        until_settled(every)
        # Who has a Lease acts only once it has learned what is there: this rotation shows that it does.
        rotate(every)
        (shard,) = (shard for shard in range(SHARDS) if release.holder(shard) == stale.pod)
        ungated.send(signal.SIGSTOP)
        until_held(release, other)
        rotate(every)
        # From here on the Leases are the other one's whatever happens, and nobody does the work.
        other.operator.stop()
        for number, stage in enumerate(stages):
            release.hold(other.pod, number, stage.namespace)
        before = len(sent(release.cluster, stale.pod))
        every[shard].push()
        ungated.send(signal.SIGCONT)

        until(lambda: "fenced" in answers(release, stale, before), "a write that is refused", seconds=LONG)
        found = answers(release, stale, before)
        assert "taken" not in found
        assert f"Lease {release.leases[shard]} is held by {other.pod}" in found["fenced"]
        record_property("refused", f"writes of a stale leader, by its shard's Lease: {found['fenced']}")
    finally:
        ungated.kill()
    for number in range(SHARDS):
        release.write_lease("", number)
    other.operator.launch()
    until_settled(every)
