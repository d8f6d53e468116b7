"""What all tests share: the cluster's fixtures and the two ways in which hypothesis searches."""

import os

from hypothesis import settings

pytest_plugins = ["tests.cluster.fixtures", "tests.e2e.summary"]

settings.register_profile("dev", max_examples=30, deadline=None)
settings.register_profile("ci", max_examples=200, derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
