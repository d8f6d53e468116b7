"""The small service for proxies, as a process of its own and asked over HTTP."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.kit.mount import Mount
from tests.kit.values import Opaque, sha256

KIT = Path(__file__).parent.parent.parent / "clients" / "python"
TOKEN, FRESH, READER = Opaque(), Opaque(), Opaque()


@contextmanager
def checking(*arguments: str) -> Iterator[str]:
    """Run the service and give its address."""
    command = [sys.executable, "-m", "rekey_client.check", "--port", "0", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(KIT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            found = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", process.stderr.readline())
            assert found, "it does not listen"
            yield f"http://{found[1]}"
        finally:
            process.terminate()


def test_it_answers_a_proxy_through_a_rotation(tmp_path: Path) -> None:
    """The token is accepted, one without the scope is not, and after the swap the new one is."""
    reader = READER.row(2, scopes=["read"])
    mount = Mount(tmp_path / "verifier", sha256(TOKEN.row(7), reader))
    with checking("--directory", str(mount.path), "--audience", "orders", "--scope", "write") as url:

        def ask(authorization: str, path: str = "/orders/7") -> httpx.Response:
            return httpx.get(url + path, headers={"Authorization": authorization}, trust_env=False, timeout=30)

        accepted = ask(TOKEN.bearer)
        assert (accepted.status_code, accepted.headers["x-rekey-client"]) == (204, "orders")
        assert [ask(READER.bearer).status_code, ask(FRESH.bearer).status_code, ask("").status_code] == [403, 401, 401]
        mount.write(sha256(FRESH.row(8), reader))
        for _ in range(10_000):
            if ask(FRESH.bearer).status_code == 204:
                break
        assert ask(FRESH.bearer).headers["x-rekey-version"] == "8"
        assert "has been revoked" in ask(TOKEN.bearer).text


@pytest.mark.parametrize("arguments", [[], ["--directory", "x", "--jwks", "https://keys.test/"]])
def test_it_wants_one_source(arguments: list[str]) -> None:
    """Without one, or with two, it says how it is used and ends."""
    command = [sys.executable, "-m", "rekey_client.check", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(KIT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "usage: python -m rekey_client.check" in done.stderr
