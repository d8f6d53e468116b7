"""What is announced: once each, in the order in which it happened, read off two statuses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from rekey.core import notices, report
from rekey.core.effects import Hold, Restart
from rekey.core.reasons import NOTICES, Notice, Reason
from rekey.core.status import Condition, State, Status, Step
from tests.core.situations import (
    MINUTE,
    MOVING,
    NOON,
    ONE,
    OVERLAPPING,
    active,
    ended,
    entry,
    facts,
    retiring,
    rotation,
    status,
    version,
)

PENDING = status(active(1), version(2, State.ISSUED), rotation=rotation(Step.ISSUING))
COMMITTED = status(version(1, State.REVOKING), active(), rotation=rotation(Step.REVOKING))
FORCED = status(version(1, State.REVOKING, forced=True), active(), rotation=rotation(Step.REVOKING))
DONE = status(ended(1), active())
CONDEMNED = status(
    retiring(),
    active(rolled_back=True),
    rotation=rotation(Step.ROLLING_BACK),
    consumers=(entry(wanted=2, moved=False, message="not ready"),),
)
BACK = status(
    active(1), retiring(2, rolled_back=True), rotation=rotation(Step.ROLLING_BACK), consumers=CONDEMNED.consumers
)
BACK_CLOCK = status(
    active(1),
    retiring(2, rolled_back=True, overlap_start_time=NOON),
    rotation=rotation(Step.ROLLING_BACK),
    consumers=(entry(moved=True),),
)
GOING = version(2, State.REVOKING, rolled_back=True)
BACK_GOING = status(active(1), GOING, rotation=rotation(Step.ROLLING_BACK), consumers=(entry(moved=True),))
GONE = version(2, State.DISCARDED, rolled_back=True)
BACK_DONE = status(active(1), GONE, rotation=rotation(Step.ROLLED_BACK), consumers=(entry(moved=True),))
STRAIGHT = status(retiring(overlap_start_time=NOON), active(), rotation=rotation(Step.OVERLAP))
"""Without consumers activation and the overlap's start are saved at once."""


def judged(before: Status, kind: str, truth: str, reason: Reason, text: str = "so") -> Status:
    """Return the status with one condition."""
    said = Condition(type=kind, status=truth, reason=reason, message=text, last_transition_time=NOON)
    others = tuple(item for item in before.conditions if item.type != kind)
    return before.model_copy(update={"conditions": (*others, said)})


BLOCKED = judged(OVERLAPPING, report.BLOCKED, "True", Reason.HELD_BY_PODS)
PASSED = judged(OVERLAPPING, report.BLOCKED, "True", Reason.DEADLINE_PASSED)
FREE = judged(OVERLAPPING, report.BLOCKED, "False", Reason.NONE)
WAITING = MOVING.model_copy(update={"consumers": (entry(message="not restarted: paused"),)})
WAITING_STILL = MOVING.model_copy(update={"consumers": (entry(message="not restarted: paused; 1 pod"),)})
TURN = MOVING.model_copy(update={"consumers": (entry(message="not restarted yet"),)})
STALLED = judged(CONDEMNED, report.STALLED, "True", Reason.ROLLOUT_FAILED)
SOON = judged(ONE, report.EXPIRING, "True", Reason.ABOUT_TO_EXPIRE)
BOTH = MOVING.model_copy(update={"consumers": (entry("jobs"), entry("web"))})
ONLY_WEB = MOVING.model_copy(update={"consumers": (entry("web"),)})

SAID: dict[str, tuple[Status, Status, list[Notice]]] = {
    "nothing happened": (MOVING, MOVING, []),
    "the first version": (Status(), ONE, [Notice.ISSUED]),
    "a version was stored: that is nobody's business": (ONE, PENDING, []),
    "a version became current": (PENDING, MOVING, [Notice.ACTIVATED]),
    "several steps in one save: the first is told too": (ONE, MOVING, [Notice.ACTIVATED]),
    "current and overlap at once": (PENDING, STRAIGHT, [Notice.OVERLAP_STARTED]),
    "the overlap began": (MOVING, OVERLAPPING, [Notice.OVERLAP_STARTED]),
    "committed": (OVERLAPPING, COMMITTED, [Notice.OVERLAP_EXPIRED]),
    "committed by force": (OVERLAPPING, FORCED, [Notice.REVOCATION_FORCED]),
    "revoked": (COMMITTED, DONE, [Notice.REVOKED]),
    "an ended version is forgotten": (DONE, status(active()), []),
    "a rollout failed": (MOVING, CONDEMNED, [Notice.ROLLOUT_FAILED]),
    "the version before is current again": (CONDEMNED, BACK, [Notice.ROLLED_BACK]),
    "the overlap of a failed version is not told": (BACK, BACK_CLOCK, []),
    "nor its end": (BACK_CLOCK, BACK_GOING, []),
    "a failed version is gone": (BACK_GOING, BACK_DONE, [Notice.DISCARDED]),
    "a version that nobody saw is gone": (
        *(PENDING, status(active(1), version(2, State.DISCARDED))),
        [Notice.DISCARDED],
    ),
    "a revocation is blocked": (FREE, BLOCKED, [Notice.REVOCATION_BLOCKED]),
    "it is blocked from the first save on": (OVERLAPPING, BLOCKED, [Notice.REVOCATION_BLOCKED]),
    "still blocked": (BLOCKED, judged(BLOCKED, report.BLOCKED, "True", Reason.HELD_BY_PODS, "other pods"), []),
    "blocked for another reason": (BLOCKED, PASSED, [Notice.REVOCATION_BLOCKED]),
    "free again": (BLOCKED, FREE, []),
    "undeclared pods": (
        *(OVERLAPPING, judged(OVERLAPPING, report.UNDECLARED, "True", Reason.UNDECLARED_PODS)),
        [Notice.UNDECLARED_CONSUMER],
    ),
    "stalled": (ONE, judged(ONE, report.STALLED, "True", Reason.INVALID_SPEC), [Notice.STALLED]),
    "stalled by a failed rollout under onFailure Hold: told as such": (
        *(MOVING, judged(MOVING, report.STALLED, "True", Reason.ROLLOUT_FAILED)),
        [Notice.ROLLOUT_FAILED],
    ),
    "stalled after a rollback: that was told already": (
        *(BACK_DONE, judged(BACK_DONE, report.STALLED, "True", Reason.ROLLOUT_FAILED)),
        [],
    ),
    "a version expires soon": (ONE, SOON, [Notice.EXPIRING]),
    "it still expires soon": (SOON, SOON, []),
    "it has expired": (SOON, judged(ONE, report.EXPIRING, "True", Reason.EXPIRED), [Notice.EXPIRING]),
    "a newer one took its place": (SOON, judged(ONE, report.EXPIRING, "False", Reason.NONE), []),
    "other conditions are not announced": (ONE, judged(ONE, report.READY, "True", Reason.ACTIVE), []),
    "a consumer waits for a person": (TURN, WAITING, [Notice.CONSUMER_WAITING]),
    "a consumer waits for a person from the first look on": (MOVING, WAITING, [Notice.CONSUMER_WAITING]),
    "it still waits": (WAITING, WAITING_STILL, []),
    "a consumer whose turn has not come is no news": (MOVING, TURN, []),
    "a consumer was taken from the spec in a rotation": (BOTH, ONLY_WEB, [Notice.CONSUMER_REMOVED]),
    "a consumer was taken from the spec in peace": (
        *(ONE.model_copy(update={"consumers": (entry("jobs"),)}), ONE),
        [],
    ),
}


@pytest.mark.parametrize("situation", SAID)
def test_it_is_said(situation: str) -> None:
    """Between these two statuses these Events are sent, in this order."""
    before, after, expected = SAID[situation]
    assert [notice for notice, _, _ in notices.between(before, after)] == expected


@pytest.mark.parametrize("situation", SAID)
def test_nothing_is_said_twice(situation: str) -> None:
    """The same status again says nothing new, and what is said at once has names of its own."""
    before, after, _ = SAID[situation]
    assert list(notices.between(after, after)) == []
    said = [(notice, detail) for notice, detail, _ in notices.between(before, after)]
    assert len(said) == len(set(said))


def heard(*statuses: Status) -> list[Notice]:
    """Return what is said from one save to the next."""
    pairs = pairwise(statuses)
    return [notice for before, after in pairs for notice, _, _ in notices.between(before, after)]


def test_a_rotation_reads_as_a_story() -> None:
    """Restarts aside, a rotation with consumers is told in four Events, and a rollback in four."""
    assert heard(ONE, PENDING, MOVING, OVERLAPPING, COMMITTED, DONE) == [
        *(Notice.ACTIVATED, Notice.OVERLAP_STARTED, Notice.OVERLAP_EXPIRED, Notice.REVOKED)
    ]
    assert heard(ONE, MOVING, CONDEMNED, BACK, BACK_CLOCK, BACK_GOING, BACK_DONE) == [
        *(Notice.ACTIVATED, Notice.ROLLOUT_FAILED, Notice.ROLLED_BACK, Notice.DISCARDED)
    ]


def test_words_name_what_they_speak_of() -> None:
    """Notes carry numbers, consumers and times."""
    ends = OVERLAPPING.model_copy(update={"overlap_end_time": NOON + 11 * MINUTE})
    notes = [note for before, after in ((MOVING, ends), (MOVING, CONDEMNED), (BOTH, ONLY_WEB))
             for _, _, note in notices.between(before, after)]  # fmt: skip
    assert notes == [
        "version 2 is active; version 1 is accepted until 2026-03-02 12:11:00Z at least",
        "version 2 is taken back: Deployment/web: not ready",
        "Deployment/jobs is no longer declared: it gates no more",
    ]


RESTARTS: dict[str, tuple[Restart, Notice, str, str]] = {
    "to a version": (
        *(Restart("Deployment", "web", "2"), Notice.CONSUMER_RESTARTED, "Deployment/web=2"),
        "Deployment/web is restarted for version 2",
    ),
    "back to nothing": (
        *(Restart("Deployment", "web", None), Notice.CONSUMER_RESTARTED, "Deployment/web=none"),
        "Deployment/web is restarted for the version it had at first",
    ),
    "once more": (
        *(Restart("Deployment", "web", "2", reapplied=True), Notice.CONSUMER_REVERTED, "Deployment/web=2"),
        "Deployment/web had been put back; version 2 was written again",
    ),
}


@pytest.mark.parametrize("situation", RESTARTS)
def test_a_restart_is_said(situation: str) -> None:
    """Each restart has one Event, named after where and to what."""
    effect, *expected = RESTARTS[situation]
    assert list(notices.of_restart(effect)) == expected


def test_reports_and_notices_agree() -> None:
    """The conditions that a report makes are those that notices listen for."""
    hold: Any = Hold(None, Reason.HELD_BY_PODS, "x", stalled=True, blocked=True)
    seen = facts(OVERLAPPING, workloads=(), pods=())
    written = report.report(seen, hold)
    assert {notice for notice, _, _ in notices.between(OVERLAPPING, written)} == {
        *(Notice.REVOCATION_BLOCKED, Notice.STALLED)
    }


def test_every_notice_is_explained() -> None:
    """The table of Events has every reason once, with a sentence and an action of one word."""
    assert set(NOTICES) == set(Notice)
    assert [notice for notice, kind in NOTICES.items() if not kind.meaning.endswith(".") or " " in kind.action] == []
