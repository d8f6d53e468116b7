"""Which servers the cluster is made of, and what else tests run, in which versions, and where they are cached."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "v1.36.3"
ETCD = "v3.6.5"
KWOK = "v0.7.0"
HELM = "v3.21.4"
LUA = "v1.1.1"
OIDC = "v3.21.0"
VAULT = "v1.18.0"
KIND = "v0.33.0"
GO = "1.26"

MODULES = Path(__file__).parent / "modules"

# Without these flags every Kubernetes binary says v0.0.0, and clients refuse features by version.
_KUBERNETES_FLAGS = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in {
        "gitVersion": KUBERNETES,
        "gitMajor": KUBERNETES.removeprefix("v").split(".")[0],
        "gitMinor": KUBERNETES.split(".")[1],
    }.items()
)

# The same with helm, which takes every cluster for a v1.20 unless it asks one.
_HELM_FLAGS = " ".join(
    f"-X helm.sh/helm/v3/{name}={value}"
    for name, value in {
        "internal/version.version": HELM,
        "pkg/chartutil.k8sVersionMajor": KUBERNETES.removeprefix("v").split(".")[0],
        "pkg/chartutil.k8sVersionMinor": KUBERNETES.split(".")[1],
        "pkg/lint/rules.k8sVersionMajor": KUBERNETES.removeprefix("v").split(".")[0],
        "pkg/lint/rules.k8sVersionMinor": KUBERNETES.split(".")[1],
    }.items()
)


@dataclass(frozen=True)
class Source:
    """Where one server's code is: a folder with go.mod and go.sum, and the package in it."""

    module: str
    package: str
    version: str
    ldflags: str = ""
    tags: str = ""


def _kubernetes(name: str) -> Source:
    return Source("kubernetes", f"k8s.io/kubernetes/cmd/{name}", KUBERNETES, _KUBERNETES_FLAGS)


def _ours(module: str, peer: str) -> Source:
    """Return a program of this repository: another text is another version, or the cache would keep the old one."""
    text = hashlib.sha256((MODULES / module / "main.go").read_bytes()).hexdigest()
    return Source(module, ".", f"{peer}-{text[:12]}")


_PLUGIN = "github.com/hashicorp/vault/plugins/database/postgresql"
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")
SOURCES = {
    "etcd": Source("etcd", "go.etcd.io/etcd/server/v3", ETCD),
    "kube-apiserver": _kubernetes("kube-apiserver"),
    "kube-controller-manager": _kubernetes("kube-controller-manager"),
    "kube-scheduler": _kubernetes("kube-scheduler"),
    "kubectl": _kubernetes("kubectl"),
    "kubelet": _kubernetes("kubelet"),
    "kwok": Source("kwok", "sigs.k8s.io/kwok/cmd/kwok", KWOK),
    "helm": Source("helm", "helm.sh/helm/v3/cmd/helm", HELM, _HELM_FLAGS),
    "glua": Source("lua", "github.com/yuin/gopher-lua/cmd/glua", LUA),
    "jwks-peer": _ours("jwks", OIDC),
    # Without the database plugins of others, which would be another gigabyte of modules.
    "vault": Source("vault", "github.com/hashicorp/vault", VAULT, tags="minimal"),
    # The one that is needed, of code that Vault itself has but for four packages: a second or two more, and 20 MB.
    "postgresql-database-plugin": Source("vault", f"{_PLUGIN}/postgresql-database-plugin", VAULT, tags="minimal"),
}


def cache() -> Path:
    """Return the folder that outlives checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rekey"


def binary(name: str) -> Path:
    """Return where the server `name` is, once it is built."""
    return cache() / "servers" / SOURCES[name].version / name
