"""The operator as a process: started, stopped, killed, and what it logged and measured."""

import copy
import json
import os
import signal
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.waiting import until
from tests.e2e import forking
from tests.e2e.forking import Forked

PROGRAM = ("-m", "rekey")
QUICK = {"REKEY_KUBELET_CACHE_LAG": "1s", "REKEY_KUBELET_PROPAGATION": "3s", "REKEY_WORKERS": "8"}
PATIENCE = 90.0


class Operator:
    """`rekey run` for some namespaces, with one log through all of its lives."""

    def __init__(
        self,
        kubeconfig: Path,
        namespaces: Sequence[str],
        directory: Path,
        settings: Mapping[str, str],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        scope = [flag for name in namespaces for flag in ("--namespace", name)]
        self._program = (*program, "run", "--http-port", "0", "--log-format", "json", *scope)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("REKEY_")}
        self._environment = {**clean, "KUBECONFIG": str(kubeconfig), **QUICK, **settings}
        self.kubeconfig = kubeconfig
        self._log = directory / "operator.log"
        self._log.touch()
        self._process: Forked | None = None
        self._from = 0

    def another(self, name: str, program: Sequence[str] | None = None, **variables: str) -> "Operator":
        """Return one more of the same with a log of its own, not started; these variables are different."""
        twin = copy.copy(self)
        twin._environment = {**self._environment, **variables}
        twin._log = self._log.with_name(f"{name}.log")
        twin._log.touch()
        twin._process, twin._from = None, 0
        if program is not None:
            twin._program = (*program, *self._program[self._program.index("run") :])
        return twin

    def vary(self, **variables: str) -> None:
        """Have its next life see these variables."""
        self._environment = {**self._environment, **variables}

    def send(self, what: signal.Signals) -> None:
        """Send a signal to the running process."""
        assert self._process
        self._process.send(what)

    def said(self, message: str) -> int:
        """Return how often it logged this message in all of its lives."""
        return sum(line.get("message") == message for line in self.lines())

    def start(self) -> None:
        """Start it and wait until it knows all credentials."""
        self.launch()
        until(self._working, f"the operator to work, see {self._log}", seconds=PATIENCE)

    def launch(self) -> None:
        """Start it."""
        self._from = self._log.stat().st_size
        self._process = forking.start(self._program, self._environment, self._log)

    def _working(self) -> bool:
        """Tell whether its first look at everything is over."""
        assert self._process
        assert not self._process.ended(), f"the operator ended:\n{self.text()[-3000:]}"
        return any(line.get("message") == "all credentials are known" for line in self.lines(self._from))

    def stop(self) -> None:
        """Stop it as a person would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send(by)
            assert self._process.ended(PATIENCE), f"the operator does not end:\n{self.text()[-3000:]}"
            self._process.close()
        self._process = None

    def text(self) -> str:
        """Return all that it ever logged."""
        return self._log.read_text(errors="replace")

    def lines(self, since: int = 0) -> list[dict[str, Any]]:
        """Return its log lines since that place in the log."""
        raw = self._log.read_bytes()[since:].decode(errors="replace").splitlines()
        return [json.loads(line) for line in raw if line.startswith("{") and line.endswith("}")]

    def faults(self) -> list[str]:
        """Return the lines that a healthy operator with all its rights never logs."""
        bad = [line for line in self.lines() if line.get("level") == "error" or "Forbidden" in json.dumps(line)]
        strange = [line for line in self.text().splitlines() if line and not line.startswith("{")]
        return [json.dumps(line) for line in bad] + strange

    def metrics(self) -> str:
        """Return what it measured."""
        port = next(line["port"] for line in reversed(self.lines()) if line.get("port"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            return str(reply.read().decode())
