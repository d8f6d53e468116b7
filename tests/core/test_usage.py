"""The usage gate: an old version that is still seen in use is not revoked, though no pod holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core import retire, usage
from rekey.core.answer import AnswerState
from rekey.core.decide import decide
from rekey.core.demand import Demand
from rekey.core.effects import Commit, Hold, What
from rekey.core.facts import Facts, InUse, Usage
from rekey.core.reasons import Reason
from rekey.core.spec import UsageGate
from rekey.core.spec_request import RequestReason
from rekey.core.status import Step
from rekey.core.usage import Reading
from tests.core.situations import (
    DAY,
    MINUTE,
    NOON,
    SECOND,
    Gist,
    active,
    facts,
    gist,
    pod,
    retiring,
    rotation,
    spec,
    waits,
)
from tests.core.situations import status as ledger_of

OVER = NOON + 11 * MINUTE
"""When the overlap of version 1 is over."""

ASKED: dict[str, Any] = {"prometheus": {"url": "https://prometheus.orders.svc"}}
NOT_USED = {1: Usage(InUse.NO)}
USED = {1: Usage(InUse.YES, "somebody used it in the last 30m")}
UNKNOWN = {1: Usage(InUse.UNKNOWN, "Prometheus: no connection")}
FORCED: dict[str, Any] = {"overlap": {"duration": "10m", "atDeadline": "Revoke"}}
LATE = NOON + 3 * DAY
LOOK = frozenset({What.USAGE})


def seen(
    of: Mapping[int, Usage] | None, now: datetime = OVER, pods: Any = (), leaked: str | None = None, **wish: Any
) -> Facts:
    """Return facts in which the overlap of version 1 runs from a minute past noon, and that is known of its use."""
    old = retiring(overlap_start_time=NOON + MINUTE, compromised=leaked)
    before = ledger_of(old, active(), rotation=rotation(Step.OVERLAP))
    return facts(before, now, spec(**{"usage": ASKED, **wish}), pods=pods, workloads=(), usage=of)


def blocked(reason: Reason, now: datetime = OVER, pause: timedelta = SECOND) -> Gist:
    """Return the gist of a revocation that is held back."""
    return waits(now + pause, reason, blocked=True)


GATE: dict[str, tuple[Facts, Gist]] = {
    "the spec asks for nothing: nobody is asked": (seen(None, usage=None), Commit(1)),
    "somebody is to be asked": (seen(None), LOOK),
    "only of another version it is known": (seen({2: Usage(InUse.YES)}), LOOK),
    "the overlap is not over: nobody is asked yet": (
        seen(None, OVER - SECOND),
        waits(OVER, Reason.OVERLAP_OPEN),
    ),
    "a pod holds it: nobody is asked yet": (seen(None, pods=(pod("tool"),)), blocked(Reason.HELD_BY_PODS)),
    "a pod holds it that nobody was seen using": (seen(NOT_USED, pods=(pod("tool"),)), blocked(Reason.HELD_BY_PODS)),
    "the pods were not looked at since": (seen(NOT_USED, pods=None), frozenset({What.PODS, What.WORKLOADS})),
    "on hold: nobody is asked": (
        seen(None, hold={"until": "2026-03-03T00:00:00Z", "reason": "audit"}),
        waits(NOON + DAY / 2, Reason.ON_HOLD, blocked=True),
    ),
    "not in use": (seen(NOT_USED), Commit(1)),
    "in use": (seen(USED), blocked(Reason.IN_USE)),
    "nobody can tell": (seen(UNKNOWN), blocked(Reason.USAGE_UNKNOWN)),
    "in use at the deadline, atDeadline Hold": (seen(USED, LATE), blocked(Reason.DEADLINE_PASSED, LATE, 5 * MINUTE)),
    "nobody can tell at the deadline, atDeadline Hold": (
        seen(UNKNOWN, LATE),
        blocked(Reason.DEADLINE_PASSED, LATE, 5 * MINUTE),
    ),
    "in use at the deadline, atDeadline Revoke": (seen(USED, LATE, **FORCED), Commit(1, forced=True)),
    "nobody was asked at the deadline, atDeadline Revoke": (seen(None, LATE, **FORCED), Commit(1, forced=True)),
    "in use a second before the deadline, atDeadline Revoke": (
        seen(USED, LATE - SECOND, **FORCED),
        blocked(Reason.IN_USE, LATE - SECOND, 5 * MINUTE),
    ),
    "in use by whoever it became known to": (seen(USED, leaked="AfterRollout"), Commit(1)),
    "known to others: nobody is asked": (seen(None, leaked="AfterRollout"), Commit(1)),
    "known to others, and held by a pod": (
        seen(None, leaked="AfterRollout", pods=(pod("tool"),)),
        waits(OVER + 15 * SECOND, Reason.HELD_BY_PODS, blocked=True),
    ),
}


@pytest.mark.parametrize("situation", GATE)
def test_a_version_in_use_is_kept(situation: str) -> None:
    """In this situation the old version is revoked, or stays for that reason."""
    found, expected = GATE[situation]
    assert gist(decide(found)) == expected


def test_a_person_cuts_the_overlap_short_and_not_what_is_seen() -> None:
    """A request to revoke the version ends its overlap; who still uses it is asked all the same."""
    demand = Demand(uid="u", name="r", reason=RequestReason.REVOKE, created=NOON, version=1)
    found = seen(None, NOON + 2 * MINUTE)
    status = found.status.model_copy(update={"requests": (demand.answer(AnswerState.RUNNING, "", NOON, before=1),)})
    assert gist(decide(replace(found, demands=(demand,), status=status))) == LOOK


def test_nobody_is_asked_about_a_version_whose_overlap_runs() -> None:
    """Of two old versions one may go, and the other may not yet: only of that one it is asked."""
    over = retiring(1, overlap_start_time=NOON)
    later = retiring(2, overlap_start_time=NOON + 5 * MINUTE)
    found = facts(ledger_of(over, later, active(3)), OVER, spec(usage=ASKED), pods=(), workloads=())
    assert [one.number for one in retire.asked_about(found)] == [1]


PAUSES = {0: 1, 1: 1, 2: 2, 30: 30, 64: 64, 299: 299, 300: 300, 301: 300, 86_400: 300}
"""After so many seconds of waiting: how many until the next question."""


@pytest.mark.parametrize("waited", PAUSES)
def test_each_pause_is_as_long_as_all_before(waited: int) -> None:
    """They double, from a second up to five minutes."""
    now = OVER + waited * SECOND
    assert gist(decide(seen(USED, now))) == blocked(Reason.IN_USE, now, PAUSES[waited] * SECOND)


SAID: dict[str, tuple[Mapping[int, Usage], str]] = {
    "in use": (USED, "version 1 is still in use: somebody used it in the last 30m"),
    "nobody can tell": (UNKNOWN, "version 1 may still be in use: Prometheus: no connection"),
}


@pytest.mark.parametrize("case", SAID)
def test_the_condition_says_why(case: str) -> None:
    """The message holds what is known."""
    hold = decide(seen(SAID[case][0]))
    assert isinstance(hold, Hold)
    assert hold.message == SAID[case][1]


def gate(**fields: Any) -> UsageGate:
    """Return the part of the spec, with these fields of the server's."""
    return UsageGate.model_validate({"quiet": "90m", "prometheus": {**ASKED["prometheus"], **fields}})


READINGS: dict[str, tuple[Reading, InUse]] = {
    "no sample": (Reading(()), InUse.NO),
    "nothing was counted": (Reading((0.0,)), InUse.NO),
    "less than nothing": (Reading((-1.0, 0.0)), InUse.NO),
    "a part of a request": (Reading((0.0, 0.01)), InUse.YES),
    "more than can be counted": (Reading((float("inf"),)), InUse.YES),
    "somebody, and what is no number": (Reading((float("nan"), 1.0)), InUse.YES),
    "somebody, though a part is missing": (Reading((1.0,), partial=True), InUse.YES),
    "what is no number": (Reading((0.0, float("nan"))), InUse.UNKNOWN),
    "endlessly little": (Reading((float("-inf"),)), InUse.UNKNOWN),
    "nobody, but a part is missing": (Reading((), partial=True), InUse.UNKNOWN),
    "no answer": (Reading(trouble="no connection"), InUse.UNKNOWN),
}


@pytest.mark.parametrize("case", READINGS)
def test_what_an_answer_means(case: str) -> None:
    """Nothing but numbers up to 0, of which none is missing, says that nobody uses it."""
    reading, expected = READINGS[case]
    found = usage.judge(gate(), reading)
    assert found.in_use is expected
    assert bool(found.said) is (expected is not InUse.NO)


def test_why_it_is_no_number() -> None:
    """The question of ours answers so where no verifier is seen; of another one nobody knows."""
    nothing = Reading((float("nan"),))
    assert usage.judge(gate(), nothing).said == "it collects from no verifier of rekey-client"
    own = gate(query="uses{v='${version}'} > ${quiet}")
    assert usage.judge(own, nothing).said == "the answer is no number"


def test_the_question_names_version_and_time() -> None:
    """Every placeholder is filled, wherever it stands and however often."""
    own = gate(query='a{n="${namespace}/${name}"}[${quiet}] or b{v="${version}"}[${quiet}]')
    found = seen(None)
    (old,) = (one for one in found.status.versions if one.number == 1)
    assert usage.expression(own, found, old) == 'a{n="orders/api"}[1h30m] or b{v="1"}[1h30m]'


def test_the_question_of_ours_asks_what_the_kit_counts() -> None:
    """Its labels are those of the kit's metrics, and nothing in it is left open."""
    found = seen(None)
    (old,) = (one for one in found.status.versions if one.number == 1)
    text = usage.expression(gate(), found, old)
    assert 'rekey_client_validations_total{credential="orders/api",version="1",reason="accepted"}[1h30m]' in text
    assert "$" not in text


def told(hours: float | None) -> datetime | None:
    """Return the instant so many hours before noon."""
    return None if hours is None else NOON - hours * 60 * MINUTE


TOLD: dict[str, tuple[float | None, float | None, float | None, InUse]] = {
    "used a while ago": (1, 240, 120, InUse.YES),
    "used just as long ago as it is to be quiet": (6, 240, 120, InUse.YES),
    "used longer ago": (6.01, 240, 120, InUse.NO),
    "used in a moment, by another clock": (-0.01, 240, 120, InUse.YES),
    "used longer ago, and made of late, by another clock": (7, 5, 1, InUse.NO),
    "young, and used": (1, 2, 1, InUse.YES),
    "no use is known, and it is old": (None, 240, 120, InUse.NO),
    "no use is known, and it is just as old as it is to be quiet": (None, 6, 1, InUse.NO),
    "no use is known, and it is young": (None, 5.99, 1, InUse.UNKNOWN),
    "no use is known, and nobody knows when it was made, but that is long ago": (None, None, 7, InUse.NO),
    "no use is known, and nobody knows when it was made, which may be of late": (None, None, 1, InUse.UNKNOWN),
    "no use is known, nor how old it is": (None, None, None, InUse.UNKNOWN),
}
"""How many hours ago it was used, made and replaced."""


@pytest.mark.parametrize("case", TOLD)
def test_what_the_last_use_means(case: str) -> None:
    """Used within `quiet` is in use; no use is told of it only when it is old enough that one would be known."""
    last, made, replaced, expected = TOLD[case]
    asks = UsageGate.model_validate({"quiet": "6h", "backend": {}})
    version = retiring(issued_time=told(made), retire_time=told(replaced))
    found = usage.since(asks, version, told(last), NOON)
    assert found.in_use is expected
    assert (
        found.said
        == {
            InUse.YES: "somebody used it in the last 6h",
            InUse.NO: "",
            InUse.UNKNOWN: "its backend knows of no use, and it was made in the last 6h",
        }[expected]
    )
