"""`rekey run` under a supervisor, with less patience than the product has: tests cannot wait half a minute.

The operator has no setting for how long it waits for an answer (30 s), nor for how long a watch may be silent (70 s):
both are shortened here. `FAULTS_CHILD` names the file that tells which process lives now; killed, it is made again by
a fork, which saves the imports. With `FAULTS_AT_ONCE` rights are not asked for again at each start.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from rekey.app import cli, kopf_settings, kopf_shell, preflight
from rekey.app.kopf_settings import kopf
from rekey.kube.client import Client

CHILD, AT_ONCE, ANSWER, SILENCE = "FAULTS_CHILD", "FAULTS_AT_ONCE", "FAULTS_ANSWER", "FAULTS_SILENCE"
_PR_SET_PDEATHSIG = 1


def shorten(answer: float, silence: float) -> None:
    """Have the operator wait no longer than that, in seconds."""
    defaults: dict[str, Any] = Client.__init__.__kwdefaults__ or {}
    assert "timeout" in defaults
    defaults["timeout"] = answer
    usual = kopf_settings.listening

    def impatient() -> kopf.OperatorSettings:
        settings = usual()
        settings.watching.inactivity_timeout = silence
        settings.watching.connect_timeout = answer
        settings.networking.request_timeout = answer
        return settings

    kopf_shell.listening = impatient  # type: ignore[attr-defined]


async def _passed(*_: object) -> None:
    """Look at nothing."""


class Supervisor:
    """Lives with one child after the other, until it is told to end or a child ends by itself."""

    def __init__(self) -> None:
        self._told = False
        self._child = 0

    def run(self) -> int:
        """Start it again whenever it was killed; return how the last one ended."""
        while (code := self._live()) == -signal.SIGKILL and not self._told:
            pass
        return code

    def _live(self) -> int:
        self._child = os.fork()
        if self._child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            cli.main()
            os._exit(0)
        signal.signal(signal.SIGTERM, self._end)
        if self._told:  # between two lives
            self._end()
        told = Path(os.environ[CHILD])
        half = told.with_suffix(".half")
        half.write_text(str(self._child))
        half.replace(told)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def _end(self, *_: object) -> None:
        self._told = True
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGTERM)


def main() -> int:
    """Supervise."""
    sys.argv[0] = "rekey"
    import_module("rekey.app.run")
    shorten(float(os.environ[ANSWER]), float(os.environ[SILENCE]))
    if os.environ.get(AT_ONCE):
        preflight.Preflight.pass_all = _passed  # type: ignore[method-assign, assignment]
    return Supervisor().run()


if __name__ == "__main__":
    sys.exit(main())
