"""What these tests take: a cluster of their own, to which hundreds of namespaces are left, as nobody waits for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import choose
from tests.cluster.handle import Cluster
from tests.e2e.conftest import prepare


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster with our CRDs and the operator's role, on which kwok plays the pods."""
    with choose.start(tmp_path / "cluster") as found:
        if not found.kwok:
            pytest.skip("the pods of this cluster are not played by kwok")
        yield prepare(found)
