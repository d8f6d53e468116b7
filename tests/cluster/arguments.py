"""The command lines of the control plane's servers."""

from pathlib import Path

import yaml

from tests.cluster.options import Options, Ports

_NOT_WANTED = (
    "horizontal-pod-autoscaler-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
)


def etcd(bin_dir: Path, directory: Path, at: Ports, options: Options) -> list[str]:
    """Return how to start etcd."""
    client, peer = (f"http://127.0.0.1:{port}" for port in (at.etcd, at.etcd_peer))
    return [
        f"{bin_dir}/etcd",
        f"--data-dir={directory}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        *(() if options.fsync else ("--unsafe-no-fsync",)),
        *options.etcd_args,
    ]


def apiserver(bin_dir: Path, directory: Path, at: Ports, options: Options) -> list[str]:
    """Return how to start the API server."""
    audit: tuple[str, ...] = ()
    if options.audit:
        rules = [{"level": options.audit, "omitStages": ["RequestReceived"]}]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
        (directory / "audit.yaml").write_text(yaml.safe_dump(policy))
        audit = (f"--audit-policy-file={directory}/audit.yaml", f"--audit-log-path={directory}/audit.log")
    return [
        f"{bin_dir}/kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{at.etcd}",
        f"--secure-port={at.apiserver}",
        f"--bind-address={options.listen}",
        f"--tls-cert-file={directory}/server.crt",
        f"--tls-private-key-file={directory}/server.key",
        f"--cert-dir={directory}/certs",
        f"--client-ca-file={directory}/ca.crt",
        f"--token-auth-file={directory}/tokens.csv",
        f"--service-account-key-file={directory}/service-accounts.key",
        f"--service-account-signing-key-file={directory}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--allow-privileged",
        *audit,
        *options.apiserver_args,
    ]


def controller_manager(bin_dir: Path, directory: Path, at: Ports) -> list[str]:
    """Return how to start the controller manager."""
    return [
        f"{bin_dir}/kube-controller-manager",
        f"--kubeconfig={directory}/kubeconfig",
        f"--service-account-private-key-file={directory}/service-accounts.key",
        f"--root-ca-file={directory}/ca.crt",
        f"--cluster-signing-cert-file={directory}/ca.crt",
        f"--cluster-signing-key-file={directory}/ca.key",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={at.controller_manager}",
        # Nobody here scales or has disks; what is left makes and rolls pods, and deletes.
        f"--controllers=*,{','.join(f'-{name}' for name in _NOT_WANTED)}",
        # Many tests share one controller manager: its own brakes would make them wait for one another.
        "--kube-api-qps=400",
        "--kube-api-burst=800",
        "--concurrent-deployment-syncs=20",
        "--concurrent-replicaset-syncs=20",
        "--concurrent-statefulset-syncs=20",
        "--concurrent-daemonset-syncs=20",
        "--concurrent-job-syncs=20",
        "--concurrent-namespace-syncs=20",
        # A busy machine is no dead node.
        "--node-monitor-grace-period=10m",
    ]


def scheduler(bin_dir: Path, directory: Path, at: Ports) -> list[str]:
    """Return how to start the scheduler."""
    return [
        f"{bin_dir}/kube-scheduler",
        f"--kubeconfig={directory}/kubeconfig",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={at.scheduler}",
        "--kube-api-qps=400",
        "--kube-api-burst=800",
    ]
