"""When a rotation begins: schedule, trigger, changed generator, windows, suspend, back-off, and what is in its way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekey.core import start
from rekey.core.decide import decide
from rekey.core.effects import Issue, What
from rekey.core.facts import Facts, Problem
from rekey.core.reasons import Reason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import MAX_VERSIONS, Cause, Step
from tests.core.situations import (
    DAY,
    HOUR,
    INTERVAL,
    MOVING,
    NOON,
    ONE,
    OVERLAPPING,
    SECOND,
    WEB,
    Gist,
    active,
    ended,
    facts,
    gist,
    pod,
    retiring,
    rotation,
    spec,
    status,
    waits,
    workload,
)

DUE = NOON + INTERVAL
"""When version 1, current since noon, is to be replaced."""

NIGHTLY = {"windows": [{"schedule": "0 2 * * *", "duration": "2h"}]}
TWO = NOON + timedelta(hours=14)
"""The first nightly window after noon opens."""

LAST_WINDOW = DUE - timedelta(hours=10)
"""The last nightly window before version 1 is due opens."""

FAULTY = (Problem("spec.rotation.schedule", "never"),)
USERS = frozenset({What.PODS, What.WORKLOADS})
BYTES: dict[str, Any] = {"generate": {"token": {"bytes": 48}}}
SEEN = ONE.model_copy(update={"observed_trigger": "a"})
RESTING = waits(DUE, Reason.ACTIVE)


def asked(word: str | None = "a", **changes: Any) -> RotatedCredentialSpec:
    """Return a spec with that trigger."""
    wanted = changes.pop("rotation", {})
    return spec(rotation={"trigger": word, **wanted}, **changes)


def begins(cause: Cause, number: int = 2) -> Gist:
    """Return the gist of a rotation's beginning."""
    return Issue(number, cause)


def failed(cause: Cause = Cause.SCHEDULE, now: Any = DUE, wish: RotatedCredentialSpec | None = None) -> Facts:
    """Return facts after a failed rollout that is tried again an hour after it was due."""
    last = rotation(Step.ROLLED_BACK, cause=cause, next_attempt_time=DUE + HOUR)
    return facts(status(active(1), ended(2), rotation=last), now, wish)


def kept(count: int, now: Any = DUE, **fields: Any) -> Facts:
    """Return facts in which so many old versions are accepted for ever."""
    old = [retiring(number, NOON - DAY, overlap_start_time=NOON - DAY) for number in range(1, count + 1)]
    wish = spec(revocationPolicy="Never")
    return facts(status(*old, active(count + 1)), now, wish, **fields)


BACK_OFF = waits(DUE + HOUR, Reason.ROLLOUT_FAILED, stalled=True)
BEGINS: dict[str, tuple[Facts, Gist]] = {
    "a second before it is due": (facts(now=DUE - SECOND), RESTING),
    "when it is due": (facts(now=DUE), begins(Cause.SCHEDULE)),
    "long after it was due": (facts(now=DUE + 90 * DAY), begins(Cause.SCHEDULE)),
    "nobody knows since when the version is current: due by its age": (
        *(facts(status(active(1, activated_time=None)), DUE),),
        begins(Cause.SCHEDULE),
    ),
    "by a schedule": (
        *(facts(now=NOON, wish=spec(rotation={"schedule": "30 12 * * *"})),),
        waits(NOON + timedelta(minutes=30), Reason.ACTIVE),
    ),
    "a trigger that is new": (facts(wish=asked()), begins(Cause.TRIGGER)),
    "a trigger that was acted on": (facts(SEEN, wish=asked()), RESTING),
    "another trigger": (facts(SEEN, wish=asked("b")), begins(Cause.TRIGGER)),
    "a trigger that was taken away": (facts(SEEN), RESTING),
    "a trigger outside its window": (
        *(facts(wish=asked(rotation=NIGHTLY)),),
        waits(TWO, Reason.AWAITING_WINDOW),
    ),
    "a trigger in its window": (facts(now=TWO, wish=asked(rotation=NIGHTLY)), begins(Cause.TRIGGER)),
    "a trigger at the last moment of its window": (
        *(facts(now=TWO + 2 * HOUR - SECOND, wish=asked(rotation=NIGHTLY)),),
        begins(Cause.TRIGGER),
    ),
    "a trigger when the window has closed": (
        *(facts(now=TWO + 2 * HOUR, wish=asked(rotation=NIGHTLY)),),
        waits(TWO + DAY, Reason.AWAITING_WINDOW),
    ),
    "a trigger outside its window, where windows are preferred": (
        *(facts(wish=asked(rotation={**NIGHTLY, "windowPolicy": "Prefer"})),),
        begins(Cause.TRIGGER),
    ),
    "a schedule waits for the last window": (
        *(facts(wish=spec(rotation=NIGHTLY)),),
        waits(LAST_WINDOW, Reason.ACTIVE),
    ),
    "in the last window before it is due": (
        *(facts(now=LAST_WINDOW, wish=spec(rotation=NIGHTLY)),),
        begins(Cause.SCHEDULE),
    ),
    "urgent: no window is waited for any more": (
        *(facts(now=DUE, wish=spec(rotation={"windows": [{"schedule": "0 2 29 2 *", "duration": "1h"}]})),),
        begins(Cause.SCHEDULE),
    ),
    "just not urgent yet": (
        *(
            facts(
                now=DUE - DAY - SECOND, wish=spec(rotation={"windows": [{"schedule": "0 2 29 2 *", "duration": "1h"}]})
            ),
        ),
        waits(DUE - DAY, Reason.ACTIVE),
    ),
    "just urgent": (
        *(facts(now=DUE - DAY, wish=spec(rotation={"windows": [{"schedule": "0 2 29 2 *", "duration": "1h"}]})),),
        begins(Cause.SCHEDULE),
    ),
    "the generator changed": (facts(wish=spec(**BYTES)), begins(Cause.GENERATION_CHANGED)),
    "the generator changed and a trigger is new": (facts(wish=asked(**BYTES)), begins(Cause.TRIGGER)),
    "the generator changed outside the window": (
        *(facts(wish=spec(**BYTES, rotation=NIGHTLY)),),
        waits(TWO, Reason.AWAITING_WINDOW),
    ),
    "what the version was made by is not known": (
        *(facts(status(active(1, digest=None)), wish=spec(**BYTES)),),
        RESTING,
    ),
    "something else in the spec changed": (facts(wish=spec(overlap={"duration": "3h"})), RESTING),
    "a template changed": (facts(wish=spec(target={"template": {"data": {"x": "${token}"}}})), RESTING),
    "suspended and due": (facts(now=DUE, wish=spec(suspend=True)), waits(None, Reason.SUSPENDED)),
    "suspended and asked for": (facts(wish=asked(suspend=True)), waits(None, Reason.SUSPENDED)),
    "a faulty spec, due": (facts(now=DUE, problems=FAULTY), waits(None, Reason.INVALID_SPEC, stalled=True)),
    "a faulty spec, not due": (facts(problems=FAULTY), waits(None, Reason.INVALID_SPEC, stalled=True)),
    "a hold keeps no rotation from beginning": (
        *(facts(now=DUE, wish=spec(hold={"until": "2027-01-01T00:00:00Z", "reason": "audit"})),),
        begins(Cause.SCHEDULE),
    ),
    "it failed: a second before the next attempt": (failed(now=DUE + HOUR - SECOND), BACK_OFF),
    "it failed: at the next attempt": (failed(now=DUE + HOUR), begins(Cause.SCHEDULE, 3)),
    "it failed: a person asks": (failed(wish=asked()), begins(Cause.TRIGGER, 3)),
    "a triggered one failed: the same trigger waits": (
        *(facts(failed(Cause.TRIGGER).status.model_copy(update={"observed_trigger": "a"}), DUE, asked()),),
        BACK_OFF,
    ),
    "it failed: another generator waits too": (failed(wish=spec(**BYTES)), BACK_OFF),
    "a rotation under way: none begins": (
        facts(OVERLAPPING, NOON + timedelta(minutes=5), asked()),
        waits(NOON + timedelta(minutes=11), Reason.OVERLAP_OPEN),
    ),
    "an old version is kept: look for its users": (kept(1), USERS),
    "a kept version is used": (
        *(kept(1, pods=(pod("tool", start=-2 * 86400),), workloads=()),),
        waits(DUE + 15 * SECOND, Reason.HELD_BY_PODS, stalled=True),
    ),
    "a kept version is used by nobody": (kept(1, pods=(), workloads=()), begins(Cause.SCHEDULE, 3)),
    "as many old versions as there may be, less one": (
        *(kept(MAX_VERSIONS // 2 - 1, pods=(), workloads=()),),
        begins(Cause.SCHEDULE, MAX_VERSIONS // 2 + 1),
    ),
    "as many old versions as there may be": (
        *(kept(MAX_VERSIONS // 2, pods=(), workloads=()),),
        waits(None, Reason.TOO_MANY_VERSIONS, stalled=True),
    ),
    "as many old versions as there may be, but not due": (
        *(kept(MAX_VERSIONS // 2, DUE - SECOND, pods=(), workloads=()),),
        RESTING,
    ),
    "with consumers: look what number their templates name": (
        *(facts(now=DUE, wish=spec(consumers=[WEB])),),
        frozenset({What.WORKLOADS}),
    ),
    "a template names a number of an earlier life: begin above it": (
        *(facts(now=DUE, wish=spec(consumers=[WEB]), workloads=(workload("web", "7"), workload("jobs", "5"))),),
        begins(Cause.SCHEDULE, 8),
    ),
    "templates name what they should, or nothing, or nonsense": (
        facts(
            now=DUE,
            wish=spec(consumers=[WEB]),
            workloads=(workload("web", "1"), workload("jobs"), workload("x", "blue"), workload("y", "9999999999")),
        ),
        begins(Cause.SCHEDULE),
    ),
    "ended versions do not count": (
        *(facts(status(*(ended(number) for number in range(1, 41)), active(41)), DUE),),
        begins(Cause.SCHEDULE, 42),
    ),
}


@pytest.mark.parametrize("situation", BEGINS)
def test_a_rotation_begins_or_waits(situation: str) -> None:
    """In this situation a rotation begins, or it waits until then for that reason."""
    seen, expected = BEGINS[situation]
    assert gist(decide(seen)) == expected


def test_what_fell_due_while_nobody_watched_is_spread() -> None:
    """After downtime a rotation begins within a share of its interval, at most a quarter of an hour, once decided."""
    wish = spec(rotation={"jitterPercent": 10})
    up = DUE + 3 * DAY
    first = gist(decide(facts(now=up, wish=wish, started=up)))
    assert isinstance(first, tuple)
    begin, reason, _ = first
    assert begin is not None
    assert up < begin <= up + timedelta(minutes=15)
    assert reason is Reason.ACTIVE
    assert gist(decide(facts(now=begin - SECOND, wish=wish, started=up))) == first
    assert gist(decide(facts(now=begin, wish=wish, started=up))) == begins(Cause.SCHEDULE)
    again = up + timedelta(minutes=1)
    assert gist(decide(facts(now=begin, wish=wish, started=again))) != first, "spread from the last start on"


NEXT: dict[str, tuple[Facts, Any]] = {
    "by the interval": (facts(), DUE),
    "with windows": (facts(wish=spec(rotation=NIGHTLY)), LAST_WINDOW),
    "a trigger that waits does not count": (facts(wish=asked(rotation=NIGHTLY)), LAST_WINDOW),
    "suspended: it is told when it would be": (facts(wish=spec(suspend=True)), DUE),
    "while a rotation is under way it is counted from its activation": (facts(MOVING), DUE),
    "a faulty spec has none": (facts(problems=FAULTY), None),
    "without a version there is none": (facts(status()), None),
    "after a failure: not before the next attempt": (failed(), DUE + HOUR),
}


@pytest.mark.parametrize("situation", NEXT)
def test_the_status_tells_when_the_next_one_begins(situation: str) -> None:
    """`status.nextRotationTime` is what will be done by itself."""
    seen, expected = NEXT[situation]
    assert start.next_time(seen) == expected


def test_a_generator_has_one_digest() -> None:
    """Only what is to be made counts, and defaults that are written down change nothing."""
    plain = start.wanted_digest(spec())
    assert plain == start.wanted_digest(spec(generate={"token": {"prefix": "rk_", "bytes": 32}}))
    assert plain == start.wanted_digest(spec(overlap={"duration": "1h"}, suspend=True))
    assert plain != start.wanted_digest(spec(**BYTES))
    assert plain != start.wanted_digest(spec(generate={"password": {}}))
