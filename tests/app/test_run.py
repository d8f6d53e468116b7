"""The program itself, as a process, against a real API server."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.program import rekey
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until

pytestmark = pytest.mark.kube

METRICS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
# One of them is given only where a fence is looked for.
DOCUMENTED = set(re.findall(r"^\| `(rekey_\w+?)`", METRICS, re.MULTILINE)) - {"rekey_fenced"}
WELL = "[+] nothing is missing: ok\n[+] the API server answers: ok\n[+] credentials are known: ok\n"
UNKNOWN = ("[+] credentials are known: ok", "[-] credentials are known: the first list is not complete")
CREDENTIAL = """
apiVersion: rekey.dev/v1alpha1
kind: RotatedCredential
metadata: {name: orders}
spec:
  generate: {token: {prefix: ord_}}
  rotation: {interval: 720h}
  overlap: {duration: 1h}
"""
ROLE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: rekey}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rekey}
rules:
- {apiGroups: [rekey.dev], resources: [rotatedcredentials, rotatedcredentials/status], verbs: [get, list, watch, patch]}
- {apiGroups: [rekey.dev], resources: [rotationrequests], verbs: [get, list, watch, delete]}
- {apiGroups: [rekey.dev], resources: [rotationrequests/status], verbs: [patch]}
- {apiGroups: [rekey.dev], resources: [credentialproviders], verbs: [get]}
- {apiGroups: [rekey.dev], resources: [credentialproviders/status], verbs: [patch]}
- {apiGroups: [""], resources: [secrets], verbs: [get, create, patch]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
- {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets], verbs: [get, list, patch]}
- {apiGroups: [batch], resources: [jobs, cronjobs], verbs: [get, list]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, update, create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rekey}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rekey}
subjects: [{kind: ServiceAccount, name: rekey}]
"""


class Process:
    """A running `rekey`, its log and its probes."""

    def __init__(self, log: Path, kubeconfig: Path, *args: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rekey", "run", "--http-port", "0", "--log-format", "json", *args],
                env={**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": "operator"},
                cwd=Path(__file__).parents[2],
                stderr=stderr,
            )

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    def said(self, text: str) -> bool:
        """Return whether a line with this text was logged."""
        return any(text in line["message"] for line in self.lines())

    def get(self, path: str) -> tuple[int, str]:
        """Ask a probe."""
        port = next(line["port"] for line in self.lines() if "port" in line)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop and return how it ended."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, served: Cluster) -> Iterator[Start]:
    """Start `rekey run` in one namespace; whatever runs in the end is killed."""
    started: list[Process] = []

    def begin(namespace: str, kubeconfig: Path | None = None) -> Process:
        log = tmp_path / f"log{len(started)}"
        where = ("--namespace", namespace, "--lease-namespace", namespace)
        started.append(Process(log, kubeconfig or served.kubeconfig, *where))
        return started[-1]

    yield begin
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


def as_service_account(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """Write a kubeconfig that logs in as the ServiceAccount `rekey` of the namespace."""
    config = yaml.safe_load(cluster.kubectl("config", "view", "--minify", "--flatten", "--raw"))
    token = cluster.kubectl("-n", namespace, "create", "token", "rekey").strip()
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_from_start_to_stop(start: Start, served: Cluster, namespace: str) -> None:
    """Ready when the list is known; a credential gets its version; SIGTERM ends it with 0 and one last line."""
    served.apply(CREDENTIAL, namespace)
    process = start(namespace)
    until(lambda: process.said("all credentials are known"), "the first list", seconds=60)
    assert process.get("/readyz") == (200, WELL)
    served.kubectl("-n", namespace, "wait", "rcred/orders", "--for=condition=Ready", "--timeout=60s")
    assert process.get("/livez")[0] == 200
    metrics = process.get("/metrics")[1]
    assert re.search(r'rekey_rotations_total\{cause="FirstIssue",result="Completed"\} 1\.0', metrics)
    assert 'rekey_credentials{state="Ready"} 1.0' in metrics
    assert f'credential="orders",namespace="{namespace}"' in metrics
    assert process.end() == 0
    assert process.lines()[-1]["message"] == "stopped"
    token = json.loads(served.kubectl("-n", namespace, "get", "secret", "orders", "-o", "json"))["data"]["token"]
    assert token not in process.log.read_text() + metrics
    assert set(re.findall(r"^# TYPE (rekey_\w+(?<!_created)) ", metrics, re.MULTILINE)) == DOCUMENTED


def test_a_settled_credential_is_left_alone_after_a_restart(start: Start, served: Cluster, namespace: str) -> None:
    """The second start writes nothing: the credential keeps its resourceVersion."""
    served.apply(CREDENTIAL, namespace)
    first = start(namespace)
    served.kubectl("-n", namespace, "wait", "rcred/orders", "--for=condition=Ready", "--timeout=60s")
    assert first.end(signal.SIGINT) == 0
    before = served.kubectl("-n", namespace, "get", "rcred", "orders", "-o", "jsonpath={.metadata.resourceVersion}")
    second = start(namespace)
    passes = re.compile(r"rekey_reconcile_seconds_count (\S+)")

    def looked() -> bool:
        return second.said("answering") and float(passes.findall(second.get("/metrics")[1])[0]) >= 1

    until(looked, "a look at the credential", seconds=60)
    metrics = second.get("/metrics")[1]
    assert not re.findall(
        r'rekey_api_requests_total\{.*resource="(?:secrets|rotatedcredentials/status|events)".*', metrics
    )
    after = served.kubectl("-n", namespace, "get", "rcred", "orders", "-o", "jsonpath={.metadata.resourceVersion}")
    assert after == before


def test_a_missing_right_is_named_and_waited_for(start: Start, served: Cluster, namespace: str, tmp_path: Path) -> None:
    """The right to delete Secrets is missing: one line says so, it is alive and not ready; granted, it works."""
    served.apply(ROLE, namespace)
    process = start(namespace, as_service_account(served, namespace, tmp_path))
    text = f"missing right: delete secrets in namespace {namespace}; waiting for somebody to grant it"
    until(lambda: process.said(text), "the missing right", seconds=60)
    missing = {line["message"] for line in process.lines() if line["message"].startswith("missing right")}
    assert missing == {text}
    assert process.get("/livez")[0] == 200
    assert process.get("/readyz") == (
        503,
        WELL.replace("[+] nothing is missing: ok", f"[-] nothing is missing: {text}").replace(*UNKNOWN),
    )
    served.apply(ROLE.replace("[get, create, patch]", "[get, create, patch, delete]"), namespace)
    until(lambda: process.said("all credentials are known"), "the work to begin", seconds=60)
    assert process.end() == 0


def test_an_unreachable_server_is_named_and_the_order_to_stop_heeded(
    start: Start, served: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Nobody listens at the address of the kubeconfig: one line names it, the process lives and can be stopped."""
    config = yaml.safe_load(served.kubectl("config", "view", "--minify", "--flatten", "--raw"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    process = start(namespace, path)
    text = "the API server https://127.0.0.1:9 cannot be used: get apis: no answer"
    until(lambda: process.said(text), "the line", seconds=60)
    assert process.get("/livez")[0] == 200
    assert process.end() == 0


def test_a_taken_port_is_named(start: Start, served: Cluster, namespace: str, tmp_path: Path) -> None:
    """A port that somebody else has: one line that says what to set, and exit code 1."""
    first = start(namespace)
    until(lambda: any("port" in line for line in first.lines()), "the port", seconds=60)
    port = next(line["port"] for line in first.lines() if "port" in line)
    done = rekey("run", "--http-port", str(port), kubeconfig=served.kubeconfig)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"rekey: port {port} cannot be used")
    assert "Traceback" not in done.stderr


def test_a_second_signal_ends_at_once(start: Start, namespace: str) -> None:
    """Two signals: the process ends without waiting, and says so by its exit code."""
    process = start(namespace)
    until(lambda: process.said("all credentials are known"), "the first list", seconds=60)
    os.kill(process.process.pid, signal.SIGSTOP)  # so that both are pending when it goes on
    process.process.send_signal(signal.SIGTERM)
    process.process.send_signal(signal.SIGINT)
    os.kill(process.process.pid, signal.SIGCONT)
    assert process.process.wait(timeout=30) == 130
