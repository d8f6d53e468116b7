"""What a process of the operator does not carry along until it needs it."""

import subprocess
import sys

import pytest

ABSENT = {
    "what only a kubeconfig needs": "kubernetes",
    "what only key pairs and certificates need": "cryptography",
    "what only signing keys need": "joserfc",
    "what only access keys of AWS need": "botocore",
    "what only credentials at Vault need": "hvac",
}


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_not_loaded_at_the_start(what: str) -> None:
    """After all imports of `rekey run` in a pod it is not there."""
    program = f"import sys; from rekey.app import cli, run; assert '{ABSENT[what]}' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
