"""What a rotation waits for before it begins: healthy consumers, and a credential that goes first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core import health, report, staging
from rekey.core.decide import decide
from rekey.core.demand import Demand
from rekey.core.effects import Hold, Issue, What
from rekey.core.facts import Credential, Facts, Staging
from rekey.core.reasons import Reason
from rekey.core.spec_request import RequestReason
from rekey.core.status import Cause, Condition, State, Status, Step
from tests.core.situations import (
    DAY,
    HOUR,
    INTERVAL,
    MINUTE,
    NOON,
    ONE,
    SECOND,
    WEB,
    Gist,
    active,
    ended,
    facts,
    gist,
    retiring,
    rotation,
    spec,
    status,
    version,
    waits,
    workload,
)

DUE = NOON + INTERVAL
LATE = DUE + timedelta(minutes=10)
"""Until then a rotation may be put off before it is Stalled: so long a rollout may take."""

REQUIRED: dict[str, Any] = {"validation": {"consumers": "Required"}}
SICK = workload("web", complete=False, progress="1 of 2 pods updated, 1 not ready")
HOT = {"kind": "Deployment", "name": "web", "refresh": "None"}
BEGINS = Issue(2, Cause.SCHEDULE)


def due(*views: Any, now: datetime = DUE, before: Status = ONE, **changes: Any) -> Facts:
    """Return facts in which a rotation is due and consumers must be healthy."""
    own = {key: changes.pop(key) for key in ("demands", "staging", "generation", "deleting") if key in changes}
    wish = spec(**{"consumers": [WEB], **REQUIRED, **changes})
    return facts(before, now, wish, workloads=views or None, **own)


def unhealthy(now: datetime = DUE, until: timedelta = SECOND, *, stalled: bool = False) -> Gist:
    """Return the gist of a wait for healthy consumers."""
    return waits(now + until, Reason.CONSUMERS_UNHEALTHY, stalled=stalled)


def told(before: Status, since: datetime, reason: Reason = Reason.CONSUMERS_UNHEALTHY) -> Status:
    """Return a status that has said since then that the rotation is postponed."""
    said = Condition(type=health.POSTPONED, status="True", reason=reason, last_transition_time=since)
    return before.model_copy(update={"conditions": (said,)})


def mortal(expires: datetime) -> Status:
    """Return a status whose version 1 expires then."""
    return status(active(1, expiration_time=expires))


LEAK = Demand("u", "leak", RequestReason.COMPROMISE, DUE)
NOW = Demand("n", "now", RequestReason.MANUAL, DUE)
FAR = DUE + 10 * DAY
BEFORE: dict[str, tuple[Facts, Gist]] = {
    "not due: nobody is looked at": (due(now=DUE - SECOND), waits(DUE, Reason.ACTIVE)),
    "due: consumers are looked at": (due(), frozenset({What.WORKLOADS})),
    "a healthy consumer": (due(workload()), BEGINS),
    "a sick consumer": (due(SICK), unhealthy()),
    "a sick consumer, and it is not asked for": (due(SICK, validation={}), BEGINS),
    "a healthy one and a sick one": (
        due(workload("jobs"), SICK, consumers=[WEB, {"kind": "Deployment", "name": "jobs"}]),
        unhealthy(),
    ),
    "one that reloads by itself is not asked": (due(SICK, consumers=[HOT]), BEGINS),
    "one that is paused is its person's": (due(replace(SICK, manual="paused")), BEGINS),
    "one that does not exist": (due(workload(exists=False, complete=False)), BEGINS),
    "a Job": (
        due(
            workload("job", kind="Job", restartable=False, complete=False),
            consumers=[{"kind": "Job", "name": "job", "refresh": "None"}],
        ),
        BEGINS,
    ),
    "no consumers at all: nobody is looked at": (due(consumers=[]), BEGINS),
    "put off for a minute: looked at every six seconds": (
        due(SICK, now=DUE + MINUTE, before=told(ONE, DUE)),
        unhealthy(DUE + MINUTE, 6 * SECOND),
    ),
    "put off for a day: looked at every five minutes": (
        due(SICK, now=DUE + DAY, before=told(ONE, DUE)),
        unhealthy(DUE + DAY, 5 * MINUTE, stalled=True),
    ),
    "overdue for as long as a rollout may take: not Stalled": (due(SICK, now=LATE), unhealthy(LATE)),
    "overdue for longer: Stalled": (
        due(SICK, now=LATE + SECOND),
        unhealthy(LATE + SECOND, stalled=True),
    ),
    "it is said in time that it is Stalled": (
        due(SICK, now=LATE - SECOND, before=told(ONE, DUE)),
        unhealthy(LATE - SECOND, SECOND),
    ),
    "asked for by a trigger, long before it is due": (
        due(SICK, now=NOON + DAY, rotation={"trigger": "a"}),
        unhealthy(NOON + DAY),
    ),
    "asked for by a request": (due(SICK, demands=(NOW,)), unhealthy()),
    "a version that expires long after: it waits": (due(SICK, before=mortal(FAR)), unhealthy()),
    "a second before it is said that the version expires": (
        due(SICK, now=FAR - DAY - SECOND, before=told(mortal(FAR), DUE)),
        unhealthy(FAR - DAY - SECOND, SECOND, stalled=True),
    ),
    "when it is said that the version expires": (due(SICK, now=FAR - DAY, before=mortal(FAR)), BEGINS),
    "a version that expires so soon that its overlap must begin": (
        due(SICK, now=DUE, before=mortal(DUE + timedelta(minutes=10))),
        BEGINS,
    ),
    "compromised": (due(SICK, demands=(LEAK,)), Issue(2, Cause.COMPROMISE, (LEAK,))),
    "suspended: nothing is looked at": (due(suspend=True), waits(None, Reason.SUSPENDED)),
    "a first version": (facts(status(), DUE, spec(consumers=[WEB], **REQUIRED)), frozenset({What.BUNDLE})),
}


def first(*versions: Any, ready: bool = True, **fields: Any) -> Staging:
    """Return a credential that goes first: version 2 is current since an hour before ours is due, and nothing is on."""
    since = DUE - HOUR
    found = status(*(versions or (ended(1), active(2, since))), **fields)
    said = Condition(type="Ready", status=str(ready), reason="Active", last_transition_time=since)
    return Staging("staging", found.model_copy(update={"conditions": (said,)}))


def stage(going_first: Staging | None, now: datetime = DUE, before: Status = ONE, **changes: Any) -> Facts:
    """Return facts in which a rotation is due and another credential goes first."""
    return due(
        now=now, before=before, staging=going_first, **{"validation": {"after": "staging"}, "consumers": [], **changes}
    )


WAITS = waits(DUE + SECOND, Reason.AWAITING_STAGING)
INVALID = waits(DUE + SECOND, Reason.INVALID_SPEC, stalled=True)
STAGING: dict[str, tuple[Facts, Gist]] = {
    "it has rotated since and nothing is under way": (stage(first()), BEGINS),
    "it rotated a second after ours": (stage(first(active(2, NOON + SECOND))), BEGINS),
    "it rotated when ours did": (stage(first(active(2, NOON))), WAITS),
    "it has not rotated since": (stage(first(active(1, NOON - DAY))), WAITS),
    "its consumers are being moved": (stage(first(rotation=rotation(Step.ROLLING_OUT))), WAITS),
    "its overlap runs": (
        stage(first(retiring(1, DUE - HOUR), active(2, DUE - HOUR), rotation=rotation(Step.OVERLAP))),
        WAITS,
    ),
    "its rotation was taken back": (stage(first(rotation=rotation(Step.ROLLED_BACK))), WAITS),
    "it is not Ready": (stage(first(ready=False)), WAITS),
    "it has no condition yet": (stage(Staging("staging", status(active(2, DUE - HOUR)))), WAITS),
    "it has no current version": (stage(first(version(1, State.ISSUED), last_rotation_time=DUE)), WAITS),
    "it does not exist": (stage(Staging("staging", None)), INVALID),
    "it waits for ours in turn": (stage(replace(first(), circular=True)), INVALID),
    "how far it is is not known": (stage(None), WAITS),
    "not due yet: it is not waited for": (stage(None, now=DUE - SECOND), waits(DUE, Reason.ACTIVE)),
    "overdue for longer than a rollout may take": (
        stage(None, now=LATE + SECOND),
        waits(LATE + 2 * SECOND, Reason.AWAITING_STAGING, stalled=True),
    ),
    "the version is about to expire": (
        stage(first(active(1, NOON - DAY)), now=FAR - DAY, before=mortal(FAR)),
        BEGINS,
    ),
    "it does not exist and the version is about to expire": (
        stage(Staging("staging", None), now=FAR - DAY, before=mortal(FAR)),
        BEGINS,
    ),
    "compromised": (stage(first(ready=False), demands=(LEAK,)), Issue(2, Cause.COMPROMISE, (LEAK,))),
    "it has rotated, and then consumers must be healthy": (
        stage(first(), consumers=[WEB], validation={"after": "staging", "consumers": "Required"}),
        frozenset({What.WORKLOADS}),
    ),
    "it has rotated, and a consumer is sick that need not be healthy": (
        replace(stage(first(), consumers=[WEB]), workloads=(SICK,)),
        BEGINS,
    ),
    "it has not rotated: consumers are not looked at": (
        stage(None, consumers=[WEB], validation={"after": "staging", "consumers": "Required"}),
        WAITS,
    ),
}

ALL = {
    **{f"before: {name}": case for name, case in BEFORE.items()},
    **{f"staging: {name}": case for name, case in STAGING.items()},
}


@pytest.mark.parametrize("situation", ALL)
def test_a_rotation_begins_or_waits(situation: str) -> None:
    """In this situation it begins, or waits until then for that reason."""
    seen, expected = ALL[situation]
    assert gist(decide(seen)) == expected


SAID: dict[str, tuple[Facts, Any]] = {
    "nothing is asked for": (due(SICK, validation={}), None),
    "settling alone is no reason to wait": (due(SICK, validation={"settle": "1m"}), None),
    "not due, and healthy as far as is known": (due(now=NOON), ("False", "None", "")),
    "a sick consumer": (
        due(SICK),
        ("True", "ConsumersUnhealthy", "the next rotation waits: not healthy: Deployment/web (1 of 2 pods updated,"),
    ),
    "a sick consumer of a version that expires": (
        due(SICK, before=mortal(FAR)),
        ("True", "ConsumersUnhealthy", "as version 1 expires, it begins 2026-03-21 12:00:00Z all the same"),
    ),
    "the first has not rotated": (
        stage(first(active(1, NOON - DAY))),
        ("True", "AwaitingStaging", "RotatedCredential staging, which goes first, has not rotated since this one did"),
    ),
    "the first is not there, long before it is due": (
        stage(Staging("staging", None), now=NOON),
        ("True", "InvalidSpec", "spec.validation.after: RotatedCredential staging does not exist in this namespace"),
    ),
    "both wait for each other, long before it is due": (
        stage(replace(first(), circular=True), now=NOON),
        ("True", "InvalidSpec", "staging waits for this one in turn: take `after` from one of them"),
    ),
    "the first is there, long before it is due": (stage(first(ready=False), now=NOON), ("False", "None", "")),
}


@pytest.mark.parametrize("situation", SAID)
def test_the_status_says_for_whom_it_waits(situation: str) -> None:
    """The condition Postponed is there for whoever asks for something, and names it; Ready stays as it was."""
    seen, expected = SAID[situation]
    hold = decide(seen)
    told = report.report(seen, hold if isinstance(hold, Hold) else Hold(None, Reason.ACTIVE, "begins")).conditions
    found = {one.type: one for one in told}
    said = found.get("Postponed")
    if expected is None or said is None:
        assert said is expected
        return
    assert (said.status, said.reason) == expected[:2]
    assert expected[2] in said.message
    assert found["Ready"].status == "True"


def test_a_missing_credential_is_looked_for_again() -> None:
    """Nothing tells when it is made, so every five minutes; one that is there is not looked for."""
    assert health.next_look(stage(Staging("staging", None), now=NOON)) == NOON + 5 * MINUTE
    assert health.next_look(stage(first(), now=NOON)) is None
    assert health.next_look(facts()) is None


DESPITE: dict[str, tuple[Facts, str | None]] = {
    "nothing is asked for": (due(SICK, validation={}), None),
    "all are healthy": (due(workload()), None),
    "a consumer is sick": (due(SICK), "not healthy: Deployment/web (1 of 2 pods updated, 1 not ready)"),
    "the first is not Ready": (
        stage(first(ready=False)),
        "RotatedCredential staging, which goes first, is not Ready",
    ),
    "a first version waits for nobody": (due(SICK, before=status()), None),
}


@pytest.mark.parametrize("situation", DESPITE)
def test_what_is_not_waited_for_is_told(situation: str) -> None:
    """A rotation that begins all the same says what is not as it should be."""
    seen, expected = DESPITE[situation]
    assert health.despite(seen) == expected


CHAINS: dict[str, tuple[dict[str, str | None], bool, bool]] = {
    "there is none of that name": ({}, False, False),
    "it waits for nobody": ({"b": None}, True, False),
    "it waits for another": ({"b": "c", "c": None}, True, False),
    "it waits for ours": ({"b": "api"}, True, True),
    "the one that it waits for waits for ours": ({"b": "c", "c": "api"}, True, True),
    "it waits for one that does not exist": ({"b": "c"}, True, False),
    "two others wait for each other": ({"b": "c", "c": "b"}, True, False),
}


@pytest.mark.parametrize("situation", CHAINS)
def test_whoever_waits_in_a_circle_is_found(situation: str) -> None:
    """The chain is followed until it ends, comes back to ours, or turns in itself."""
    others, exists, circular = CHAINS[situation]
    ours = facts(wish=spec(validation={"after": "b"})).credential

    def find(name: str) -> Credential | None:
        if name not in others:
            return None
        return replace(ours, spec=spec(validation={"after": others[name]} if others[name] else {}))

    found = staging.seen(ours, find)
    assert found is not None
    assert (found.status is not None, found.circular) == (exists, circular)


def test_one_that_is_being_deleted_counts_as_gone() -> None:
    """It will not rotate any more; and whoever names none waits for none."""
    ours = facts(wish=spec(validation={"after": "b"})).credential
    found = staging.seen(ours, lambda _: replace(ours, deleting=NOON, spec=spec()))
    assert found == Staging("b", None)
    assert staging.seen(facts().credential, lambda _: ours) is None
