"""Reading a cluster cheaply and often: HTTP over the unix socket of a `kubectl proxy`, whatever the login is."""

import contextlib
import http.client
import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.handle import Cluster
from tests.cluster.waiting import until

FOLDERS = {
    "rotatedcredentials": "apis/rekey.dev/v1alpha1",
    "rotationrequests": "apis/rekey.dev/v1alpha1",
    "credentialproviders": "apis/rekey.dev/v1alpha1",
    "secrets": "api/v1",
    "pods": "api/v1",
    "serviceaccounts": "api/v1",
    "events": "apis/events.k8s.io/v1",
    "deployments": "apis/apps/v1",
    "replicasets": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "daemonsets": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    "leases": "apis/coordination.k8s.io/v1",
}


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def folder(resource: str, namespace: str) -> str:
    """Return the path of all objects of a kind in a namespace."""
    return f"/{FOLDERS[resource]}/namespaces/{namespace}/{resource}"


class Reader:
    """Uncached reads; it writes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = self.socket = path

    def text(self, path: str) -> str | None:
        """Return what the API server answers, None if there is no such thing."""
        # 429 is what it answers about a kind whose CRD is new, "Established" or not.
        answer = until(lambda: self._answer(path), f"an answer to GET {path}", seconds=30)
        assert answer is not None
        return answer[0]

    def _answer(self, path: str) -> tuple[str | None] | None:
        connection = Connection(self._path)
        with contextlib.closing(connection):
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read().decode()
            if reply.status == http.client.TOO_MANY_REQUESTS:
                return None
            if reply.status == http.client.NOT_FOUND:
                return (None,)
            assert reply.status == http.client.OK, f"GET {path}: {reply.status} {body[:300]}"
            return (body,)

    def get(self, path: str) -> Any:
        """Return the parsed answer, None if there is no such thing."""
        text = self.text(path)
        return None if text is None else json.loads(text)

    def watch(self, path: str, version: str) -> "Watch":
        """Follow what happens after that resourceVersion."""
        return Watch(self._path, f"{path}?watch=1&resourceVersion={version}")


class Watch:
    """Changes as they come; `close` from another thread ends it."""

    def __init__(self, path: Path, query: str) -> None:
        self._connection = Connection(path)
        self._connection.request("GET", query)
        assert self._connection.sock
        self._connection.sock.settimeout(None)
        self._socket = self._connection.sock

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            reply = self._connection.getresponse()
            while line := reply.readline():
                change = json.loads(line)
                yield change["type"], change["object"]

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextmanager
def reading(cluster: Cluster) -> Iterator[Reader]:
    """Give a reader for as long as its proxy runs."""
    with tempfile.TemporaryDirectory(prefix="rekey-") as short:
        path = Path(short) / "api"
        argv = [
            str(cluster.bin_dir / "kubectl"),
            f"--kubeconfig={cluster.kubeconfig}",
            "proxy",
            f"--unix-socket={path}",
        ]
        proxy = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(path.exists, "kubectl proxy", seconds=30)
            yield Reader(path)
        finally:
            proxy.terminate()
            proxy.wait()
