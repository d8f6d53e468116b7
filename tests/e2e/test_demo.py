"""The demo as a person starts it without a terminal, and what it makes of what it sees."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.demo import story
from tests.demo.looking import Event, Look, Pod, Version

ROOT = Path(__file__).parents[2]
DEMO = ("-m", "tests.demo")
HURRIED = ("-c", "import sys, tests.demo.__main__ as demo; demo.DEADLINE = 1; sys.exit(demo.main())")
A_TOKEN = re.compile(r"ord_[0-9A-Za-z]{22}\.")
STORY = [
    *("Issued", "Activated", "ConsumerRestarted", "OverlapStarted", "OverlapExpired", "Revoked", "rotation 1 of 2"),
    *("Activated", "ConsumerRestarted", "OverlapStarted", "OverlapExpired", "Revoked", "rotation 2 of 2"),
]
T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


def started(cluster: Cluster, folder: Path, program: Sequence[str] = DEMO) -> subprocess.Popen[str]:
    """Start the demo on this cluster, with `folder` for its data."""
    settings = {"REKEY_TEST_KUBECONFIG": str(cluster.kubeconfig), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    with (folder.parent / "said.txt").open("w") as said:
        return subprocess.Popen(
            [sys.executable, *program], cwd=ROOT, env={**os.environ, **settings}, stdout=said, stderr=said, text=True
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder in which the demo makes its own."""
    made = tmp_path / "tmp"
    made.mkdir()
    return made


def is_deleted(cluster: Cluster, namespace: str) -> bool:
    """Tell whether the namespace is gone or going."""
    path = "jsonpath={.metadata.name}{.metadata.deletionTimestamp}"
    return cluster.kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", path) != namespace


@pytest.mark.kube
def test_it_shows_two_rotations_and_what_kubectl_says(prepared: Cluster, folder: Path) -> None:
    """Every step of both rotations is shown in its order, no value is, and nothing stays behind."""
    demo = started(prepared, folder)
    status = demo.wait(280)
    said = (folder.parent / "said.txt").read_text()
    assert status == 0, said
    lines = re.findall(rf"^ *\d+\.\d s  ({'|'.join(sorted(set(STORY)))})\b", said, re.MULTILINE)
    assert lines == STORY
    assert len(re.findall(r"pod \S+ started with version [23]$", said, re.MULTILINE)) == 6
    assert re.search(r"^orders-api-key +True +3 ", said, re.MULTILINE)
    assert "the bundle has the keys previous.token, previous.version, token, version" in said
    assert len(re.findall(r"Normal +OverlapExpired +rotatedcredential/orders-api-key", said)) == 2
    assert not A_TOKEN.search(said)
    assert list(folder.iterdir()) == []
    found = re.search(r"in namespace (\S+)", said)
    assert found
    assert is_deleted(prepared, found[1])


@pytest.mark.kube
@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_cleans_up(prepared: Cluster, folder: Path, order: signal.Signals) -> None:
    """After it the operator, the namespace and the folder are gone, and it says so."""
    demo = started(prepared, folder)
    said = folder.parent / "said.txt"
    until(lambda: "the bundle has the keys" in said.read_text(), "the first version", seconds=90)
    pid = next(folder.glob("*/operator.pid")).read_text().split()[0]
    demo.send_signal(order)
    assert demo.wait(120) == 130, said.read_text()
    found = re.search(r"in namespace (\S+)", said.read_text())
    assert found
    assert is_deleted(prepared, found[1])
    assert not Path("/proc", pid).exists()
    assert list(folder.iterdir()) == []
    assert "the operator and the cluster are stopped" in said.read_text()


@pytest.mark.kube
def test_a_rotation_that_takes_too_long_is_a_failure(prepared: Cluster, folder: Path) -> None:
    """The exit status is 1, the message says how far it came and where the logs are, and only logs are kept."""
    demo = started(prepared, folder, HURRIED)
    status = demo.wait(180)
    said = (folder.parent / "said.txt").read_text()
    assert status == 1, said
    assert "0 of 2 rotations were complete" in said
    place = re.search(r"the logs are in (\S+)", said)
    assert place
    kept = [path for path in Path(place[1]).rglob("*") if path.is_file()]
    assert Path(place[1], "operator.log") in kept
    assert {path.suffix for path in kept} == {".log"}


def version(number: int, state: str) -> Version:
    """Return a version; its times matter to no test here."""
    return Version(number, state, T0, None, None, None)


def pods(*versions: int, state: str = "ready") -> tuple[Pod, ...]:
    """Return pods that started with these versions."""
    return tuple(Pod(f"p{place}-{number}", number, state) for place, number in enumerate(versions))


SETTLED = Look(
    at=T0,
    current=2,
    versions=(version(1, "Revoked"), version(2, "Active")),
    pods=pods(2, 2),
    keys=("token", "version"),
)


def changed(**fields: object) -> Look:
    """Return the settled look with something else."""
    return Look(**{**vars(SETTLED), **fields})


UNSETTLED = {
    "a rotation is under way": changed(step="Revoking"),
    "a pod is of the version before": changed(pods=pods(2, 1)),
    "a pod is not ready yet": changed(pods=pods(2, 2, state="starting")),
    "a pod is ending": changed(pods=pods(2, 2, state="ending")),
    "there are no pods": changed(pods=()),
    "the version before is still accepted": changed(versions=(version(1, "Retiring"), version(2, "Active"))),
    "the bundle still shows the version before": changed(keys=("previous.token", "token", "version")),
    "the bundle is missing": changed(keys=()),
    "nothing was issued yet": Look(T0),
}


def test_a_settled_look_is_one_complete_rotation() -> None:
    """One version is left, alone and used by all: one rotation of two."""
    assert story.is_settled(SETTLED)
    assert story.completed(SETTLED) == 1
    assert not story.is_over(SETTLED)


@pytest.mark.parametrize("name", UNSETTLED)
def test_it_is_not_settled_when(name: str) -> None:
    """Each of these alone means that the rotation is not over."""
    assert not story.is_settled(UNSETTLED[name])


def test_the_demo_is_over_after_two_rotations() -> None:
    """Nothing is under way, or the next rotation began before anybody looked."""
    versions = (version(1, "Revoked"), version(2, "Revoked"), version(3, "Active"))
    over = changed(current=3, versions=versions, pods=pods(3, 3))
    assert story.is_over(over)
    assert not story.is_over(changed(current=3, versions=versions, pods=pods(3, 2)))
    begun = (*versions[:2], version(3, "Retiring"), version(4, "Active"))
    assert story.is_over(changed(current=4, versions=begun, pods=pods(3, 3), step="RollingOut"))
    assert not story.is_over(changed(current=3, versions=versions, pods=pods(3, 3), step="Revoking"))


def test_news_are_told_once() -> None:
    """Whatever differs from the look before is told; the same look again tells nothing."""
    event = Event(T0, "Activated", "version 3 is current", warning=False)
    end = T0 + timedelta(seconds=8)
    versions = (*SETTLED.versions, version(3, "Active"))
    now = changed(events=(event,), pods=pods(3), versions=versions, step="Overlap", overlap_end=end, keys=("token",))
    assert list(story.news(SETTLED, now)) == [
        "Activated: version 3 is current",
        "the bundle has the keys token",
        "pod p0-3 started with version 3",
        "pod p0-2 of version 2 has ended",
        "pod p1-2 of version 2 has ended",
        "the old version is accepted for 8 s more",
    ]
    assert list(story.news(now, now)) == []
