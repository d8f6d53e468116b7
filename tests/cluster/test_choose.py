"""Which backend is taken, and that each of those that can be had here is a cluster."""

import json
import socket
from pathlib import Path

import pytest

from tests.cluster import choose, controlplane, ports
from tests.cluster.errors import ClusterError, PortTaken
from tests.cluster.handle import NOTE, Cluster, KubectlFailed
from tests.cluster.options import Options, Ports, User

_GIVEN = {"REKEY_TEST_KUBECONFIG": "k", "KUBEBUILDER_ASSETS": "a"}


@pytest.mark.parametrize(
    ("environ", "docker", "taken"),
    [
        pytest.param(_GIVEN, True, choose.GIVEN, id="a cluster given on purpose"),
        pytest.param({"KUBEBUILDER_ASSETS": "a"}, True, choose.ASSETS, id="a folder of servers"),
        pytest.param({"KUBEBUILDER_ASSETS": ""}, True, choose.KIND, id="an empty variable is none"),
        pytest.param({}, True, choose.KIND, id="kind where Docker runs"),
        pytest.param({}, False, choose.BUILT, id="else servers of our own"),
        pytest.param({"KUBECONFIG": "k"}, False, choose.BUILT, id="everyday work's KUBECONFIG is left alone"),
    ],
)
def test_the_order_of_the_backends(environ: dict[str, str], taken: str, *, docker: bool) -> None:
    """The first that applies is taken."""
    assert choose.backend(environ, lambda: docker) == taken


def test_docker_is_not_asked_if_it_does_not_matter() -> None:
    """Asking a Docker engine that does not answer takes seconds."""

    def ask() -> bool:
        raise AssertionError("asked")

    assert choose.backend(_GIVEN, ask) == choose.GIVEN


def test_a_folder_without_servers_is_refused(tmp_path: Path) -> None:
    """The message names the variable and what is missing."""
    (tmp_path / "etcd").touch()
    with pytest.raises(ClusterError, match=r"KUBEBUILDER_ASSETS.* has no kube-apiserver$"):
        choose.assets(tmp_path)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """The error names the port and whose it was to be, before any server starts."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        wanted = Ports(*ports.free(5))._replace(etcd=port)
        with pytest.raises(PortTaken, match=rf"port {port}, wanted for etcd, is taken"):
            controlplane.start(tmp_path, {}, Options(ports=wanted))
    assert controlplane.running(tmp_path) == []


@pytest.mark.kube
def test_a_given_cluster_is_used_and_left_alone(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server is ours, and after `stop` it still answers."""
    monkeypatch.setenv("REKEY_TEST_KUBECONFIG", str(cluster.kubeconfig))
    with choose.start(tmp_path) as given:
        assert given.server == cluster.server
        assert given.kwok == cluster.kwok
        assert given.ca_file.read_bytes() == cluster.ca_file.read_bytes()
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"


@pytest.mark.kube
def test_a_folder_of_servers_makes_a_cluster(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options that the usual one does without: an audit log and a user; nothing is left running."""
    if not (cluster.bin_dir / "etcd").exists():
        pytest.skip("the servers of this cluster are somebody else's")
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).symlink_to(cluster.bin_dir / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    monkeypatch.delenv("REKEY_TEST_KUBECONFIG", raising=False)
    state = tmp_path / "state"
    with choose.start(state, Options(audit="Metadata", users=(User("eve"),))) as own:
        assert (own.bin_dir / "etcd").resolve() == (cluster.bin_dir / "etcd").resolve()
        tokens = (state / "tokens.csv").read_text().splitlines()
        token = next(line.split(",")[0] for line in tokens if ",eve," in line)
        with pytest.raises(KubectlFailed, match='User "eve" cannot list resource "secrets"'):
            own.kubectl("--token", token, "get", "secrets")
        assert "apiserver_request_total" in own.metrics()
        audited = [json.loads(line) for line in (state / "audit.log").read_text().splitlines()]
        assert "eve" in {record["user"]["username"] for record in audited}
    assert controlplane.running(state) == []
    assert not (state / NOTE).exists()
