"""`python -m tests.demo`: two rotations, live on a terminal, line by line elsewhere; Ctrl-C cleans up.

Exit status: 0 both rotations were complete in time; 1 they were not, or something could not be started; 130 Ctrl-C.
"""

import contextlib
import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console

from tests.cluster.errors import ClusterError
from tests.demo import story
from tests.demo.live import Picture
from tests.demo.looking import Look, look
from tests.demo.stage import QUICKSTART, ROOT, Stage, apply_quickstart, ask, folder, stage

DEADLINE = 300.0
"""Seconds for both rotations: they take 100 on the test cluster, more where images have to be fetched."""
_EVERY = 0.25
_INTERRUPTED = 130
_ORDERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TooSlow(Exception):
    """The rotations were not complete in time."""


class Show(Protocol):
    """A way to show looks."""

    def show(self, look: Look) -> None:
        """Show one."""
        ...


class Lines:
    """The demo without a terminal: a line for everything that happens."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._last = Look(began)

    def show(self, look: Look) -> None:
        """Print what is new."""
        for line in story.news(self._last, look):
            print(f"{(look.at - self._began).total_seconds():5.1f} s  {line}", flush=True)
        self._last = look


def main() -> int:
    """Play, and return the exit status."""
    for number in _ORDERS:
        signal.signal(number, _interrupt)
    began = time.monotonic()
    left = Path()
    try:
        with folder() as left, stage(left, _say) as found:
            _play(found)
            _say("stopping the operator and the cluster")
    except KeyboardInterrupt:
        _say("the operator and the cluster are stopped, their folder is removed")
        return _INTERRUPTED
    except (ClusterError, TooSlow, OSError, AssertionError, http.client.HTTPException) as error:
        print(f"demo: FAILED: {error}\ndemo: everything is stopped; the logs are in {left}", file=sys.stderr)
        return 1
    _say(f"two rotations, {time.monotonic() - began:.0f} s in all; nothing is left behind")
    return 0


def _play(found: Stage) -> None:
    _say(f"applying {QUICKSTART.relative_to(ROOT)} in namespace {found.namespace}")
    apply_quickstart(found.cluster, found.namespace)
    with _shown(datetime.now(UTC)) as shown:
        follow(found, shown, DEADLINE)
    for arguments in (
        ("get", "rcred"),
        ("get", "events.events.k8s.io", "--field-selector=regarding.kind=RotatedCredential", "--sort-by=.eventTime"),
    ):
        print(f"\n$ kubectl {' '.join(arguments)}\n{ask(found.cluster, '-n', found.namespace, *arguments)}")
    print(flush=True)


@contextmanager
def _shown(began: datetime) -> Iterator[Show]:
    console = Console()
    if console.is_terminal:
        with Picture(console, began) as picture:
            yield picture
    else:
        yield Lines(began)


def follow(found: Stage, shown: Show, seconds: float) -> None:
    """Show what happens until both rotations are complete; raise `TooSlow` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found.operator.demand()
        seen = look(found.reader, found.namespace, datetime.now(UTC))
        shown.show(seen)
        if story.is_over(seen):
            return
        if time.monotonic() > end:
            done = f"{story.completed(seen)} of {story.ROTATIONS} rotations were complete"
            raise TooSlow(f"after {seconds:.0f} s {done}; at last: {story.doing(seen)}")
        time.sleep(_EVERY)


def _interrupt(*_: object) -> None:
    """Clean up, whoever ends us; once only, so that impatience does not interrupt the cleaning up."""
    for number in _ORDERS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), b"\ndemo: interrupted; cleaning up, one moment\n")
    raise KeyboardInterrupt


def _say(text: str) -> None:
    # Who closed the terminal does not read it, and cleaning up goes on.
    with contextlib.suppress(OSError):
        print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
