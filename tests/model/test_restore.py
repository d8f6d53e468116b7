"""etcd is restored from an older snapshot, under a running operator: what may come of it, and what must.

What the API server stores is put back with everything else: Secrets, ledgers, templates, pods. So the copy and what
followed make one history, in which all promises hold as if nothing had been undone (`undone.py`), although the operator
runs on and remembers it. What containers read meanwhile cannot be put back: that is no promise (docs/promises.md).
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.cluster import choose, snapshot
from tests.cluster.choose import BUILT
from tests.cluster.options import Options
from tests.cluster.waiting import TimedOut
from tests.e2e.conftest import prepare
from tests.e2e.history import History, Recorder, recording
from tests.e2e.manifests import consumer, credential, workload
from tests.e2e.reader import reading
from tests.e2e.stage import Stage, opened
from tests.model import recorded
from tests.model.checker import judge
from tests.model.hand import Hand
from tests.model.machine import SETTINGS
from tests.model.undone import from_the_first_answer, joined

pytestmark = [pytest.mark.kube, pytest.mark.exclusive, pytest.mark.slow]
MOMENTS = {"calm": {"duration": "1s"}, "open": {"duration": "6s"}, "plain": {"duration": "1s"}}
# The servers stop twice, and each takes a while to notice that the others are back.
PATIENCE = 240.0
DONE = {1: "Revoked", 2: "Active"}


@pytest.mark.timeout(600)
def test_a_restored_etcd_brings_no_operator_down(tmp_path: Path) -> None:
    """Credentials that had rotated since come to rest again, rotate on, and break no promise in all their history."""
    if choose.backend({}, choose.docker_answers) != BUILT:
        pytest.skip("etcd is not ours to stop: the cluster is not made of local servers")
    settings = {**SETTINGS, "REKEY_RESYNC_INTERVAL": "2s"}
    with (
        choose.start(tmp_path / "cluster", Options()) as cluster,
        reading(prepare(cluster)) as reader,
        opened(cluster, reader, tmp_path, settings=settings) as stage,
    ):
        with recording(reader, stage.namespace) as before:
            kept = _overlapping(stage)
        stage.trigger("calm")
        for name in ("calm", "open"):
            stage.until_states(name, DONE, PATIENCE)
        with closing(_restored(stage, kept)) as after:
            _goes_on(stage, Hand(reader.socket, stage.namespace, after.hands))
            _keeps_all_promises(stage, lambda: joined(before.told(), after.history(), after.listed))


def _overlapping(stage: Stage) -> Path:
    """Have two credentials at rest and one with two accepted versions; return a copy of that moment."""
    stage.apply(workload("web", "calm", replicas=1))
    apps = {"calm": [consumer("web")], "open": [], "plain": []}
    stage.apply(*[credential(name, overlap=part, consumers=apps[name]) for name, part in MOMENTS.items()])
    stage.operator.start()
    for name in MOMENTS:
        stage.until_states(name, {1: "Active"})
    stage.until_old("web")
    stage.trigger("open")
    stage.until(lambda: stage.states("open") == {1: "Retiring", 2: "Active"}, "an overlap")
    return snapshot.save(stage.cluster, "before")


def _restored(stage: Stage, kept: Path) -> Recorder:
    """Put the copy back; return the record of all that follows."""
    with ThreadPoolExecutor(1) as pool:
        records: list[Future[Recorder]] = []

        def begin() -> None:
            records.append(pool.submit(from_the_first_answer, stage.reader, stage.namespace))

        snapshot.restore(stage.cluster, kept, begin)
        return records[0].result()


def _goes_on(stage: Stage, hand: Hand) -> None:
    """See that all comes to rest, and that each can be rotated again."""
    stage.until_states("open", DONE, PATIENCE)
    for name in ("calm", "plain"):
        assert stage.states(name)[1] in {"Active", "Retiring", "Revoked"}
    stage.until_ready("web")
    for name in MOMENTS:
        hand.patch("rotatedcredentials", name, {"spec": {"rotation": {"trigger": "after"}}})
    for name in MOMENTS:
        stage.until(partial(_is_done, stage, name), f"{name} to rotate after the restore", PATIENCE)


def _is_done(stage: Stage, name: str) -> bool:
    status = stage.status(name)
    return status.get("observedTrigger") == "after" and not status.get("rotation")


def _keeps_all_promises(stage: Stage, history: Callable[[], History]) -> None:
    """See that the checker finds nothing, from the first version to rest, without what was undone."""
    with suppress(TimedOut):  # What does not come to rest is found by the checker, which says why.
        stage.until(lambda: judge(history(), resting=True, rules={}) == [], "rest", PATIENCE)
    told = history()
    found = [str(one) for one in judge(told, resting=True)]
    assert found == [], f"the history is in {recorded.keep(told, Path('build/model') / f'{stage.namespace}.json')}"
