"""etcd, API server, controller manager and scheduler as local processes.

Order matters twice. Up: a server starts when the one that it needs answers, and only if the answer came from
the process that was started here. Down: the API server before etcd; without etcd it ignores SIGTERM for
minutes and keeps its port.
"""

import http.client
import secrets
import shutil
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.cluster import arguments, kwok, links, pki, ports, processes
from tests.cluster.handle import Cluster
from tests.cluster.options import Options, Ports, User
from tests.cluster.processes import Server
from tests.cluster.waiting import until

STOP_ORDER = ("kwok", "scheduler", "controller-manager", "apiserver", "etcd")
_SERVICE_IP = "10.0.0.1"


def start(directory: Path, binaries: Mapping[str, Path], options: Options, backend: str = "local") -> Cluster:
    """Start an empty control plane with its state in `directory`, and return it when it answers."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    # What an earlier one stored goes with its keys, which are made anew below.
    shutil.rmtree(directory / "etcd", ignore_errors=True)
    at = _take_ports(options.ports)
    bin_dir = links.make(directory / "bin", binaries)
    pki.write_all(directory, [options.listen, _SERVICE_IP])
    token = _write_users(directory, options)
    server = f"https://{options.listen}:{at.apiserver}"
    cluster = Cluster(
        kubeconfig=_write_kubeconfig(directory, server, token),
        backend=backend,
        bin_dir=bin_dir,
        server=server,
        ca_file=directory / "ca.crt",
        token=token,
        kwok=options.with_kwok,
        directory=directory,
        stopping=lambda: stop(directory),
    )
    try:
        _start_servers(cluster, directory, at, options)
    except BaseException:
        stop(directory)
        raise
    return cluster


def stop(directory: Path) -> None:
    """Stop whatever servers the state folder tells of; their logs stay, their data goes."""
    for name in STOP_ORDER:
        server = processes.find(name, directory)
        if server:
            server.stop()
    shutil.rmtree(directory / "etcd", ignore_errors=True)


def running(directory: Path) -> list[str]:
    """Return the names of the servers of this state folder that run."""
    found = [(name, processes.find(name, directory)) for name in STOP_ORDER]
    return [name for name, server in found if server and server.alive()]


def _take_ports(wanted: Ports | None) -> Ports:
    if not wanted:
        return Ports(*ports.free(len(Ports._fields)))
    for who, port in wanted._asdict().items():
        ports.demand(port, who)
    return wanted


def _write_users(directory: Path, options: Options) -> str:
    tokens = directory / "tokens.csv"
    tokens.touch(0o600)
    everybody = (User("admin", ("system:masters",)), *options.users)
    made = {user: secrets.token_hex(16) for user in everybody}
    tokens.write_text(
        "".join(f'{token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user, token in made.items())
    )
    return made[everybody[0]]


def _write_kubeconfig(directory: Path, server: str, token: str) -> Path:
    path = directory / "kubeconfig"
    path.touch(0o600)
    where = {"server": server, "certificate-authority": str(directory / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rekey", "cluster": where}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "rekey", "context": {"cluster": "rekey", "user": "admin"}}],
        "current-context": "rekey",
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _start_servers(cluster: Cluster, directory: Path, at: Ports, options: Options) -> None:
    bin_dir = directory / "bin"
    etcd = processes.start("etcd", arguments.etcd(bin_dir, directory, at, options), directory)
    _until_ready(etcd, f"http://127.0.0.1:{at.etcd}/readyz")
    apiserver = processes.start("apiserver", arguments.apiserver(bin_dir, directory, at, options), directory)
    _until_ready(apiserver, f"{cluster.server}/readyz", cluster)
    rest = [
        processes.start("controller-manager", arguments.controller_manager(bin_dir, directory, at), directory),
        processes.start("scheduler", arguments.scheduler(bin_dir, directory, at), directory),
    ]
    if options.with_kwok:
        rest.append(kwok.start(cluster, directory))
    # A pod needs the ServiceAccount, which the controller manager makes: when it is there, the latter works.
    cluster.kubectl("-n", "default", "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    for server in (etcd, apiserver, *rest):
        server.demand()


def _until_ready(server: Server, url: str, cluster: Cluster | None = None) -> None:
    context = ssl.create_default_context(cafile=cluster.ca_file) if cluster else None
    token = {"Authorization": f"Bearer {cluster.token}"} if cluster else {}

    def answers() -> bool:
        server.demand()
        request = urllib.request.Request(url, headers=token)  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as reply:  # noqa: S310
                return bool(reply.status == http.client.OK)
        except OSError:
            return False

    until(answers, f"{server.name} to be ready (see {server.log})", seconds=60)
    server.demand()
