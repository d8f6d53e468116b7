"""The ports over a real API server keep what `rekey.ports` promises."""

import pytest

from tests.sim.conformance import CredentialsConformance, SecretsConformance
from tests.sim.conformance_of_requests import RequestsConformance
from tests.sim.conformance_of_workloads import PodsConformance, WorkloadsConformance

pytestmark = pytest.mark.kube


class TestSecrets(SecretsConformance):
    """Secrets at the API server."""


class TestCredentials(CredentialsConformance):
    """RotatedCredentials at the API server."""


class TestWorkloads(WorkloadsConformance):
    """Workloads at the API server."""


class TestPods(PodsConformance):
    """Pods at the API server."""


class TestRequests(RequestsConformance):
    """RotationRequests at the API server."""
