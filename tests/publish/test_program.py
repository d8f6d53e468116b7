"""`rekey publish` as a process with the rights that its chart gives it: read by PyJWT over TLS, and stopped."""

import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from rekey.app.publish.settings import read
from rekey.app.variables import BadSettings
from tests.cluster import build, choose
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.publish.objects import SPEC, status, token, version
from tests.publish.pairs import Pair, pair

ROOT = Path(__file__).parents[2]
PATIENCE = 60
DOCUMENTED = set(re.findall(r"^\| `(rekey_\w+?)`", (ROOT / "docs" / "publishing.md").read_text(), re.MULTILINE))


def _objects(name: str) -> list[dict[str, Any]]:
    """Return an account that may read credentials in one namespace, and do nothing else."""
    rule = {"apiGroups": ["rekey.dev"], "resources": ["rotatedcredentials"], "verbs": ["get", "list", "watch"]}
    inside = {"name": "publish", "namespace": name}
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": inside},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": inside, "rules": [rule]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": inside,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "publish"},
            "subjects": [{"kind": "ServiceAccount", **inside}],
        },
    ]


def _kubeconfig(cluster: Cluster, namespace: str) -> str:
    secret = cluster.kubectl("-n", namespace, "create", "token", "publish", "--duration=1h").strip()
    where = {"server": cluster.server, "certificate-authority": str(cluster.ca_file)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": where}],
            "users": [{"name": "me", "user": {"token": secret}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "here",
        }
    )


@dataclass
class Program:
    """A running `rekey publish` of one namespace."""

    cluster: Cluster
    namespace: str
    process: subprocess.Popen[bytes]
    log: Path
    served: Pair

    def tell(self, *versions: dict[str, Any], **changes: Any) -> None:
        """Give the credential a status."""
        patch = json.dumps({"status": status(*versions, **changes)})
        argv = ("patch", "rcred", "orders", "--subresource=status", "--type=merge", "-p", patch)
        self.cluster.kubectl("-n", self.namespace, *argv)

    def port(self, message: str) -> int:
        """Return the port that a log line tells."""

        def said() -> int | None:
            assert self.process.poll() is None, self.log.read_text()
            lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
            return next((line["port"] for line in lines if line["message"] == message), None)

        return until(said, f"{message!r} in the log", seconds=PATIENCE) or 0

    def url(self, document: str) -> str:
        """Return where a document of the credential is."""
        port = self.port("serving")
        return f"https://localhost:{port}/v1/namespaces/{self.namespace}/orders/{document}"

    def verifies(self, client: jwt.PyJWKClient, wanted: list[int]) -> bool:
        """Tell whether PyJWT takes tokens of these versions, of the first two, and of no other."""
        return [number for number in (1, 2) if _verifies(client, token(number, sub="orders"))] == wanted


def _verifies(client: jwt.PyJWKClient, signed: str) -> bool:
    try:
        key = client.get_signing_key_from_jwt(signed)
    except jwt.PyJWKClientError:
        return False
    return bool(jwt.decode(signed, key, algorithms=["ES256"])["sub"] == "orders")


@contextmanager
def running(cluster: Cluster, folder: Path) -> Iterator[Program]:
    """Run it for a fresh namespace with one credential."""
    namespace, served = f"t-{secrets.token_hex(4)}", pair()
    served.write(folder)
    credential = {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotatedCredential",
        "metadata": {"name": "orders", "namespace": namespace},
        "spec": SPEC,
    }
    items = [*_objects(namespace), credential]
    cluster.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    config, log = folder.parent / "kubeconfig", folder.parent / "log"
    config.write_text(_kubeconfig(cluster, namespace))
    flags = {
        "namespace": namespace,
        "host": "127.0.0.1",
        "port": "0",
        "http-port": "0",
        "tls-directory": str(folder),
        "log-format": "json",
    }
    argv = [sys.executable, "-m", "rekey", "publish", *(f"--{name}={value}" for name, value in flags.items())]
    environment = {**os.environ, "KUBECONFIG": str(config), "REKEY_PUBLISH_DRAIN": "0s"}
    with log.open("wb") as out:
        process = subprocess.Popen(argv, env=environment, stdout=out, stderr=out, cwd=ROOT)
    try:
        yield Program(cluster, namespace, process, log, served)
    finally:
        process.kill()
        process.wait()
        choose.leave(cluster, f"namespace/{namespace}")


STEPS: list[tuple[list[dict[str, Any]], list[int]]] = [
    ([version(1, "Active")], [1]),
    ([version(1, "Active"), version(2, "Published")], [1, 2]),
    ([version(1, "Retiring"), version(2, "Active")], [1, 2]),
    ([version(1, "Revoked"), version(2, "Active")], [2]),
]
"""The versions of a rotation, and those whose tokens are verified meanwhile."""


@pytest.mark.kube
def test_a_stranger_verifies_through_a_rotation(served: Cluster, folder: Path) -> None:
    """PyJWT knows each key before it signs and until it is revoked; no right is missing, and the end is in order."""
    with running(served, folder) as program:
        program.tell(version(1, "Active"))
        client = jwt.PyJWKClient(program.url("jwks.json"), cache_jwk_set=False, ssl_context=program.served.trusted())
        for versions, wanted in STEPS:
            program.tell(*versions)
            until(partial(program.verifies, client, wanted), f"versions {wanted} to be verified", seconds=PATIENCE)
        again = pair()
        again.write(folder)
        until(lambda: _answers(program.url("catalog.json"), again.trusted()), "the new certificate", seconds=PATIENCE)
        assert _figures(program) == DOCUMENTED
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE) == 0
        lines = [json.loads(line) for line in program.log.read_text().splitlines()]
        assert {line["level"] for line in lines} == {"info"}
        assert lines[-1]["message"] == "stopped"


@pytest.mark.kube
def test_a_verifier_in_go_does_so_too(served: Cluster, folder: Path) -> None:
    """So does go-oidc, over the same TLS."""
    peer = build.ensure(["jwks-peer"])["jwks-peer"]
    with running(served, folder) as program:
        program.tell(version(1, "Active"))
        environment = {**os.environ, "SSL_CERT_FILE": str(folder / "tls.crt")}

        def verified(wanted: list[int]) -> bool:
            tokens = "".join(f"{token(number, sub='orders')}\n" for number in (1, 2))
            argv = [str(peer), program.url("jwks.json")]
            done = subprocess.run(argv, input=tokens, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            said = zip((1, 2), done.stdout.splitlines(), strict=True)
            return [number for number, word in said if word == "yes"] == wanted

        for versions, wanted in STEPS:
            program.tell(*versions)
            until(partial(verified, wanted), f"versions {wanted} to be verified", seconds=PATIENCE)


def _answers(url: str, trusted: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10, context=trusted) as reply:  # noqa: S310  ours
            return bool(reply.status == 200)
    except OSError:
        return False


def _figures(program: Program) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{program.port('answering probes')}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    return {name for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE) if not name.endswith("_created")}


SECURE: dict[str, tuple[dict[str, Any], str | None]] = {
    "a certificate": ({"tls_directory": "/tls"}, None),
    "plain HTTP that was asked for": ({"insecure_http": True}, None),
    "loopback": ({"host": "127.0.0.1"}, None),
    "loopback of the other kind": ({"host": "::1"}, None),
    "nothing": ({}, "there is no certificate: name its directory (--tls-directory)"),
    "an address of the machine": ({"host": "10.0.0.1"}, "there is no certificate"),
    "any address": ({"host": "0.0.0.0"}, "there is no certificate"),  # noqa: S104  that is the point
    "both": ({"tls_directory": "/tls", "insecure_http": True}, "exclude each other"),
    "a flag that is none": ({"tls": "/tls"}, "--tls: there is no such setting"),
    "comparing without end": ({"host": "::1", "compare_interval": "1ms"}, "COMPARE_INTERVAL must be at least 1s"),
}


@pytest.mark.parametrize("name", SECURE)
def test_nobody_serves_in_the_clear_by_accident(name: str) -> None:
    """Without a certificate it takes a word, or loopback; what is wrong is said in one line."""
    given, message = SECURE[name]
    if message is None:
        read(given, {})
        return
    with pytest.raises(BadSettings, match=re.escape(message)):
        read(given, {})


def test_variables_are_its_own() -> None:
    """It takes `REKEY_PUBLISH_…`, refuses one that is none, and leaves those of the operator alone."""
    assert read({}, {"REKEY_PUBLISH_HOST": "::1", "REKEY_WORKERS": "4"}).host == "::1"
    with pytest.raises(BadSettings, match="REKEY_PUBLISH_HOSTS: there is no such setting"):
        read({"host": "::1"}, {"REKEY_PUBLISH_HOSTS": "a"})
