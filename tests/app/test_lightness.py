"""What a process of the operator does not carry along."""

import subprocess
import sys


def test_the_kubernetes_package_is_not_loaded_in_a_pod() -> None:
    """Only a kubeconfig needs it: after all imports of `rekey run` it is not there."""
    program = "import sys; from rekey.app import cli, run; assert 'kubernetes' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
