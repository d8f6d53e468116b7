"""`rekey run` under a supervisor, with less patience than the product has: tests cannot wait half a minute.

The operator has no setting for how long it waits for an answer (30 s), nor for how long a watch may be silent (70 s):
both are shortened here. `FAULTS_CHILD` names the file that tells which process lives now; killed, it is made again by
a fork, which saves the imports. With `FAULTS_AT_ONCE` rights are not asked for again at each start.
"""

import ctypes
import os
import signal
import sys
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


def live() -> int:
    """Live once, in a process that was forked for it; return how that ended."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        cli.main()
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    told = Path(os.environ[CHILD])
    half = told.with_suffix(".half")
    half.write_text(str(child))
    half.replace(told)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> int:
    """Supervise: start it again whenever it was killed."""
    sys.argv[0] = "rekey"
    import_module("rekey.app.run")
    shorten(float(os.environ[ANSWER]), float(os.environ[SILENCE]))
    if os.environ.get(AT_ONCE):
        preflight.Preflight.pass_all = _passed  # type: ignore[method-assign, assignment]
    while (code := live()) == -signal.SIGKILL:
        pass
    return code


if __name__ == "__main__":
    sys.exit(main())
