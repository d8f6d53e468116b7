"""What the tests with a real API server take, and what is shown when one fails: as in the end-to-end tests."""

from tests.e2e.conftest import prepared, pytest_runtest_makereport, reader

__all__ = ["prepared", "pytest_runtest_makereport", "reader"]
