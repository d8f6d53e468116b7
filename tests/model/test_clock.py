"""The operator's machine has the wrong time, or is set meanwhile: nothing comes early, nothing waits for an hour."""

from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.e2e.history import recording
from tests.e2e.manifests import consumer, credential, request, workload
from tests.e2e.reader import Reader
from tests.e2e.stage import opened
from tests.model import moved_clock
from tests.model.checker import judge
from tests.model.hand import Hand
from tests.model.machine import HOUR, LAUNCHER, SETTINGS

pytestmark = pytest.mark.kube
HOURS = {"an hour ahead": (HOUR, 0), "an hour behind": (-HOUR, 0), "set ahead meanwhile": (0, HOUR)}
LONG, SHORT = {"duration": "10m"}, {"duration": "2s"}


@pytest.mark.parametrize("title", HOURS)
def test_a_wrong_clock_cuts_no_overlap_short(title: str, prepared: Cluster, reader: Reader, tmp_path: Path) -> None:
    """One rotation is over in seconds all the same, and one that has minutes to go is not ended by the clock."""
    file = tmp_path / "clock"
    before, meanwhile = HOURS[title]
    file.write_text(str(before))
    settings = {**SETTINGS, moved_clock.FILE: str(file)}
    with (
        opened(prepared, reader, tmp_path, settings=settings, program=LAUNCHER) as stage,
        recording(reader, stage.namespace) as recorder,
    ):
        hand = Hand(reader.socket, stage.namespace, recorder.hands)
        hand.create("deployments", workload("web", "short", replicas=1))
        hand.create("rotatedcredentials", credential("short", overlap=SHORT, consumers=[consumer("web")]))
        hand.create("rotatedcredentials", credential("long", overlap=LONG))
        stage.operator.start()
        for name in ("short", "long"):
            stage.until_states(name, {1: "Active"})
        stage.until_old("web")
        for name in ("short", "long"):
            hand.patch("rotatedcredentials", name, {"spec": {"rotation": {"trigger": "a"}}})
        stage.until(lambda: stage.status("long").get("overlapEndTime"), "the overlap")
        file.write_text(str(meanwhile))
        stage.until_states("short", {1: "Revoked", 2: "Active"})
        assert stage.states("long") == {1: "Retiring", 2: "Active"}
        assert [str(one) for one in judge(recorder.history())] == []


@pytest.mark.parametrize("title", ["an hour ahead", "an hour behind"])
def test_a_wrong_clock_delays_nothing(title: str, prepared: Cluster, reader: Reader, tmp_path: Path) -> None:
    """What falls due after the start is no work that was missed before it, and a request goes when its time is over."""
    file = tmp_path / "clock"
    file.write_text(str(HOURS[title][0]))
    settings = {**SETTINGS, moved_clock.FILE: str(file)}
    with opened(prepared, reader, tmp_path, settings=settings, program=LAUNCHER) as stage:
        stage.apply(
            credential("often", rotation={"interval": "10s"}, overlap=SHORT), credential("asked", overlap=SHORT)
        )
        stage.operator.start()
        stage.until_states("asked", {1: "Active"})
        stage.apply(request("now", "Manual", "asked", ttlAfterFinished="1s"))
        stage.until(lambda: stage.get("rotationrequests", "now") is None, "the request to be over and deleted")
        stage.until(lambda: stage.status("often").get("currentVersion", 0) >= 2, "the next version by the calendar")
