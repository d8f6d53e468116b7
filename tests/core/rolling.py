"""Situations of a rollout for the tests of the core: workloads in every stage on their way to version 2."""

from __future__ import annotations

from typing import Any

from rekey.core.effects import Restart
from rekey.core.facts import Facts, WorkloadView
from rekey.core.reasons import Reason
from tests.core.situations import MOVING, Gist, after, entry, facts, spec, waits, workload

Wish = dict[str, Any]
THREE: Wish = {"rollout": {"maxConcurrent": 3}}
LIMIT = 600
"""Seconds that a rollout may take."""


def old(name: str) -> WorkloadView:
    """Return a Deployment that was not restarted yet."""
    return workload(name)


def rolling(name: str) -> WorkloadView:
    """Return a Deployment that says 2 and whose pods are not all ready."""
    return workload(name, "2", complete=False, progress="1 of 2 pods updated")


def done(name: str) -> WorkloadView:
    """Return a Deployment that says 2 and is complete."""
    return workload(name, "2")


def moving(
    now: float, *views: WorkloadView, pods: Any = (), entries: Any = None, slots: int = 1000, **changes: Any
) -> Facts:
    """Return the facts so many seconds after noon; whoever says 2 was restarted by us at 10 seconds past.

    `ends`: when version 1 expires; other changes are those of the spec.
    """
    ends = changes.pop("ends", None)
    known = [entry(view.name, 2 if view.annotation == "2" else None, 10) for view in views]
    before = MOVING.model_copy(update={"consumers": tuple(known if entries is None else entries)})
    if ends is not None:
        mortal = tuple(one.model_copy(update={"expiration_time": ends}) for one in before.versions if one.number == 1)
        before = before.model_copy(update={"versions": (*mortal, *before.versions[1:])})
    consumers = changes.pop("consumers", [{"kind": view.kind, "name": view.name} for view in views])
    return facts(before, after(now), spec(consumers=consumers, **changes), workloads=views, pods=pods, slots=slots)


def restart(name: str, *, reapplied: bool = False) -> Restart:
    """Return the restart of a Deployment for version 2."""
    return Restart("Deployment", name, "2", reapplied)


def wait(now: float, poll: float = 6, reason: Reason = Reason.AWAITING_ROLLOUT, **flags: bool) -> Gist:
    """Return the gist of a wait that is looked at again after so many seconds."""
    return waits(after(now + poll), reason, **flags)
