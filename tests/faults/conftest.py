"""What these tests take from those of the whole operator: a cluster with the CRD and the operator's role."""

from tests.e2e.conftest import prepared

__all__ = ["prepared"]
