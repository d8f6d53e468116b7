"""Programs by a fork: what Rekey imports is imported once for all operators that a test process starts.

That is a second of CPU each, and some two hundred are started. Whoever is made here is a process like any other, with
an environment, a log and signals of its own. That the program starts from nothing is shown by tests/app/test_run.py.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BufferedRWPair
from pathlib import Path
from runpy import run_module
from typing import Any

from tests.e2e.supervising import end_with_parent

ROOT = Path(__file__).parents[2]
_PATH = f"{ROOT / 'operator'}{os.pathsep}{ROOT}"
_SERVES = ("rekey.app.cli", "rekey.app.run", "rekey.app.wiring")
_turn = threading.Lock()
_source: "tuple[subprocess.Popen[bytes], BufferedRWPair] | None" = None


class Forked:
    """A process that is another one's child: the kernel tells whether it lives."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._file = os.pidfd_open(pid)

    def ended(self, within: float = 0.0) -> bool:
        """Tell whether it has ended, or does within so many seconds."""
        wait = select.poll()
        wait.register(self._file, select.POLLIN)
        return bool(wait.poll(within * 1000))

    def send(self, what: signal.Signals) -> None:
        """Send it a signal; one that has ended needs none."""
        if not self.ended():
            signal.pidfd_send_signal(self._file, what)

    def close(self) -> None:
        """Forget it."""
        os.close(self._file)


def start(program: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Run a module (`-m`, its name, its arguments) in a process of its own, which ends with this one."""
    flag, *argv = program
    assert flag == "-m", program
    with _turn:
        stream = _running()
        stream.write(json.dumps({"argv": argv, "environment": dict(environment), "log": str(log)}).encode() + b"\n")
        stream.flush()
        return Forked(int(stream.readline()))


def _running() -> BufferedRWPair:
    """Return the way to the process that forks, which is started by the first who needs it."""
    global _source  # noqa: PLW0603  one for this process
    if _source is None:
        here, there = socket.socketpair()
        with here, there:
            argv = [sys.executable, "-m", "tests.e2e.forking"]
            environment = {**os.environ, "PYTHONPATH": _PATH}
            child = subprocess.Popen(argv, stdin=there.fileno(), cwd=ROOT, env=environment)
            _source = child, here.makefile("rwb")
        atexit.register(_end)
    return _source[1]


def _end() -> None:
    assert _source
    _source[1].close()
    _source[0].wait()


def _asked() -> dict[str, Any] | None:
    """Fork for every request; return it in the child, and None in the parent when nobody can ask any more."""
    # Nobody here waits for a child: the kernel clears away those that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as door, door.makefile("rwb") as stream:
        for line in stream:
            child = os.fork()
            if child == 0:
                return dict(json.loads(line))
            stream.write(b"%d\n" % child)
            stream.flush()
    return None


def _become(request: Mapping[str, Any]) -> None:
    """Be the process that was asked for."""
    end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    for old, new in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(old, new)
    os.environ.clear()
    os.environ.update(request["environment"])
    module, *arguments = request["argv"]
    sys.argv = [module, *arguments]
    run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in _SERVES:
        import_module(name)
    if (request := _asked()) is not None:
        _become(request)
