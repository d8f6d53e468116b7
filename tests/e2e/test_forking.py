"""Who is made by a fork is a process of its own."""

import os
import signal
from pathlib import Path

from tests.e2e import forking
from tests.e2e.process import PATIENCE

ONCE = ("-m", "timeit", "-n", "1", "-r", "1")
SAY = "import os, sys; print(sys.argv[0], dict(os.environ), os.getppid(), file=sys.stderr)"


def test_it_has_its_own_environment_and_log(tmp_path: Path) -> None:
    """Of the environment of whoever asked for it nothing is left."""
    log = tmp_path / "log"
    log.touch()
    found = forking.start((*ONCE, SAY), {"A": "b"}, log)
    assert found.ended(PATIENCE)
    found.close()
    text = log.read_text()
    assert "{'A': 'b'}" in text
    assert not text.rstrip().endswith(str(os.getpid()))


def test_it_can_be_killed_by_itself(tmp_path: Path) -> None:
    """And another one lives on."""
    log = tmp_path / "log"
    log.touch()
    first, second = (forking.start((*ONCE, "import time; time.sleep(600)"), {}, log) for _ in range(2))
    first.send(signal.SIGKILL)
    assert first.ended(PATIENCE)
    assert not second.ended()
    second.send(signal.SIGTERM)
    assert second.ended(PATIENCE)
    for one in (first, second):
        one.send(signal.SIGKILL)
        one.close()
