"""Which pods may hold a version: every boundary of the gate, told from both sides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rekey.core import gate
from rekey.core.facts import Facts, How, PodView, Reference, Timing, WorkloadView
from rekey.core.spec import RotatedCredentialSpec
from tests.core.situations import (
    DAY,
    HOT,
    HOUR,
    MOVING,
    SNAPSHOT,
    VOLUME,
    WEB,
    active,
    after,
    facts,
    pod,
    retiring,
    spec,
    status,
    workload,
)

LAG, PROPAGATION = 5, 120
OLD = retiring()
DIRECT = (Reference("api-v1", How.VOLUME),)
STRANGER = (Reference("other", How.SNAPSHOT),)
BOTH = (*SNAPSHOT, *VOLUME)


def holds(view: PodView, now: float, *, wish: RotatedCredentialSpec | None = None) -> bool:
    """Say whether the pod, a bare one unless it belongs to `web` or `hot`, holds version 1 so long after noon."""
    workloads = (workload("web"), workload("hot"))
    seen = facts(MOVING, after(now), wish or spec(consumers=[WEB, HOT]), workloads=workloads, pods=(view,))
    return bool(gate.holders(OLD, seen))


HOLDING: dict[str, tuple[PodView, float, bool]] = {
    "an environment read while version 1 was current": (pod(start=-60), DAY.total_seconds(), True),
    "an environment read when the cache could just lag": (pod(start=LAG), HOUR.total_seconds(), True),
    "an environment read when no cache could lag any more": (pod(start=LAG + 1), HOUR.total_seconds(), False),
    "an environment read a second before version 1 became current, in whole seconds": (
        *(pod(start=-DAY.total_seconds() - 1), 60.0),
        True,
    ),
    "an environment read before version 1 was there": (pod(start=-DAY.total_seconds() - 2), 60.0, False),
    "a pending pod that may start from a lagging cache": (pod(start=None), LAG, True),
    "a pending pod that can only read the new version": (pod(start=None), LAG + 1, False),
    "a pod of which one container runs and one has yet to start, with a lagging cache": (
        *(pod(start=LAG + 1, pending=True), LAG),
        True,
    ),
    "an init container that had ended before, while the main one is new": (
        *(pod(starts=(after(-60), after(60))), 3600),
        True,
    ),
    "a container that was restarted on its own beside an old one": (pod(starts=(after(900), after(-60))), 3600, True),
    "a volume before it was renewed everywhere": (pod(start=-60, uses=VOLUME), PROPAGATION - 1, True),
    "a volume when it was renewed everywhere": (pod(start=-60, uses=VOLUME), PROPAGATION, False),
    "a volume mounted from a lagging cache, not renewed yet": (pod(start=LAG, uses=VOLUME), PROPAGATION - 1, True),
    "a volume mounted after every cache had caught up": (pod(start=LAG + 1, uses=VOLUME), LAG + 2, False),
    "a volume of a pending pod, with a lagging cache": (pod(start=None, uses=VOLUME), LAG, True),
    "a volume of a pending pod, caches caught up": (pod(start=None, uses=VOLUME), LAG + 1, False),
    "environment and volume: the environment counts": (pod(start=-60, uses=BOTH), 3600, True),
    "a pod that is terminating": (pod(start=-60, terminating=True), 3600, True),
    "a pod that names the Secret of version 1 itself, however new": (pod(start=9000, uses=DIRECT), 9001, True),
    "a pod that names the Secret of version 1 itself, even pending": (pod(start=None, uses=DIRECT), 9001, True),
    "a bare pod that nobody declared": (pod("tool", start=-60), 3600, True),
    "a bare pod that uses another Secret": (pod("tool", start=-60, uses=STRANGER), 60, False),
    "a pod of a Job that nobody declared": (pod("import-x", start=-60, owner=("Job", "import")), 3600, True),
    "a declared consumer's pod that shows no reference: taken for an environment": (
        *(pod(start=-60, uses=()), 3600),
        True,
    ),
    "a declared consumer's pod that shows a reference to another Secret only": (
        *(pod(start=-60, uses=STRANGER), 3600),
        True,
    ),
    "refresh None without a reference: taken for a volume, not renewed yet": (
        *(pod("hot-1", start=-60, uses=()), PROPAGATION - 1),
        True,
    ),
    "refresh None without a reference: taken for a volume, renewed": (
        *(pod("hot-1", start=-60, uses=()), PROPAGATION),
        False,
    ),
    "refresh None, but the pod takes an environment: that counts": (pod("hot-1", start=-60), 3600, True),
    "a pod without any reference that nobody declared": (pod("tool", start=-60, uses=()), 60, False),
    "a pod that has no container that runs or ended": (pod(starts=(), pending=False), 60, False),
    "an old pod with a container that does not say since when it runs": (
        pod(starts=(), pending=False, unclear=True, born=after(-86400)),
        3600,
        True,
    ),
    "such a pod that was made after the caches were clear": (
        pod(starts=(), pending=False, unclear=True, born=after(3000)),
        3600,
        False,
    ),
}


@pytest.mark.parametrize("situation", HOLDING)
def test_a_pod_holds_what_it_may_have_read(situation: str) -> None:
    """A pod holds version 1, which stopped to be current at noon, or it does not."""
    view, now, expected = HOLDING[situation]
    assert holds(view, now) is expected


def test_the_settings_move_the_boundaries() -> None:
    """Cache lag and propagation are what the settings say, not what the defaults are."""
    slow = Timing(cache_lag=timedelta(seconds=60), propagation=timedelta(seconds=600))
    for uses, start, now, expected in (
        (SNAPSHOT, 60, 3600, True),
        (SNAPSHOT, 61, 3600, False),
        (VOLUME, -60, 599, True),
        (VOLUME, -60, 600, False),
    ):
        view = pod("tool", start=start, uses=uses)
        seen = facts(MOVING, after(now), timing=slow, workloads=(), pods=(view,))
        assert bool(gate.holders(OLD, seen)) is expected, (uses, start, now)


def test_an_adopted_version_may_have_been_shown_for_ever() -> None:
    """Since when it was shown nobody knows: whoever started before it was superseded may hold it, however old."""
    adopted = OLD.model_copy(update={"activated_time": None})
    for start, expected in ((-400 * 86400, True), (LAG, True), (LAG + 1, False)):
        seen = facts(MOVING, after(60), workloads=(), pods=(pod("tool", start=start),))
        assert bool(gate.holders(adopted, seen)) is expected, start


SUBPATH = (Reference("api", How.SUBPATH),)
SUBPATHS: dict[str, tuple[PodView, float, bool]] = {
    "it started while version 1 was current": (pod("tool", start=-60, uses=SUBPATH), 3600, True),
    "an old pod's container started again before its volume was renewed": (
        *(pod("tool", start=PROPAGATION, uses=SUBPATH, born=after(-60)), 3600),
        True,
    ),
    "an old pod's container started again when its volume was renewed": (
        *(pod("tool", start=PROPAGATION + 1, uses=SUBPATH, born=after(-60)), 3600),
        False,
    ),
    "a pod of unknown age counts as old": (pod("tool", start=PROPAGATION, uses=SUBPATH), 3600, True),
    "a pod that was made when a cache could just lag counts as old": (
        *(pod("tool", start=60, uses=SUBPATH, born=after(LAG)), 3600),
        True,
    ),
    "a pod that was made since, when no cache lagged any more": (
        *(pod("tool", start=60, uses=SUBPATH, born=after(LAG + 1)), 3600),
        False,
    ),
    "an old pod with a container yet to start again, its volume not renewed": (
        *(pod("tool", start=None, uses=SUBPATH, born=after(-60)), PROPAGATION),
        True,
    ),
    "an old pod with a container yet to start again, its volume renewed": (
        *(pod("tool", start=None, uses=SUBPATH, born=after(-60)), PROPAGATION + 1),
        False,
    ),
}


@pytest.mark.parametrize("situation", SUBPATHS)
def test_a_subpath_is_taken_from_the_pods_own_volume(situation: str) -> None:
    """A container that starts again in an old pod reads what that pod's volume says, which is renewed late."""
    view, now, expected = SUBPATHS[situation]
    assert holds(view, now) is expected


def test_a_version_that_is_still_shown_is_held_from_its_activation_on() -> None:
    """While a version is current it is held by whoever started since then, at any later time."""
    current = active()
    for start, expected in ((-2, False), (-1, True), (7200, True)):
        seen = facts(MOVING, after(7200), workloads=(), pods=(pod("tool", start=start),))
        assert bool(gate.holders(current, seen)) is expected, start


def test_the_bundle_may_have_a_name_of_its_own() -> None:
    """Users are found by `target.secretName` where that is set."""
    wish = spec(target={"secretName": "orders-key"})
    mine, other = pod("a", uses=(Reference("orders-key", How.SNAPSHOT),)), pod("b", uses=SNAPSHOT)
    seen = facts(MOVING, after(60), wish, workloads=(), pods=(mine, other))
    assert [holder.pod for holder in gate.holders(OLD, seen)] == ["a"]


IN, NOT_IN, EXISTS, ABSENT = "In", "NotIn", "Exists", "DoesNotExist"
BELONGS: dict[str, tuple[PodView, WorkloadView, bool]] = {
    "by its label": (pod("web-1"), workload("web"), True),
    "another label": (pod("web-1"), workload("jobs"), False),
    "one of two labels differs": (pod("web-1"), workload(match_labels={"app": "web", "tier": "front"}), False),
    "a selector that is empty chooses nobody": (pod("web-1"), workload(match_labels={}), False),
    "In, and it is": (pod("web-1"), workload(match_labels={}, match_expressions=(("app", IN, ("db", "web")),)), True),
    "In, and it is not": (pod("web-1"), workload(match_labels={}, match_expressions=(("app", IN, ("db",)),)), False),
    "In, and there is no such label": (pod(), workload(match_labels={}, match_expressions=(("x", IN, ("y",)),)), False),
    "NotIn, and it is not": (
        pod("web-1"),
        workload(match_labels={}, match_expressions=(("app", NOT_IN, ("x",)),)),
        True,
    ),
    "NotIn, and it is": (
        pod("web-1"),
        workload(match_labels={}, match_expressions=(("app", NOT_IN, ("web",)),)),
        False,
    ),
    "NotIn, and there is no such label": (
        *(pod(), workload(match_labels={}, match_expressions=(("x", NOT_IN, ("y",)),))),
        True,
    ),
    "Exists": (pod("web-1"), workload(match_labels={}, match_expressions=(("app", EXISTS, ()),)), True),
    "Exists, and it does not": (pod(), workload(match_labels={}, match_expressions=(("x", EXISTS, ()),)), False),
    "DoesNotExist": (pod(), workload(match_labels={}, match_expressions=(("x", ABSENT, ()),)), True),
    "DoesNotExist, and it does": (pod(), workload(match_labels={}, match_expressions=(("app", ABSENT, ()),)), False),
    "the label fits but an expression does not": (
        *(pod("web-1"), workload("web", match_expressions=(("app", NOT_IN, ("web",)),))),
        False,
    ),
    "a Job's pod, by its owner": (pod(owner=("Job", "import")), workload("import", kind="Job"), True),
    "a Job's pod of another Job": (pod(owner=("Job", "import-2")), workload("import", kind="Job"), False),
    "a Job is not known by labels": (pod("import-1"), workload("import", kind="Job"), False),
    "a CronJob's pod, by its Job's name": (
        *(pod(owner=("Job", "nightly-29011")), workload("nightly", kind="CronJob")),
        True,
    ),
    "a Job that only begins like the CronJob": (
        *(pod(owner=("Job", "nightlyish-29011")), workload("nightly", kind="CronJob")),
        False,
    ),
    "a ReplicaSet that is named like the CronJob's Jobs": (
        *(pod(owner=("ReplicaSet", "nightly-29011")), workload("nightly", kind="CronJob")),
        False,
    ),
    "a bare pod is no CronJob's": (pod("nightly-1"), workload("nightly", kind="CronJob"), False),
}


@pytest.mark.parametrize("situation", BELONGS)
def test_a_pod_belongs_to_its_workload(situation: str) -> None:
    """Pods of Jobs are known by their owner, all others by the workload's selector."""
    view, owner, expected = BELONGS[situation]
    assert gate.belongs(view, owner) is expected


def seen_with(*pods: PodView) -> Facts:
    """Return the facts an hour after noon with the consumer `web` and these pods."""
    return facts(MOVING, after(3600), spec(consumers=[WEB]), workloads=(workload("web"),), pods=pods)


def test_a_holder_names_its_consumer() -> None:
    """The message says whose pod it is, that nobody declared it, that it is terminating."""
    seen = seen_with(pod("web-1"), pod("web-2", terminating=True), pod("tool"))
    assert [str(holder) for holder in gate.holders(OLD, seen)] == [
        "pod web-1 of Deployment/web",
        "pod web-2 of Deployment/web, terminating",
        "pod tool (undeclared)",
    ]


def test_undeclared_pods_are_those_that_use_a_secret_of_ours_and_belong_to_nobody() -> None:
    """They are told whatever version they hold; users of other Secrets are nobody's business."""
    seen = seen_with(
        pod("web-1"),
        pod("tool", start=3500),
        pod("peek", uses=DIRECT),
        pod("other", uses=STRANGER),
        pod("idle", uses=()),
    )
    assert gate.undeclared(seen) == ("tool", "peek")


def test_caches_are_clear_only_after_the_lag() -> None:
    """A pod that starts in the second after the lag tells the end of the lag as its start: that second has to pass."""
    lag = timedelta(seconds=LAG)
    assert not gate.clear_of_caches(OLD, after(LAG), lag)
    assert not gate.clear_of_caches(OLD, after(LAG + 0.999), lag)
    assert gate.clear_of_caches(OLD, after(LAG + 1), lag)
    current = OLD.model_copy(update={"retire_time": None})
    assert not gate.clear_of_caches(current, after(3600), lag)


def test_a_workload_of_another_kind_lends_nobody_its_refresh() -> None:
    """`refresh: None` of a StatefulSet says nothing of a Deployment with the same name."""
    wish = spec(consumers=[{"kind": "StatefulSet", "name": "web", "refresh": "None"}, WEB])
    seen = facts(status(OLD, active()), after(3600), wish, workloads=(workload("web"),), pods=(pod(uses=()),))
    assert gate.holders(OLD, seen)
    hot = replace(seen, workloads=(workload("web", kind="StatefulSet"),))
    assert not gate.holders(OLD, hot)
