"""Servers as processes: a log and a PID file each, so that another process can stop them.

A PID file holds the start time too: a PID that was given away again is nobody's to kill.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ServerEnded
from tests.cluster.waiting import TimedOut, until

# Children of this process: kept, because an object that is collected while its process runs is a warning, and
# because only the parent can reap it.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Server:
    """One running server of the state folder `directory`."""

    name: str
    directory: Path
    pid: int
    started: str

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self.directory / f"{self.name}.log"

    def alive(self) -> bool:
        """Tell whether the process that was started still runs (a zombie does not)."""
        if self.pid in _children:
            return _children[self.pid].poll() is None
        return _start_time(self.pid) == self.started

    def demand(self) -> None:
        """Raise `ServerEnded` with the end of the log unless the server runs."""
        if not self.alive():
            raise ServerEnded(f"{self.name} ended at once\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """Return the end of the log, for an error message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"the end of {self.log}:", *(f"  {line}" for line in text.splitlines()[-lines:])])

    def stop(self, grace: float = 5) -> None:
        """Ask the server to end, insist after `grace` seconds, and forget it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            with contextlib.suppress(TimedOut):
                until(lambda: not self.alive(), f"the end of {self.name}", seconds=grace, every=0.02)
        _children.pop(self.pid, None)
        (self.directory / f"{self.name}.pid").unlink(missing_ok=True)


def start(name: str, argv: Sequence[str | Path], directory: Path) -> Server:
    """Start a server in a session of its own: a Ctrl-C in the terminal is for us, not for it."""
    with (directory / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [str(part) for part in argv],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[child.pid] = child
    server = Server(name, directory, child.pid, _start_time(child.pid))
    (directory / f"{name}.pid").write_text(f"{server.pid} {server.started}\n")
    return server


def find(name: str, directory: Path) -> Server | None:
    """Return the server that a PID file of `directory` tells of, running or not."""
    try:
        pid, started = (directory / f"{name}.pid").read_text().split()
    except (OSError, ValueError):
        return None
    return Server(name, directory, int(pid), started)


def _start_time(pid: int) -> str:
    """Return when the process was started, in the kernel's ticks; empty for one that is gone or a zombie."""
    try:
        # The name, field 2, may hold anything, blanks and brackets too: count from behind its last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
