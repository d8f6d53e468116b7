"""The judge of a history finds what was promised never to happen, in histories made up for it."""

from base64 import b64encode
from typing import Any

import pytest

from tests.e2e.history import Change, History
from tests.e2e.manifests import pod

NOON = "2026-11-21T12:00:{:02}Z"


def bundle(version: int, at: int, current: int, previous: int | None = None) -> Change:
    """Return a bundle as written at that second."""
    shown = {"version": current} | ({"previous.version": previous} if previous else {})
    data = {key: b64encode(str(number).encode()).decode() for key, number in shown.items()}
    meta = {"name": "api", "uid": "bundle", "managedFields": [{"time": NOON.format(at)}]}
    return Change(version, "secrets", gone=False, body={"metadata": meta, "data": data})


def stored(version: int, number: int, *, gone: bool = False) -> Change:
    """Return the Secret of a version."""
    body = {"metadata": {"name": f"api-v{number}", "uid": f"uid-{number}-{version if not gone else 0}"}, "data": {}}
    return Change(version, "secrets", gone=gone, body=body)


def runs(version: int, at: int, *, gone: bool = False) -> Change:
    """Return a pod whose container was started at that second."""
    status = {"containerStatuses": [{"state": {"running": {"startedAt": NOON.format(at)}}}]}
    body: dict[str, Any] = {**pod("web", "api"), "status": status}
    return Change(version, "pods", gone=gone, body=body)


BOTH = [stored(1, 1), bundle(2, 0, 1), runs(3, 10), stored(4, 2), bundle(5, 20, 2, previous=1)]
HISTORIES: dict[str, tuple[list[Change], bool]] = {
    "nothing is revoked": (BOTH, False),
    "the pod goes first": ([*BOTH, runs(6, 10, gone=True), bundle(7, 40, 2), stored(8, 1, gone=True)], False),
    "the pod starts again first": ([*BOTH, runs(6, 22), bundle(7, 40, 2), stored(8, 1, gone=True)], False),
    "the pod holds what the bundle drops": ([*BOTH, bundle(6, 40, 2)], True),
    "the pod holds what is deleted": ([*BOTH, stored(6, 1, gone=True)], True),
    "the pod started so early that a cache may have lagged": ([*BOTH, runs(6, 21), bundle(7, 40, 2)], True),
    "the pod starts with a version that is gone": ([*BOTH, bundle(6, 40, 2), runs(7, 10)], True),
}


@pytest.mark.parametrize("title", HISTORIES)
def test_who_is_locked_out_is_found(title: str) -> None:
    """A pod that runs with a version that is no longer accepted is named, and no other."""
    changes, locked_out = HISTORIES[title]
    assert bool(History(changes).locked_out("api")) is locked_out


def test_a_version_that_is_made_twice_is_counted() -> None:
    """Two Secrets of one name are two versions, several changes of one Secret are one."""
    assert History([stored(1, 1), stored(2, 2), stored(3, 2)]).made("api") == {1: 1, 2: 2}
