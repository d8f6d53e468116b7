"""SSH keys: OpenSSH reads both halves, and people can tell them apart."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from rekey.core.spec_generate import KEYS
from tests.providers.making import files, make, tool, values

RULES: dict[str, tuple[dict[str, Any], str, int]] = {
    "nothing is asked for": ({}, "ssh-ed25519", 256),
    "ed25519 with a comment": ({"type": "ed25519", "comment": "deploy of shop"}, "ssh-ed25519", 256),
    "rsa": ({"type": "rsa"}, "ssh-rsa", 3072),
    "rsa of 4096 bits": ({"type": "rsa", "bits": 4096, "comment": "a"}, "ssh-rsa", 4096),
}


@pytest.mark.parametrize("situation", RULES)
def test_both_halves_belong_together(situation: str) -> None:
    """The line is one, begins with its type and ends with the comment; the private half has that public one."""
    rules, kind, _ = RULES[situation]
    made = values(make("sshKey", **rules))
    assert set(made) == set(KEYS["sshKey"])
    line = made["ssh-publickey"]
    assert line.splitlines() == [line]
    assert line.split(" ", 2)[0] == kind
    assert line.split(" ", 2)[2:] == ([rules["comment"]] if "comment" in rules else [])
    private = load_ssh_private_key(made["ssh-privatekey"].encode(), None)
    assert private.public_key() == load_ssh_public_key(line.encode())


@pytest.mark.parametrize("situation", RULES)
def test_openssh_reads_them(situation: str, tmp_path: Path) -> None:
    """`ssh-keygen` tells length and fingerprint of both files, the same as is written beside the Secret."""
    rules, _, bits = RULES[situation]
    issued = make("sshKey", **rules)
    folder = files(tmp_path / "key", issued.material)
    for name in KEYS["sshKey"]:
        said = tool("ssh-keygen", "-l", "-f", folder / name).split()
        assert said[:2] == [str(bits), issued.public["fingerprint"]]
    public = tool("ssh-keygen", "-y", "-f", folder / "ssh-privatekey").split()
    assert public[:2] == values(issued)["ssh-publickey"].split()[:2]


def test_no_two_keys_are_alike() -> None:
    """A hundred keys have a hundred fingerprints."""
    assert len({make("sshKey").public["fingerprint"] for _ in range(100)}) == 100
