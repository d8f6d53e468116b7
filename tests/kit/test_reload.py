"""Folders that the kubelet swaps: when they are read again, and what happens while they cannot be."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rekey_client import Directories, Reason, Verifier
from rekey_client.folder import Folder
from tests.kit.mount import Mount
from tests.kit.values import Opaque, Time, sha256
from tests.kit.world import World

ONE, TWO, THREE = Opaque(), Opaque(), Opaque()


def test_a_swap_is_seen_at_the_next_look(tmp_path: Path) -> None:
    """A new version is accepted half a second after the kubelet's rename at the latest."""
    world = World.of(tmp_path, sha256(ONE.row()))
    assert world.reason(TWO.bearer) is Reason.UNKNOWN
    world.deliver(sha256(ONE.row(), TWO.row(2)))
    assert world.reason(TWO.bearer) is Reason.ACCEPTED


def test_nothing_is_read_while_nothing_changes(tmp_path: Path) -> None:
    """However much time passes, the table stays the same object: no file was parsed again."""
    time = Time()
    source = Directories([Mount(tmp_path / "v", sha256(ONE.row())).path], clock=time.clock)
    first = source.trust(time.steady).table
    for _ in range(10):
        time.pass_(1)
        assert source.trust(time.steady).table is first


def test_the_disk_is_asked_at_most_each_half_second(tmp_path: Path) -> None:
    """Between two looks even a folder that is gone goes unnoticed: a request costs no file access."""
    world = World.of(tmp_path, sha256(ONE.row()))
    world.mount.path.rename(tmp_path / "away")
    world.time.pass_(0.49)
    assert not world.ask(ONE.bearer).degraded
    world.time.pass_(0.01)
    assert world.ask(ONE.bearer).degraded


def test_only_the_part_that_changed_is_read(tmp_path: Path) -> None:
    """Of an aggregate's parts each is a folder, and the entries of the other stay the same objects."""
    time = Time()
    parts = [Mount(tmp_path / name, sha256(token.row())) for name, token in (("a", ONE), ("b", TWO))]
    source = Directories([part.path for part in parts], clock=time.clock)
    before = source.trust(time.steady).table
    parts[1].write(sha256(THREE.row()))
    time.pass_(1)
    after = source.trust(time.steady).table
    assert after.tokens[ONE.id][0] is before.tokens[ONE.id][0]
    assert set(after.tokens) == {ONE.id, THREE.id}


def test_only_the_entries_that_changed_are_made_anew(tmp_path: Path) -> None:
    """Of thousands in one folder the others stay the same objects."""
    time = Time()
    mount = Mount(tmp_path / "v", sha256(ONE.row(), TWO.row(2, status="current")))
    source = Directories([mount.path], clock=time.clock)
    before = source.trust(time.steady).table.tokens
    mount.write(sha256(ONE.row(), TWO.row(2, status="previous", expires="2026-11-22T10:00:00Z"), THREE.row(3)))
    time.pass_(1)
    after = source.trust(time.steady).table.tokens
    assert after[ONE.id][0] is before[ONE.id][0]
    assert before[TWO.id][0].expires is None
    assert after[TWO.id][0].expires is not None
    assert set(after) == {ONE.id, TWO.id, THREE.id}


BREAKS: dict[str, Callable[[Path], object]] = {
    "the link ..data is gone": lambda folder: (folder / "..data").unlink(),
    "..data leads to itself": lambda folder: _relink(folder, "..data"),
    "..data leads nowhere": lambda folder: _relink(folder, "..gone"),
    "..data leads to an empty folder": lambda folder: _relink(folder, "..e", (folder / "..e").mkdir),
    "..data leads out to a folder of others": lambda folder: _relink(folder, "/proc/self"),
    "the whole folder is gone": lambda folder: folder.rename(folder.parent / "away"),
}


def _relink(folder: Path, target: str, before: Callable[[], None] = lambda: None) -> None:
    before()
    (folder / "..data").unlink()
    (folder / "..data").symlink_to(target)


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_mount_leaves_what_was_good(name: str, tmp_path: Path) -> None:
    """The last good content stays in use, marked degraded."""
    world = World.of(tmp_path, sha256(ONE.row()))
    BREAKS[name](world.mount.path)
    world.time.pass_(1)
    found = world.ask(ONE.bearer)
    assert (found.reason, found.degraded) == (Reason.ACCEPTED, True)


def test_last_known_good_has_an_end(tmp_path: Path) -> None:
    """After the longest staleness nothing is accepted any more, and soon after recovery everything is as before."""
    world = World.of(tmp_path, sha256(ONE.row()), max_stale=600)
    whole = (world.mount.path / "verifier.json").read_bytes()
    world.mount.write({"verifier.json": whole[:-9]})
    world.time.pass_(600)
    assert world.reason(ONE.bearer) is Reason.ACCEPTED
    world.time.pass_(1)
    found = world.ask(ONE.bearer)
    assert (found.reason, found.retry_after) == (Reason.UNAVAILABLE, 5)
    assert not world.verifier.health().usable
    world.deliver({"verifier.json": whole})
    found = world.ask(ONE.bearer)
    assert (found.reason, found.degraded) == (Reason.ACCEPTED, False)
    assert world.verifier.health().staleness == 0


def test_a_folder_that_comes_late_is_taken_up(tmp_path: Path) -> None:
    """A verifier may start before there is anything to read: it refuses as unavailable, and then works."""
    time = Time()
    verifier = Verifier(Directories([tmp_path / "v"], clock=time.clock), clock=time.clock)
    assert verifier.check([ONE.bearer]).reason is Reason.UNAVAILABLE
    Mount(tmp_path / "v", sha256(ONE.row()))
    time.pass_(0.5)
    assert verifier.check([ONE.bearer]).accepted


def test_trouble_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line when it begins, one when it ends, none for every look in between."""
    caplog.set_level(logging.INFO)
    world = World.of(tmp_path, sha256(ONE.row()))
    for _ in range(5):
        world.deliver({"verifier.json": b"{"})
        world.verifier.health()
    for _ in range(5):
        world.deliver(sha256(ONE.row()))
        world.verifier.health()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["ERROR", "INFO"]
    assert "verifier.json is not what the operator writes" in caplog.records[0].getMessage()


def test_two_versions_never_mix(tmp_path: Path) -> None:
    """While one thread swaps as fast as it can, every read gives files of one version."""
    mount = Mount(tmp_path / "m", {"a": b"0", "b": b"0"})
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            mount.write({"a": b"%d" % number, "b": b"%d" % number})

    thread = threading.Thread(target=swap)
    thread.start()
    folder, seen = Folder(mount.path, "a", "b"), set[bytes]()
    try:
        while len(seen) < 50:
            try:
                found = folder.read()
            except Exception as error:  # noqa: BLE001  only one is allowed
                assert "changed while it was read" in str(error)  # noqa: PT017  it may or may not come
                continue
            assert found["a"] == found["b"]
            seen.add(found["a"])
    finally:
        stop.set()
        thread.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # this test's own thread of pytest-timeout
def test_a_process_that_forked_goes_on(tmp_path: Path) -> None:
    """Servers fork after loading the application: the child sees the next swap too."""
    world = World.of(tmp_path, sha256(ONE.row()))
    assert world.reason(ONE.bearer) is Reason.ACCEPTED
    child = os.fork()
    if child == 0:
        world.deliver(sha256(TWO.row()))
        os._exit(0 if world.reason(TWO.bearer) is Reason.ACCEPTED else 1)
    assert os.waitpid(child, 0)[1] == 0
