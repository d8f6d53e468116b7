"""The whole chain for real: the kit counts who uses a version, Prometheus collects it, and the operator asks for it."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from rekey_client import Directories, Verifier
from rekey_client.prometheus import Exported
from tests.cluster import ports
from tests.e2e.conftest import Opening
from tests.e2e.manifests import credential
from tests.e2e.projected import projected
from tests.e2e.stage import Stage

PROMETHEUS = shutil.which("prometheus")

pytestmark = [
    *(pytest.mark.kube, pytest.mark.slow, pytest.mark.timeout(600)),
    pytest.mark.skipif(not PROMETHEUS, reason="no Prometheus here: install Debian's prometheus"),
]

QUIET = 60.0
SETTINGS = {"REKEY_PROBE_ALLOWED": "http://127.0.0.0/8"}


@contextmanager
def collecting(directory: Path, target: int) -> Iterator[str]:
    """Give the address of a Prometheus that collects from that port each second."""
    (port,) = ports.free(1)
    jobs = [{"job_name": "kit", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}]
    (directory / "config.yml").write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    argv = [str(PROMETHEUS), "--config.file=config.yml", "--storage.tsdb.path=data"]
    with (directory / "log").open("wb") as out:
        running = subprocess.Popen(
            [*argv, f"--web.listen-address=127.0.0.1:{port}"], cwd=directory, stdout=out, stderr=out
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(30)


@contextmanager
def exporting(verifier: Verifier) -> Iterator[int]:
    """Give the port where its counters are collected from."""
    registry = CollectorRegistry()
    registry.register(Exported(verifier))
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def using(verifier: Verifier, value: bytes) -> Iterator[None]:
    """Have somebody show that value now and then who is no pod."""
    ended = threading.Event()

    def use() -> None:
        while not ended.wait(0.5):
            assert verifier.check([b"Bearer " + value]).accepted

    thread = threading.Thread(target=use)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_what_the_kit_counts_keeps_a_version(opening: Opening, tmp_path: Path) -> None:
    """Who is no pod keeps the old version, and for a minute after the last use; then it goes by itself."""
    with opening(settings=SETTINGS) as stage:
        told = {"secretName": "till-verifier", "format": "SHA256"}
        slow = {"duration": "1s", "propagation": "1s"}
        stage.apply(credential("till", verifier=told, overlap=slow))
        stage.until_states("till", {1: "Active"})
        with projected(stage, "till-verifier", tmp_path / "mount", 0.2) as mount:
            verifier = Verifier(Directories([mount], every=0.1))
            with exporting(verifier) as port, collecting(tmp_path, port) as url:
                stage.change("till", usage={"quiet": "1m", "prometheus": {"url": url}})
                _is_used_and_then_not(stage, verifier)


def _is_used_and_then_not(stage: Stage, verifier: Verifier) -> None:
    with using(verifier, stage.held("till")["token"]):
        stage.trigger("till")
        stage.until_condition("till", "RevocationBlocked", "True", "InUse")
    ended = time.monotonic()
    with using(verifier, stage.held("till")["token"]):
        stage.until_states("till", {1: "Revoked", 2: "Active"}, 3 * QUIET)
    # What was collected last was counted up to a second before.
    assert time.monotonic() - ended > QUIET - 2
