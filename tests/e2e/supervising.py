"""A program that is started again whenever it was killed: by a fork, which saves the imports, a second each time.

Linux only, as everything is that played pods need.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that made it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Lives with one child after the other, until it is told to end or a child ends by itself.

    `live`: what a child does; `born` is told its PID, `killed` that it is no more.
    """

    def __init__(
        self,
        live: Callable[[], None],
        born: Callable[[int], None] = lambda _: None,
        killed: Callable[[], None] = lambda: None,
    ) -> None:
        self._live, self._born, self._killed = live, born, killed
        self._told = False
        self._child = 0

    def run(self) -> int:
        """Start it again whenever it was killed; return how the last one ended."""
        while (code := self._once()) == -signal.SIGKILL:
            self._killed()
            if self._told:
                break
        return code

    def _once(self) -> int:
        self._child = os.fork()
        if self._child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            end_with_parent()
            self._live()
            os._exit(0)
        signal.signal(signal.SIGTERM, self._end)
        if self._told:  # between two lives
            self._end()
        self._born(self._child)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def _end(self, *_: object) -> None:
        self._told = True
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGTERM)
