"""What tests of publishing take: the cluster with our CRDs and the way into it, and a folder for a certificate."""

from pathlib import Path

import pytest

from tests.kube.conftest import access, served

__all__ = ["access", "served"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder for a certificate."""
    made = tmp_path / "tls"
    made.mkdir()
    return made
