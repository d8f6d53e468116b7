"""One cluster for many processes: whoever comes first has it started, and it ends with the last of them.

A keeper process starts the servers and stops them. Every user holds a shared lock on a file for as long as it
lives, and the keeper waits for the exclusive one: the kernel gives it when the last user has let go, be it by
`kill -9`. So no count can be wrong, and nothing polls.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tests.cluster import choose, node
from tests.cluster.errors import ClusterError, NodeRefused
from tests.cluster.handle import NOTE, Cluster
from tests.cluster.waiting import TimedOut, until

STARTERS: dict[str, Callable[[Path], Cluster]] = {"any": choose.start, "node": node.start}
_HERE = Path(__file__).parents[2]
# A cold build of all servers takes minutes.
_PATIENCE = 1800.0


@contextmanager
def join(directory: Path, what: str = "any") -> Iterator[Cluster]:
    """Use the cluster of this directory, starting it if nobody has; `what` is one of `STARTERS`."""
    directory.mkdir(parents=True, exist_ok=True)
    ready = directory / NOTE
    with (directory / "users.lock").open("a") as users:
        with (directory / "start.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            # Waits while a keeper that saw no user any more is stopping its servers.
            fcntl.flock(users, fcntl.LOCK_SH)
            if not ready.exists():
                _start_keeper(directory, ready, what)
        try:
            yield Cluster.from_json(ready.read_text())
        finally:
            _let_go(users)


def _start_keeper(directory: Path, ready: Path, what: str) -> None:
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.shared", what, str(directory)],
        cwd=_HERE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    failed = directory / "failed.txt"
    try:
        until(lambda: ready.exists() or keeper.poll() is not None, "the cluster", seconds=_PATIENCE)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    if not ready.exists():
        if not failed.exists():
            raise ClusterError(f"the keeper ended with {keeper.returncode}")
        kind, why = json.loads(failed.read_text())
        raise NodeRefused(why) if kind == NodeRefused.__name__ else ClusterError(why)
    # It outlives this process, on purpose: nothing here waits for it.
    keeper.returncode = 0


def _let_go(users: TextIO) -> None:
    """Give the lock back; whoever was the last waits until the keeper has stopped the servers."""
    fcntl.flock(users, fcntl.LOCK_UN)

    def keeper_stops() -> bool:
        try:
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(users, fcntl.LOCK_UN)
        return False

    # The keeper needs a moment to wake up. If it does not, there are other users.
    with contextlib.suppress(TimedOut):
        until(keeper_stops, "the keeper", seconds=0.3)
        fcntl.flock(users, fcntl.LOCK_SH)


def keep(what: str, directory: Path, out: TextIO) -> int:
    """Start the cluster, wait until nobody uses it any more, and stop it."""
    # Told to end while it starts: as if interrupted, so that what was begun is undone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = directory / "failed.txt"
    failed.unlink(missing_ok=True)
    try:
        cluster = STARTERS[what](directory)
    except ClusterError as error:
        failed.write_text(json.dumps([type(error).__name__, str(error)]))
        return 1
    except KeyboardInterrupt:
        # Whoever told it to end knows why; a traceback in the terminal would look like a mistake.
        return 1
    # The terminal may be gone before this process is.
    os.dup2(os.open(directory / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), out.fileno())
    with (directory / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1], Path(sys.argv[2]), sys.stderr))
