"""What the tests with a real API server take: its preparation is that of the end-to-end tests."""

from tests.e2e.conftest import prepared, reader

__all__ = ["prepared", "reader"]
