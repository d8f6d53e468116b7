"""What a process of the operator does not carry along: libraries' doing that nobody here needs."""

import subprocess
import sys

import pytest

ABSENT = {
    "the Kubernetes client that a kubeconfig needs": "assert 'kubernetes' not in sys.modules",
    "the authorities that this machine trusts": "assert not connector._SSL_CONTEXT_VERIFIED.get_ca_certs()",
}


@pytest.mark.parametrize("what", ABSENT)
def test_what_the_operator_does_not_load(what: str) -> None:
    """After all imports of `rekey run` in a pod it is not there."""
    program = f"import sys; from rekey.app import cli, run; from aiohttp import connector; {ABSENT[what]}"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_who_asks_for_the_authorities_later_finds_them() -> None:
    """They are left out while one library is imported, and not for ever."""
    plain = "import ssl; print(ssl.create_default_context().cert_store_stats())"
    ours = f"import rekey.kube.client; {plain}"
    said = [subprocess.check_output([sys.executable, "-c", program], timeout=60) for program in (plain, ours)]
    assert said[0] == said[1]
