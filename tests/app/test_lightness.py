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


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Return what is there after all imports of `rekey run` in a pod."""
    program = "import sys; from rekey.app import cli, run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_not_loaded_at_the_start(what: str, loaded: set[str]) -> None:
    """After all imports of `rekey run` in a pod it is not there."""
    assert "aiohttp" in loaded
    assert ABSENT[what] not in loaded
