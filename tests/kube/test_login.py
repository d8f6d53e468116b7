"""How Rekey finds its API server and stays logged in."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rekey.errors import RekeyError
from rekey.kube.api import GET, SECRETS
from rekey.kube.client import Client
from rekey.kube.config import Access, NoAccessError, load
from rekey.kube.login import Program, TokenFile
from tests.cluster import pki
from tests.cluster.handle import Cluster
from tests.kube.answering import always, answering, status

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class Ticks:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def asked(login: TokenFile | Program) -> str | None:
    """Return the header that the login gives now."""
    return asyncio.run(login.header())


def test_token_file(tmp_path: Path) -> None:
    """A token that the kubelet renewed is used ten seconds later, or at once if the old one was refused."""
    file, ticks = tmp_path / "token", Ticks()
    file.write_text("one\n")
    login = TokenFile(file, ticks)
    file.write_text("two\n")
    shown = [asked(login)]
    ticks.now = 10
    shown.append(asked(login))
    file.write_text("three\n")
    shown.append(asked(login))
    login.refused()
    shown.append(asked(login))
    assert shown == ["Bearer one", "Bearer two", "Bearer two", "Bearer three"]


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_token_file_in_between(tmp_path: Path, state: str) -> None:
    """While the file is being replaced, the token at hand stays in use."""
    file, ticks = tmp_path / "token", Ticks()
    file.write_text("one")
    login = TokenFile(file, ticks)
    file.write_text("")
    if state == "missing":
        file.unlink()
    ticks.now = 60
    assert asked(login) == "Bearer one"


def test_program() -> None:
    """A program is asked every ten seconds, and is told when what it gave last was refused."""
    told: list[bool] = []

    def ask(refused: bool) -> str:  # noqa: FBT001  as Program calls it
        told.append(refused)
        return f"Bearer {len(told)}"

    ticks = Ticks()
    login = Program(ask, "Bearer 0", ticks)
    shown = [asked(login)]
    login.refused()
    for now in (5, 10, 15, 20):
        ticks.now = now
        shown.append(asked(login))
    assert shown == ["Bearer 0", "Bearer 0", "Bearer 1", "Bearer 1", "Bearer 2"]
    assert told == [True, False]


def service_account(folder: Path, cluster: Cluster) -> Path:
    """Write the three files that a pod finds."""
    (folder / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    (folder / "token").write_text(cluster.token)
    (folder / "namespace").write_text("rekey-system\n")
    return folder


async def reach(access: Access) -> None:
    """Read a Secret that does not exist; anything but that is an error."""
    async with Client(access) as client:
        with pytest.raises(RekeyError, match="there is none"):
            await client.request(GET, SECRETS.one("default", "no-such-secret"))


@pytest.mark.kube
def test_in_a_pod(tmp_path: Path, cluster: Cluster) -> None:
    """In a pod its ServiceAccount is used."""
    host, _, port = cluster.server.removeprefix("https://").partition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port or "443"}
    access = load(environ, service_account=service_account(tmp_path, cluster))
    assert access.namespace == "rekey-system"
    asyncio.run(reach(access))


def test_in_a_pod_nothing_more_is_imported(tmp_path: Path) -> None:
    """In a pod the large `kubernetes` package is not imported."""
    program = (
        "import sys, pathlib; from rekey.kube import config, connect\n"
        f"try: config.load({POD!r}, service_account=pathlib.Path({str(tmp_path)!r}))\n"
        "except config.NoAccessError: print('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
    ids=["version 4", "version 6"],
)
def test_address(tmp_path: Path, host: str, server: str) -> None:
    """The API server's address may be of either version of IP."""
    pki.write_all(tmp_path, ["127.0.0.1"])
    for name in ("token", "namespace"):
        (tmp_path / name).write_text(name)
    assert load({**POD, "KUBERNETES_SERVICE_HOST": host}, service_account=tmp_path).server == server


@pytest.mark.parametrize("file", ["ca.crt", "token", "namespace"])
def test_no_service_account(tmp_path: Path, file: str) -> None:
    """A pod without a ServiceAccount is told in one line which file is missing."""
    pki.write_all(tmp_path, ["127.0.0.1"])
    for name in {"token", "namespace"} - {file}:
        (tmp_path / name).write_text(name)
    if file == "ca.crt":
        (tmp_path / file).unlink()
    with pytest.raises(NoAccessError, match=rf"ServiceAccount cannot be used: .*/{file}: No such file"):
        load(POD, service_account=tmp_path)


def written(path: Path, user: Mapping[str, Any], **where: object) -> str:
    """Write a kubeconfig with one user and return its path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", **where}}],
        "users": [{"name": "u", "user": dict(user)}],
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u"}},
            {"name": "other", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
        ],
        "current-context": "main",
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.kube
def test_kubeconfig(cluster: Cluster) -> None:
    """Outside of a pod the kubeconfig is used; it goes before a pod's ServiceAccount if it is named."""
    access = load({**POD, "KUBECONFIG": str(cluster.kubeconfig)})
    assert access.server == cluster.server
    asyncio.run(reach(access))


def test_context(tmp_path: Path) -> None:
    """The context decides on the namespace."""
    file = written(tmp_path / "config", {"token": "t"})
    assert load({"KUBECONFIG": file}).namespace == "default"
    assert load({}, kubeconfig=file, context="other").namespace == "shop"


def test_client_certificate(tmp_path: Path) -> None:
    """A kubeconfig may log in with a certificate."""
    pki.write_all(tmp_path, ["127.0.0.1"])
    pki.write_client(tmp_path, "me", "me", "us")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "me.crt"))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    user = {"client-certificate": "me.crt", "client-key": "me.key"}

    async def scene() -> None:
        async with answering(always(404, status("NotFound")), tls) as server:
            where = {"server": server.server, "certificate-authority": "ca.crt"}
            access = load({"KUBECONFIG": written(tmp_path / "config", user, **where)})
            assert access.login is None
            await reach(access)

    asyncio.run(scene())


@pytest.mark.kube
def test_exec_plugin(tmp_path: Path, cluster: Cluster) -> None:
    """A kubeconfig's program gives the token, and another if that is refused; failing changes nothing."""
    script, count = tmp_path / "login", tmp_path / "count"
    script.write_text(
        f"#!/bin/sh\necho x >> {count}\n"
        'echo \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
        f'"status":{{"token":"{cluster.token}"}}}}\'\n'
    )
    script.chmod(0o700)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(script),
        "interactiveMode": "Never",
    }
    where = {"server": cluster.server, "certificate-authority": str(cluster.ca_file)}
    access = load({"KUBECONFIG": written(tmp_path / "config", {"exec": plugin}, **where)})
    asyncio.run(reach(access))
    assert count.read_text() == "x\n"
    assert isinstance(access.login, Program)
    access.login.refused()
    access.login._again = 0.0
    asyncio.run(reach(access))
    assert count.read_text() == "x\nx\n"
    script.write_text("#!/bin/sh\nexit 1\n")
    access.login.refused()
    access.login._again = 0.0
    asyncio.run(reach(access))


BAD_KUBECONFIGS = {
    "no login at all": ({}, {}, "gives no way to log in"),
    "a program that fails": (
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "/bin/false",
                "interactiveMode": "Never",
            }
        },
        {},
        "gives no way to log in",
    ),
    "a token file that is missing": ({"tokenFile": "/nowhere/token"}, {}, "cannot be used"),
    "an authority that is missing": (
        {"token": "t"},
        {"certificate-authority": "/nowhere/ca"},
        "cannot be used",
    ),
    "an authority that is none": ({"token": "t"}, {"certificate-authority-data": "eA=="}, "certificates"),
    "a token file in a folder that is a file": ({"tokenFile": "/dev/null/token"}, {}, "cannot be used"),
    "a proxy": ({"token": "t"}, {"proxy-url": "http://proxy"}, "proxy-url, which Rekey cannot use"),
    "another name in TLS": ({"token": "t"}, {"tls-server-name": "x"}, "tls-server-name, which"),
}


@pytest.mark.parametrize(("user", "where", "words"), BAD_KUBECONFIGS.values(), ids=BAD_KUBECONFIGS)
def test_bad_kubeconfig(tmp_path: Path, user: dict[str, Any], where: dict[str, Any], words: str) -> None:
    """A kubeconfig that cannot be used is reported in one line."""
    with pytest.raises(NoAccessError, match=words) as caught:
        load({"KUBECONFIG": written(tmp_path / "config", user, **where)})
    assert "\n" not in str(caught.value)


def test_no_such_context(tmp_path: Path) -> None:
    """A context that does not exist is reported in one line."""
    with pytest.raises(NoAccessError, match="cannot be used: Invalid kube-config file"):
        load({}, kubeconfig=written(tmp_path / "config", {"token": "t"}), context="nowhere")


NO_KUBECONFIGS: dict[str, tuple[str | None, str]] = {
    "no such file": (None, "there is no file FILE: set KUBECONFIG or --kubeconfig"),
    "not YAML": ("a: b\nfoo: [s3cret", "the kubeconfig FILE is not YAML: line 2: expected"),
    "a word": ("s3cret", "the kubeconfig FILE cannot be used: it does not have the form of one"),
    "a list": ("- s3cret", "the kubeconfig FILE cannot be used: it does not have the form of one"),
    "empty": ("", "the kubeconfig FILE cannot be used: Invalid kube-config"),
    "something else": ("s3cret: 1", "the kubeconfig FILE cannot be used: Invalid kube-config"),
}


@pytest.mark.parametrize("name", NO_KUBECONFIGS)
def test_no_kubeconfig(tmp_path: Path, name: str) -> None:
    """A file that is missing or no kubeconfig is reported in one line that quotes nothing of it."""
    text, message = NO_KUBECONFIGS[name]
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NoAccessError) as caught:
        load({"KUBECONFIG": str(file)})
    said = str(caught.value).replace(str(file), "FILE")
    assert said.startswith(message)
    assert "\n" not in said
    assert "s3cret" not in said
