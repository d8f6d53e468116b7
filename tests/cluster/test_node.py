"""Real pods on a real kubelet."""

import base64
import json
import urllib.request

import pytest
import yaml

from tests.cluster import images
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until

pytestmark = [pytest.mark.kube, pytest.mark.node]

POD = {
    "containers": [
        {
            "name": "reader",
            "image": images.READER,
            "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}}],
            "volumeMounts": [
                {"name": "secret", "mountPath": "/etc/secret"},
                {"name": "secret", "mountPath": "/etc/one/password", "subPath": "password"},
            ],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        }
    ],
    "volumes": [{"name": "secret", "secret": {"secretName": "s"}}],
    "terminationGracePeriodSeconds": 2,
}


def read(address: str, path: str) -> str:
    """Return what the pod reads at this moment."""
    with urllib.request.urlopen(f"http://{address}:8080/{path}", timeout=10) as reply:
        return str(reply.read().decode())


def test_a_real_pod_reads_its_secret(node_cluster: Cluster, node_namespace: str) -> None:
    """By env, volume and subPath it reads the first value; after a change the volume alone follows."""

    def kubectl(*args: str, stdin: str | None = None) -> str:
        return node_cluster.kubectl("-n", node_namespace, *args, stdin=stdin)

    kubectl("create", "secret", "generic", "s", "--from-literal=password=first")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader"}, "spec": POD}
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))
    kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=60s")
    address = json.loads(kubectl("get", "pod", "reader", "-o", "json"))["status"]["podIP"]
    paths = {"env": "env/PASSWORD", "volume": "file/etc/secret/password", "subPath": "file/etc/one/password"}
    assert {how: read(address, path) for how, path in paths.items()} == dict.fromkeys(paths, "first")
    assert "reading" in kubectl("logs", "reader")
    second = base64.b64encode(b"second").decode()
    kubectl("patch", "secret", "s", "-p", json.dumps({"data": {"password": second}}))
    until(lambda: read(address, paths["volume"]) == "second", "the volume to follow", seconds=120, every=0.5)
    assert read(address, paths["env"]) == "first"
    assert read(address, paths["subPath"]) == "first"


def test_a_real_pod_reaches_the_api_server(node_cluster: Cluster, node_namespace: str) -> None:
    """At the address that the kubelet writes into its environment, with its own token."""
    script = (
        "import os, ssl, urllib.request as r\n"
        "d = '/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "c = ssl.create_default_context(cafile=d + 'ca.crt')\n"
        "h = {'Authorization': 'Bearer ' + open(d + 'token').read()}\n"
        "u = f\"https://{os.environ['KUBERNETES_SERVICE_HOST']}/version\"\n"
        "print(r.urlopen(r.Request(u, headers=h), context=c, timeout=20).read().decode())\n"
    )
    container = {"name": "asker", "image": images.READER, "command": ["python3", "-c", script]}
    spec = {"containers": [container], "restartPolicy": "Never"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asker"}, "spec": spec}
    node_cluster.apply(yaml.safe_dump(pod), node_namespace)
    done = "--for=jsonpath={.status.phase}=Succeeded"
    node_cluster.kubectl("-n", node_namespace, "wait", done, "pod/asker", "--timeout=60s")
    assert "v1.36.3" in node_cluster.kubectl("-n", node_namespace, "logs", "asker")
