"""`rekey run` under a supervisor, with less patience than the product has: tests cannot wait half a minute.

The operator has no setting for how long it waits for an answer (30 s), nor for how long a watch may be silent (70 s):
both are shortened here. `FAULTS_CHILD` names the file that tells which process lives now; killed, it is made again by
a fork, which saves the imports. With `FAULTS_AT_ONCE` rights are not asked for again at each start.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from rekey.app import cli, kopf_settings, kopf_shell, preflight
from rekey.app.kopf_settings import kopf
from rekey.kube.client import Client
from tests.e2e.supervising import Supervisor

CHILD, AT_ONCE, ANSWER, SILENCE = "FAULTS_CHILD", "FAULTS_AT_ONCE", "FAULTS_ANSWER", "FAULTS_SILENCE"


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


def _born(child: int) -> None:
    """Tell which process lives now, whole or not at all."""
    told = Path(os.environ[CHILD])
    half = told.with_suffix(".half")
    half.write_text(str(child))
    half.replace(told)


def main() -> int:
    """Supervise."""
    sys.argv[0] = "rekey"
    import_module("rekey.app.run")
    shorten(float(os.environ[ANSWER]), float(os.environ[SILENCE]))
    if os.environ.get(AT_ONCE):
        preflight.Preflight.pass_all = _passed  # type: ignore[method-assign, assignment]
    return Supervisor(cli.main, _born).run()


if __name__ == "__main__":
    sys.exit(main())
