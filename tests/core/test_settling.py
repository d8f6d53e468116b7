"""How long consumers must stay healthy after the last has moved, and what becomes of a version if they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rekey.core import report
from rekey.core.decide import decide
from rekey.core.effects import Commit, Condemn, Hold, StartOverlap
from rekey.core.facts import Facts
from rekey.core.machine import restarted
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.status import Step
from tests.core.rolling import LIMIT, done, moving, old, restart, rolling, wait
from tests.core.situations import HOUR, Gist, after, entry, gist, rotation, waits, workload

SETTLE: dict[str, Any] = {"validation": {"settle": "2m"}}


def stays(
    now: float, *views: Any, healthy: bool | None = True, since: float = 60, restarted: float = 10, **more: Any
) -> Facts:
    """Return facts so many seconds after noon in which whoever says 2 has moved, and is healthy or not since then."""
    known = [
        entry(view.name, 2, restarted, moved=True, healthy=healthy, health_time=after(since))
        if view.annotation == "2"
        else entry(view.name)
        for view in views
    ]
    return moving(now, *views, entries=known, **{**SETTLE, **more})


def settling(now: float, until: float, **flags: bool) -> Gist:
    """Return the gist of a wait for consumers to stay healthy."""
    return waits(after(until), Reason.SETTLING, **flags)


AFTER: dict[str, tuple[Facts, Gist]] = {
    "it has just moved": (moving(60, done("web"), **SETTLE), settling(60, 61)),
    "it has just moved, and nobody asked for more": (moving(60, done("web")), StartOverlap(1, after(60))),
    "a second before the time is over": (stays(179, done("web")), settling(179, 180)),
    "the time is over": (stays(180, done("web")), StartOverlap(1, after(180))),
    "away for a moment": (stays(120, rolling("web")), settling(120, 121)),
    "away for less than it should have stayed": (stays(179, rolling("web"), healthy=False), settling(179, 190.9)),
    "away for as long as it should have stayed": (
        stays(180, rolling("web"), healthy=False),
        Condemn(2, after(180) + HOUR),
    ),
    "away for longer than a rollout may take, and it should stay for longer still": (
        stays(60 + LIMIT, rolling("web"), healthy=False, validation={"settle": "1h"}),
        Condemn(2, after(60 + LIMIT) + HOUR),
    ),
    "back again: the time counts anew": (stays(200, done("web"), healthy=False), settling(200, 201)),
    "coming and going for longer than all may take": (
        stays(10 + LIMIT + 121, rolling("web"), healthy=False, since=10 + LIMIT + 120),
        Condemn(2, after(10 + LIMIT + 121) + HOUR),
    ),
    "coming and going, and there is time": (
        stays(10 + LIMIT + 120, rolling("web"), healthy=False, since=10 + LIMIT + 119),
        settling(10 + LIMIT + 120, 10 + LIMIT + 121),
    ),
    "away, onFailure Hold": (
        stays(180, rolling("web"), healthy=False, rollout={"onFailure": "Hold"}),
        waits(after(195), Reason.ROLLOUT_FAILED, stalled=True),
    ),
    "the first has moved, the second has not": (stays(60, done("web"), old("jobs")), restart("jobs")),
    "the first is away for too long while the second has not moved": (
        stays(180, rolling("web"), old("jobs"), healthy=False),
        Condemn(2, after(180) + HOUR),
    ),
    "the second is rolling": (
        moving(
            100,
            done("web"),
            rolling("jobs"),
            entries=[entry("web", 2, 10, moved=True, healthy=True, health_time=after(20)), entry("jobs", 2, 90)],
            **SETTLE,
        ),
        wait(100, 10),
    ),
    "the last to move counts": (
        moving(
            200,
            done("web"),
            done("jobs"),
            entries=[
                entry("web", 2, 10, moved=True, healthy=True, health_time=after(20)),
                entry("jobs", 2, 90, moved=True, healthy=True, health_time=after(100)),
            ],
            **SETTLE,
        ),
        settling(200, 210),
    ),
    "one that a person keeps still cannot fall ill": (
        stays(120, replace(rolling("web"), manual="paused")),
        settling(120, 126),
    ),
    "nobody is there any more": (moving(60, workload("web", exists=False), **SETTLE), StartOverlap(1, after(60))),
    "the overlap's deadline has passed: it is said": (
        stays(3700, done("web"), since=3690, overlap={"duration": "10m", "deadline": "1h"}),
        settling(3700, 3701, blocked=True),
    ),
    "the overlap's deadline has passed, atDeadline Revoke": (
        stays(3700, done("web"), since=3690, overlap={"duration": "10m", "deadline": "1h", "atDeadline": "Revoke"}),
        Commit(1, forced=True),
    ),
}


def _compromised(seen: Facts) -> Facts:
    leaked = tuple(
        one.model_copy(update={"compromised": "AfterRollout"}) if one.number == 1 else one
        for one in seen.status.versions
    )
    return replace(seen, status=seen.status.model_copy(update={"versions": leaked}))


AFTER["it is compromised: nobody is watched"] = (_compromised(stays(120, done("web"))), StartOverlap(1, after(120)))
AFTER["it is compromised, and a consumer is away"] = (
    _compromised(stays(180, rolling("web"), healthy=False)),
    StartOverlap(1, after(180)),
)


@pytest.mark.parametrize("situation", AFTER)
def test_consumers_must_stay_healthy(situation: str) -> None:
    """In this situation the overlap begins, the version is taken back, or it waits until then for that reason."""
    seen, expected = AFTER[situation]
    assert gist(decide(seen)) == expected


def entries(seen: Facts) -> dict[str, tuple[bool | None, datetime | None]]:
    """Return what the status remembers of the health of each consumer."""
    said = report.report(seen, Hold(None, Reason.SETTLING, ""))
    return {one.name: (one.healthy, one.health_time) for one in said.consumers}


def test_since_when_a_consumer_is_healthy_is_remembered() -> None:
    """The time changes with the verdict only; one that moves is not judged, nor is anybody without `settle`."""
    assert entries(moving(60, done("web"), old("jobs"), **SETTLE, pods=())) == {
        "web": (True, after(60)),
        "jobs": (None, None),
    }
    assert entries(stays(120, done("web"))) == {"web": (True, after(60))}
    assert entries(stays(120, rolling("web"))) == {"web": (False, after(120))}
    assert entries(stays(120, rolling("web"), healthy=False)) == {"web": (False, after(60))}
    assert entries(moving(60, done("web"))) == {"web": (None, None)}
    over = stays(120, done("web"))
    calm = over.status.model_copy(update={"rotation": rotation(Step.OVERLAP)})
    assert entries(replace(over, status=calm)) == {"web": (None, None)}


def test_a_version_that_is_taken_back_keeps_what_was_seen() -> None:
    """The Event about the failure names the consumer; its restart for the way back begins with a clean sheet."""
    seen = stays(180, rolling("web"), healthy=False)
    back = seen.status.model_copy(update={"rotation": rotation(Step.ROLLING_BACK)})
    assert entries(replace(seen, status=back)) == {"web": (False, after(60))}
    fresh = restarted(back, restart("web"), Outcome(after(181), after(181)))
    assert [(one.healthy, one.health_time) for one in fresh.consumers] == [(None, None)]


def test_while_consumers_settle_the_status_says_so() -> None:
    """ConsumersUpToDate is False for that reason, and says until when."""
    seen = stays(120, done("web"))
    hold = decide(seen)
    assert isinstance(hold, Hold)
    found = next(one for one in report.report(seen, hold).conditions if one.type == report.UP_TO_DATE)
    assert (found.status, found.reason) == ("False", "Settling")
    assert found.message == "every consumer has moved; they must stay healthy until 2026-03-02 12:03:00Z"
