"""A real OpenSSH server lets both versions in during the overlap, and the old one no more when its line is gone."""

import getpass
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rekey.core.material import Issued
from tests.cluster.waiting import until
from tests.providers.making import files, make, values

KINDS: dict[str, dict[str, Any]] = {"ed25519": {}, "rsa": {"type": "rsa"}}
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SSH = shutil.which("ssh")

pytestmark = pytest.mark.skipif(
    not (SSHD and SSH), reason="no OpenSSH here: install Debian's openssh-server and openssh-client"
)


@dataclass(frozen=True)
class Server:
    """A running server, and where it reads who may come in."""

    folder: Path
    port: int

    @property
    def authorized(self) -> Path:
        """Its authorized_keys."""
        return self.folder / "authorized_keys"

    def accept(self, *versions: Issued) -> None:
        """Let these come in, and no others; a verifier Secret is changed as a whole likewise."""
        lines = "".join(values(one)["ssh-publickey"] + "\n" for one in versions)
        fresh = self.folder / "authorized_keys.new"
        fresh.write_text(lines)
        fresh.replace(self.authorized)

    def lets_in(self, version: Issued) -> bool:
        """Log in with that key alone and run a command."""
        key = files(self.folder / "client", version.material) / "ssh-privatekey"
        options = {
            "IdentitiesOnly": "yes", "IdentityAgent": "none", "BatchMode": "yes", "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.folder / "known_hosts", "PreferredAuthentications": "publickey",
            "ConnectTimeout": "30",
        }  # fmt: skip
        told = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        where = ["-p", str(self.port), f"{getpass.getuser()}@127.0.0.1"]
        command = [str(SSH), "-F", "none", *told, "-i", str(key), *where, "echo", "let", "in"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "let in" or "Permission denied" in done.stderr, done.stderr
        return done.stdout.strip() == "let in"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a server on the loopback; its own host key is one of ours, too."""
    host = make("sshKey")
    key = files(tmp_path / "host", host.material) / "ssh-privatekey"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    known = " ".join(values(host)["ssh-publickey"].split()[:2])
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {known}\n")
    (tmp_path / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {key}\nPidFile none\nStrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {tmp_path}/authorized_keys\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nLogLevel VERBOSE\n"
    )
    log = tmp_path / "log"
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)  # where it locks its children in
    with log.open("w") as out:
        process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=out)
        try:
            until(lambda: "Server listening" in log.read_text(), "sshd to listen", seconds=30)
            yield Server(tmp_path, port)
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_a_login_through_rotations(server: Server, kind: str) -> None:
    """Old and new come in while both lines stand there, and the old one not after; a stranger never does."""
    versions = [make("sshKey", **KINDS[kind]) for _ in range(4)]
    server.accept(versions[0])
    assert server.lets_in(versions[0])
    for old, new in pairwise(versions):
        assert not server.lets_in(new)
        server.accept(new, old)
        assert server.lets_in(old)
        assert server.lets_in(new)
        server.accept(new)
        assert not server.lets_in(old)
        assert server.lets_in(new)
