"""The operator as a process of its own: started, asked whether it is ready, and what it has cost so far."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cpu, memory
from tests.cluster import ports
from tests.cluster.waiting import until

ROOT = Path(__file__).parents[1]
QUIET = 0.06
"""Seconds of CPU in a second that are next to nothing."""


@dataclass(frozen=True)
class Place:
    """Where an operator runs: which API server, the folder with its login, and where it logs."""

    host: str
    port: str
    account: Path
    log: Path


class Controller:
    """One run of the operator."""

    def __init__(self, place: Place, profile: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        self._port = ports.free(1)[0]
        self._profiled = profile is not None
        self._log = place.log.open("ab")
        pod = {"KUBERNETES_SERVICE_HOST": place.host, "KUBERNETES_SERVICE_PORT": place.port}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("REKEY_", "KUBE"))}
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.as_in_a_pod", place.account, str(profile or "")),
                *("run", "--http-port", str(self._port), "--log-format", "json"),
            ],
            cwd=ROOT,
            env={**kept, **pod, **(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def until_ready(self, seconds: float = 120) -> float:
        """Wait for /readyz and return how long that took since the start."""
        until(self._is_ready, "the operator to be ready", seconds=seconds, every=0.02)
        return time.perf_counter() - self._began

    def until_quiet(self, seconds: float = 300, quiet: float = QUIET) -> None:
        """Wait until it has had next to nothing to do for a second."""
        for _ in range(2):
            until(lambda: self._is_quiet(quiet), "the operator to be quiet", seconds=seconds, every=0)

    def cpu(self) -> float:
        """Return the seconds of CPU it has used, of both kinds."""
        return cpu.of(Path(f"/proc/{self._process.pid}/stat"))

    def threads(self) -> dict[str, float]:
        """Return the seconds of CPU of each thread, the main one first."""
        tasks = sorted(Path(f"/proc/{self._process.pid}/task").iterdir(), key=lambda path: int(path.name))
        return {task.name: cpu.of(task / "stat") for task in tasks}

    def peak_mib(self) -> float:
        """Return the most memory it ever had, in MiB."""
        return memory.mib(self._process.pid, "VmHWM")

    def known(self) -> int:
        """Return how many credentials it keeps."""
        lines = [line for line in self.metrics().splitlines() if line.startswith("rekey_credentials{")]
        return sum(int(float(line.rpartition(" ")[2])) for line in lines)

    def metrics(self) -> str:
        """Return its own figures."""
        return self._ask("metrics")

    def profile(self, *, on: bool) -> None:
        """Begin or end profiling, where that was asked for."""
        if self._profiled:
            self._process.send_signal(signal.SIGUSR1 if on else signal.SIGUSR2)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Have it end in order; insist after a while."""
        self._process.terminate()
        try:
            self._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the operator ended with {self._process.returncode}; see {self._log.name}")
        try:
            return bool(self._ask("readyz"))
        except OSError:
            return False

    def _is_quiet(self, quiet: float) -> bool:
        before = self.cpu()
        time.sleep(1)
        return self.cpu() - before < quiet

    def _ask(self, path: str) -> str:
        address = f"http://127.0.0.1:{self._port}/{path}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return str(answer.read().decode())
