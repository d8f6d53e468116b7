"""The program as a process of its own that ends by itself."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rekey(*args: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end; what it printed is in the answer."""
    env = {**os.environ, "PYTHONPATH": "operator"}
    if kubeconfig is not None:
        env["KUBECONFIG"] = str(kubeconfig)
    argv = [sys.executable, "-m", "rekey", *args]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
