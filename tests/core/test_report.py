"""What the status tells a person: conditions that mean something, and cost no write while nothing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rekey.core import report
from rekey.core.decide import decide
from rekey.core.effects import Hold
from rekey.core.facts import BundleState, Facts, Fence, Problem
from rekey.core.reasons import Reason
from rekey.core.spec_notify import NotifyEvent
from rekey.core.status import Condition, State, Status, Step
from rekey.core.status_notified import Notification
from tests.core.situations import (
    DAY,
    DEADLINE,
    HOUR,
    INTERVAL,
    MINUTE,
    MOVING,
    NOON,
    ONE,
    OVERLAP,
    OVERLAPPING,
    WEB,
    active,
    after,
    ended,
    entry,
    facts,
    pod,
    retiring,
    rotation,
    spec,
    status,
    version,
    workload,
)

TYPES = ("Ready", "Rotating", "ConsumersUpToDate", "RevocationBlocked", "UndeclaredConsumers", "Stalled")
END = NOON + MINUTE + OVERLAP
FAULTY = (Problem("spec.rotation.schedule", "never"),)
HOLD = {"hold": {"until": "2026-03-02T14:00:00Z", "reason": "audit"}}
KEPT = status(retiring(overlap_start_time=NOON), active())
FORCED = status(version(1, State.REVOKED, forced=True), active())
BACK = status(active(1), ended(2), rotation=rotation(Step.ROLLED_BACK, next_attempt_time=NOON + DAY))
MORTAL = status(active(1, expiration_time=NOON + 20 * DAY))
Said = dict[str, tuple[str, Reason | str]]


def resting(seen: Facts) -> Hold:
    """Return what is waited for."""
    decision = decide(seen)
    assert isinstance(decision, Hold), decision
    return decision


def reported(seen: Facts) -> Status:
    """Return the status as it would be written now."""
    return report.report(seen, resting(seen))


def conditions(status: Status) -> Said:
    """Return the conditions as status and reason by type."""
    return {item.type: (item.status, item.reason) for item in status.conditions}


def condition(status: Status, kind: str) -> Condition:
    """Return one condition."""
    return next(item for item in status.conditions if item.type == kind)


def looked(before: Status, now: Any, *pods: Any, views: Any = (), **changes: Any) -> Facts:
    """Return facts in which pods and workloads were looked at."""
    return facts(before, now, spec(**changes), workloads=views, pods=pods)


ROLLING = looked(
    MOVING.model_copy(update={"consumers": (entry(wanted=2, restarted=10),)}),
    after(60),
    pod("web-1"),
    views=(workload(annotation="2", complete=False, progress="1 of 2 pods updated"),),
    consumers=[WEB],
)
PAST = looked(KEPT, NOON + DEADLINE, pod("tool"))
CONDITIONS: dict[str, tuple[Facts, Said]] = {
    "before anything exists, with a faulty spec": (
        facts(Status(), problems=FAULTY),
        {"Ready": ("False", Reason.INVALID_SPEC), "Stalled": ("True", Reason.INVALID_SPEC)},
    ),
    "the name is taken": (
        facts(Status(), bundle=BundleState.FOREIGN),
        {"Ready": ("False", Reason.NAME_TAKEN), "Stalled": ("True", Reason.NAME_TAKEN)},
    ),
    "the name was taken from a credential that worked": (
        facts(ONE, check=True, bundle=BundleState.FOREIGN),
        {"Ready": ("False", Reason.NAME_TAKEN), "Stalled": ("True", Reason.NAME_TAKEN)},
    ),
    "in peace": (
        facts(),
        {
            "Ready": ("True", Reason.ACTIVE),
            "Rotating": ("False", Reason.NONE),
            "ConsumersUpToDate": ("True", Reason.NO_CONSUMERS),
            "RevocationBlocked": ("False", Reason.NONE),
            "UndeclaredConsumers": ("False", Reason.NONE),
            "Stalled": ("False", Reason.NONE),
        },
    ),
    "in peace, with consumers": (
        looked(ONE.model_copy(update={"consumers": (entry(moved=True),)}), NOON, views=(workload(),), consumers=[WEB]),
        {"ConsumersUpToDate": ("True", Reason.MOVED)},
    ),
    "a consumer rolls": (
        ROLLING,
        {
            "Ready": ("True", Reason.AWAITING_ROLLOUT),
            "Rotating": ("True", Step.ROLLING_OUT),
            "ConsumersUpToDate": ("False", Reason.AWAITING_ROLLOUT),
            "RevocationBlocked": ("False", Reason.NONE),
            "Stalled": ("False", Reason.NONE),
        },
    ),
    "caches are waited for: consumers are not up to date from the activation on": (
        facts(MOVING, after(1), spec(consumers=[WEB])),
        {"Ready": ("True", Reason.AWAITING_CACHES), "ConsumersUpToDate": ("False", Reason.AWAITING_ROLLOUT)},
    ),
    "the overlap runs": (
        facts(OVERLAPPING, NOON + 2 * MINUTE),
        {
            "Ready": ("True", Reason.OVERLAP_OPEN),
            "Rotating": ("True", Step.OVERLAP),
            "RevocationBlocked": ("False", Reason.NONE),
        },
    ),
    "an undeclared pod holds the old version": (
        looked(OVERLAPPING, END, pod("tool")),
        {
            "Ready": ("True", Reason.HELD_BY_PODS),
            "RevocationBlocked": ("True", Reason.HELD_BY_PODS),
            "UndeclaredConsumers": ("True", Reason.UNDECLARED_PODS),
            "Stalled": ("False", Reason.NONE),
        },
    ),
    "past the deadline": (PAST, {"RevocationBlocked": ("True", Reason.DEADLINE_PASSED)}),
    "on hold": (facts(OVERLAPPING, END, spec(**HOLD)), {"RevocationBlocked": ("True", Reason.ON_HOLD)}),
    "revoked by force": (facts(FORCED), {"RevocationBlocked": ("False", Reason.DEADLINE_PASSED)}),
    "Manual: it waits for a person": (
        facts(KEPT, END, spec(revocationPolicy="Manual")),
        {"RevocationBlocked": ("True", Reason.MANUAL_REVOCATION), "Ready": ("True", Reason.ACTIVE)},
    ),
    "Manual, while the overlap runs": (
        facts(KEPT, NOON + OVERLAP - MINUTE, spec(revocationPolicy="Manual")),
        {"RevocationBlocked": ("False", Reason.NONE)},
    ),
    "Never: nothing waits": (
        facts(KEPT, END, spec(revocationPolicy="Never")),
        {"RevocationBlocked": ("False", Reason.NEVER_REVOKED)},
    ),
    "a rollout failed and was rolled back": (
        facts(BACK, NOON),
        {
            "Ready": ("True", Reason.ROLLOUT_FAILED),
            "Rotating": ("False", Reason.NONE),
            "Stalled": ("True", Reason.ROLLOUT_FAILED),
        },
    ),
    "expiring soon although suspended: it works on": (
        facts(MORTAL, NOON + 19 * DAY, spec(suspend=True)),
        {"Ready": ("True", Reason.SUSPENDED), "Expiring": ("True", Reason.ABOUT_TO_EXPIRE)},
    ),
    "expired": (
        facts(MORTAL, NOON + 20 * DAY, spec(suspend=True)),
        {"Ready": ("False", Reason.EXPIRED), "Expiring": ("True", Reason.EXPIRED)},
    ),
    "far from its end": (facts(MORTAL), {"Ready": ("True", Reason.ACTIVE), "Expiring": ("False", Reason.NONE)}),
    "suspended": (
        facts(wish=spec(suspend=True)),
        {"Ready": ("True", Reason.SUSPENDED), "Stalled": ("False", Reason.NONE)},
    ),
    "the spec has become faulty: the credential works on": (
        facts(problems=FAULTY),
        {"Ready": ("True", Reason.INVALID_SPEC), "Stalled": ("True", Reason.INVALID_SPEC)},
    ),
}


@pytest.mark.parametrize("situation", CONDITIONS)
def test_conditions_say(situation: str) -> None:
    """In this situation these conditions have this status and this reason."""
    seen, expected = CONDITIONS[situation]
    said = conditions(reported(seen))
    assert {kind: said[kind] for kind in expected} == expected


@pytest.mark.parametrize("situation", CONDITIONS)
def test_a_report_of_a_report_is_the_same(situation: str) -> None:
    """An unchanged world gives an unchanged status, a minute later too, so that nothing is written."""
    seen, _ = CONDITIONS[situation]
    hold = resting(seen)
    once = report.report(seen, hold)
    assert report.report(replace(seen, status=once), hold) == once
    later = replace(seen, status=once, now=seen.now + timedelta(seconds=1))
    assert report.report(later, hold) == once


@pytest.mark.parametrize("situation", CONDITIONS)
def test_every_condition_is_there_from_the_first_visit(situation: str) -> None:
    """All six, in one order, with the generation they were judged by and words that fit; a seventh for who expires."""
    seen, _ = CONDITIONS[situation]
    generation = replace(seen, credential=replace(seen.credential, generation=5))
    written = reported(generation)
    assert tuple(item.type for item in written.conditions) == (*TYPES, *(["Expiring"] if seen.status is MORTAL else []))
    assert {item.observed_generation for item in written.conditions} == {5}
    assert written.observed_generation == 5
    assert all(item.reason for item in written.conditions)
    assert Status.model_validate(written.to_json()) == written


def test_a_transition_has_its_time() -> None:
    """`lastTransitionTime` changes with the status alone: not with reason or message."""
    first = reported(facts(OVERLAPPING, NOON + 2 * MINUTE))
    seen = replace(looked(OVERLAPPING, END, pod("tool")), status=first)
    second = reported(seen)
    assert condition(second, "Ready").reason != condition(first, "Ready").reason
    assert condition(second, "Ready").last_transition_time == NOON + 2 * MINUTE
    assert condition(first, "RevocationBlocked").last_transition_time == NOON + 2 * MINUTE
    assert condition(second, "RevocationBlocked").last_transition_time == END
    third = reported(replace(seen, status=second, now=END + HOUR))
    assert condition(third, "RevocationBlocked").last_transition_time == END


def test_a_routine_rotation_keeps_ready_true() -> None:
    """From peace through rollout and overlap back to peace `Ready` never changes, so tools that wait do not."""
    said = Status()
    for seen in (
        facts(ONE, NOON - HOUR),
        facts(MOVING, after(1), spec(consumers=[WEB])),
        ROLLING,
        facts(OVERLAPPING, NOON + 2 * MINUTE),
        looked(
            OVERLAPPING.model_copy(update={"consumers": (entry(wanted=2, restarted=10, moved=True),)}),
            END,
            pod("web-1", terminating=True),
            views=(workload(annotation="2"),),
            consumers=[WEB],
        ),
        facts(status(ended(1), active()), END),
    ):
        conditions_so_far = said.conditions
        now = replace(seen, status=seen.status.model_copy(update={"conditions": conditions_so_far}))
        said = reported(now)
        assert condition(said, "Ready").status == "True", condition(said, "Ready")
        assert condition(said, "Ready").last_transition_time == NOON - HOUR


def test_consumers_are_told_as_they_were_seen() -> None:
    """With a look the entries are fresh; without one they stay as they are."""
    fresh = reported(ROLLING)
    (web,) = fresh.consumers
    assert (web.moved, web.pods_behind, web.wanted) == (False, 1, 2)
    assert web.message == "1 of 2 pods updated; may hold an older version: web-1"
    assert condition(fresh, "ConsumersUpToDate").message == f"Deployment/web: {web.message}"
    unseen = replace(ROLLING, status=fresh, pods=None, workloads=None)
    assert report.report(unseen, resting(ROLLING)).consumers == fresh.consumers


def test_undeclared_pods_are_remembered_between_looks() -> None:
    """Without a look the condition stays; a look in which they are gone ends it."""
    first = reported(looked(OVERLAPPING, END, *(pod(f"tool-{n}") for n in range(7))))
    said = condition(first, "UndeclaredConsumers")
    assert said.message == (
        "tool-0, tool-1, tool-2, tool-3, tool-4 and 2 more:"
        " add their workload to spec.consumers so that it is restarted"
    )
    unseen = report.report(
        replace(facts(OVERLAPPING, END - MINUTE), status=first), resting(facts(OVERLAPPING, END - MINUTE))
    )
    assert condition(unseen, "UndeclaredConsumers") == said
    gone = looked(OVERLAPPING, END - MINUTE)
    over = report.report(replace(gone, status=first), resting(gone))
    assert condition(over, "UndeclaredConsumers").status == "False"


TIMES: dict[str, tuple[Facts, Any, Any]] = {
    "in peace": (facts(), None, NOON + INTERVAL),
    "consumers move: the overlap has no end yet": (ROLLING, None, NOON + INTERVAL),
    "the overlap runs": (facts(OVERLAPPING, NOON + 2 * MINUTE), END, NOON + INTERVAL),
    "a longer overlap counts": (
        *(facts(OVERLAPPING, NOON + 2 * MINUTE, spec(overlap={"duration": "1h"})), NOON + MINUTE + HOUR),
        NOON + INTERVAL,
    ),
    "a faulty spec rotates never": (facts(problems=FAULTY), None, None),
}


@pytest.mark.parametrize("situation", TIMES)
def test_times_are_told(situation: str) -> None:
    """`overlapEndTime` and `nextRotationTime` are these, in whole seconds."""
    seen, end, following = TIMES[situation]
    written = reported(seen)
    assert (written.overlap_end_time, written.next_rotation_time) == (end, following)


def test_a_message_fits() -> None:
    """However many pods hold a version, no message is longer than the API server takes."""
    crowd = [pod(f"{'tool' * 60}-{n}") for n in range(300)]
    written = reported(looked(OVERLAPPING, END, *crowd))
    assert max(len(item.message) for item in written.conditions) <= 1024


HOLDS = Fence(holds=True, reason=Reason.ENFORCED, message="")
OPEN = Fence(holds=False, reason=Reason.NO_POLICY, message="there is no policy f")


def test_the_fence_is_told_and_is_no_reason_to_write() -> None:
    """It is the same for all credentials: told with the next write, as each of ten thousand would else be written."""
    plain, held, opened = (reported(replace(facts(), fence=fence)) for fence in (None, HOLDS, OPEN))
    assert "Fenced" not in conditions(plain)
    assert conditions(held)["Fenced"] == ("True", Reason.ENFORCED)
    assert conditions(opened)["Fenced"] == ("False", Reason.NO_POLICY)
    assert condition(opened, "Fenced").message == OPEN.message
    for before in (plain, held, opened):
        assert not any(report.differs(before, after) for after in (plain, held, opened))
    moved = held.model_copy(update={"next_rotation_time": NOON})
    assert report.differs(held, moved)


def test_who_is_told_of_none_any_more_is_forgotten_by_the_next_write() -> None:
    """A setting that loses a webhook writes to no credential; what is new for one, or was told, is worth a write."""
    rows = [
        Notification(webhook="ClusterCredentialProvider/all", event=event, number=1, time=NOON) for event in NotifyEvent
    ]
    both = ONE.model_copy(update={"notifications": tuple(rows)})
    one = ONE.model_copy(update={"notifications": tuple(rows[:1])})
    sent = ONE.model_copy(update={"notifications": (rows[0].model_copy(update={"sent_time": NOON}),)})
    assert not report.differs(both, one)
    assert not report.differs(one, ONE)
    assert report.differs(ONE, one)
    assert report.differs(one, both)
    assert report.differs(both, sent)
    assert report.differs(one, one.model_copy(update={"current_version": 2, "notifications": ()}))
