"""A key ring in a Secret of a real API server keeps what `rekey.ports.key_encryption` promises."""

import pytest

from tests.sim.conformance_of_key_encryption import KeyEncryptionConformance, Meet
from tests.sim.keeping import RingKeeper
from tests.sim.stage import Play

pytestmark = pytest.mark.kube


@pytest.fixture
def meet(play: Play) -> Meet:
    """Play a scene with the rings of a fresh namespace."""
    return lambda scene: play(lambda stage: scene(RingKeeper(stage)))


class TestKeyEncryption(KeyEncryptionConformance):
    """Key rings at the API server."""
