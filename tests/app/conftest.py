"""What tests of the whole program take: the cluster with our CRD in it."""

from tests.kube.conftest import served

__all__ = ["served"]
