"""What all tests share: the fixtures of the cluster, who may run beside whom, and the two ways of hypothesis."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

pytest_plugins = ["tests.cluster.fixtures", "tests.e2e.summary", "tests.providers.postgres", "tests.providers.vault"]

# The same examples at every run, so that what lands is what passed; `make test-full` searches for new ones.
settings.register_profile("same", max_examples=30, derandomize=True, deadline=None)
settings.register_profile("search", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


SHARED = {"stage", "watched"}
"""Fixtures that hold an operator for all tests of a module."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Have those follow each other that share a kubelet or an operator, or want no company; who waits long goes first.

    Tests of the real thing wait most of their time: begun first, they leave what needs the CPU to fill the rest.
    """
    for item in items:
        found = [mark for mark in ("node", "exclusive") if mark in item.keywords]
        if SHARED & set(getattr(item, "fixturenames", ())):
            found.append(item.path.stem)
        if found and "xdist_group" not in item.keywords:
            item.add_marker(pytest.mark.xdist_group(found[0]))
    items.sort(key=lambda item: ("xdist_group" not in item.keywords, "kube" not in item.keywords))
    # xdist reads the groups in the same hook, and before any that is no wrapper.
    yield
    if getattr(config.option, "loadgroup", False):
        # A release of pytest that xdist was not made for keeps no group, and says nothing.
        lost = [item.nodeid for item in items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
        assert not lost, f"pytest-xdist does not keep {lost[0]} in its group: see requirements/dev.in"
