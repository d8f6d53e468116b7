"""etcd is restored from an older snapshot, under a running operator: what may come of it, and what must.

A restore undoes what pods have read and what backends have seen, so it can lock out: that is no promise of ours. What
is promised is that everything comes to rest again, and rotates on.
"""

from functools import partial
from pathlib import Path

import pytest

from tests.cluster import choose, snapshot
from tests.cluster.choose import BUILT
from tests.cluster.options import Options
from tests.e2e.conftest import prepare
from tests.e2e.history import recording
from tests.e2e.manifests import consumer, credential, workload
from tests.e2e.reader import reading
from tests.e2e.stage import Stage, opened
from tests.model.hand import Hand
from tests.model.machine import SETTINGS

pytestmark = [pytest.mark.kube, pytest.mark.exclusive, pytest.mark.slow]
MOMENTS = {"calm": {"duration": "1s"}, "open": {"duration": "6s"}, "plain": {"duration": "1s"}}
# The servers stop twice, and each takes a while to notice that the others are back.
PATIENCE = 240.0
DONE = {1: "Revoked", 2: "Active"}


@pytest.mark.timeout(600)
def test_a_restored_etcd_brings_no_operator_down(tmp_path: Path) -> None:
    """Credentials that had rotated since are at rest again, at what the snapshot says or beyond, and rotate on."""
    if choose.backend({}, choose.docker_answers) != BUILT:
        pytest.skip("etcd is not ours to stop: the cluster is not made of local servers")
    settings = {**SETTINGS, "REKEY_RESYNC_INTERVAL": "2s"}
    with (
        choose.start(tmp_path / "cluster", Options()) as cluster,
        reading(prepare(cluster)) as reader,
        opened(cluster, reader, tmp_path, settings=settings) as stage,
    ):
        stage.apply(workload("web", "calm", replicas=1))
        apps = {"calm": [consumer("web")], "open": [], "plain": []}
        stage.apply(*[credential(name, overlap=part, consumers=apps[name]) for name, part in MOMENTS.items()])
        stage.operator.start()
        for name in MOMENTS:
            stage.until_states(name, {1: "Active"})
        stage.until_old("web")
        stage.trigger("open")
        stage.until(lambda: stage.states("open") == {1: "Retiring", 2: "Active"}, "an overlap")
        kept = snapshot.save(cluster, "before")

        stage.trigger("calm")
        for name in ("calm", "open"):
            stage.until_states(name, DONE, PATIENCE)
        snapshot.restore(cluster, kept)
        _goes_on(stage)


def _goes_on(stage: Stage) -> None:
    """See that all comes to rest, and that each can be rotated again."""
    stage.until_states("open", DONE, PATIENCE)
    for name in ("calm", "plain"):
        assert stage.states(name)[1] in {"Active", "Retiring", "Revoked"}
    stage.until_ready("web")
    with recording(stage.reader, stage.namespace) as recorder:
        hand = Hand(stage.reader.socket, stage.namespace, recorder.hands)
        for name in MOMENTS:
            hand.patch("rotatedcredentials", name, {"spec": {"rotation": {"trigger": "after"}}})
        for name in MOMENTS:
            stage.until(partial(_is_done, stage, name), f"{name} to rotate after the restore", PATIENCE)


def _is_done(stage: Stage, name: str) -> bool:
    status = stage.status(name)
    return status.get("observedTrigger") == "after" and not status.get("rotation")
