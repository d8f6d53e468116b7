"""The figures: what is counted, what is computed, and how many series there may be."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from rekey.app.cache import Cache
from rekey.app.metrics import Gauges, Metrics
from rekey.app.queue import Lane, Queue
from rekey.app.seen import look
from rekey.core.facts import Key
from rekey.core.status import Cause, Rotation, State, Status, Step, Version
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest, settled

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOON


def status(step: Step | None, state: State = State.ACTIVE, *, current: int | None = 2, failed: bool = False) -> Status:
    """Return the status of a rotation to version 2."""
    started = NOON.replace(hour=11)
    rotation = None
    if step is not None:
        rotation = Rotation(id="x", number=2, cause=Cause.SCHEDULE, step=step, started_time=started)
    version = Version(number=2, state=state, secret_name="x-v2", rolled_back=failed or None)
    return Status(current_version=current, versions=(version,), rotation=rotation)


SAVES: dict[str, tuple[Status, Status, str | None]] = {
    "the first version": (Status(), status(None, current=1), 'cause="FirstIssue",result="Completed"'),
    "a rotation ends": (status(Step.REVOKING), status(None), 'cause="Schedule",result="Completed"'),
    "a rollout fails": (
        status(Step.ROLLING_OUT),
        status(Step.ROLLING_BACK, failed=True),
        'cause="Schedule",result="RolledBack"',
    ),
    "a failed rollout goes on failing": (
        status(Step.ROLLING_BACK, failed=True),
        status(Step.ROLLED_BACK, failed=True),
        None,
    ),
    "a rotation goes on": (status(Step.ROLLING_OUT), status(Step.OVERLAP), None),
    "nothing happens": (status(None), status(None), None),
}


@pytest.mark.parametrize("name", SAVES)
def test_rotations_are_counted_once(name: str) -> None:
    """A saved status that ends a rotation is counted by result and cause; every other is not."""
    before, after, labels = SAVES[name]
    metrics = Metrics(Clock())
    metrics.saved(before, after)
    found = re.findall(r"rekey_rotations_total\{(.*)\} 1\.0", metrics.text().decode())
    assert found == ([labels] if labels else [])


def test_the_time_of_a_step_is_measured() -> None:
    """When the step changes, the time since the rotation began is observed under the step that ended."""
    metrics = Metrics(Clock())
    metrics.saved(status(Step.ROLLING_OUT), status(Step.OVERLAP))
    assert 'rekey_step_seconds_sum{step="RollingOut"} 3600.0' in metrics.text().decode()


class Failing:
    """Workers that have had failures."""

    def retrying(self) -> int:
        return 4

    def stuck(self) -> int:
        return 3


def gathered(limit: int) -> str:
    """Return the figures of three credentials and two waiting keys."""

    async def play() -> str:
        cache = Cache(Parser().parse, 5, 20)
        queue = Queue(lambda: 0.0)
        cache.put(look(manifest("new")))
        cache.put(look(settled("late", version=11)))
        late = settled("overdue", version=12)
        late["status"]["nextRotationTime"] = "2026-11-21T11:59:00Z"
        late["status"]["versions"][0]["expirationTime"] = "2026-11-21T11:00:00Z"  # it is not current
        late["status"]["versions"][1]["expirationTime"] = "2026-11-21T12:00:00Z"
        late["status"]["conditions"].append({"type": "Stalled", "status": "True", "reason": "NameTaken"})
        cache.put(look(late))
        queue.add(Key("shop", "new"), Lane.CHANGE)
        queue.add(Key("shop", "late"), Lane.RESYNC)
        metrics = Metrics(Clock())
        metrics.registry.register(Gauges(cache, queue, Clock(), Failing(), limit))
        metrics.requested("get", "secrets", 200)
        metrics.requested("get", "secrets", 0)
        metrics.asked_for_keys("unwrap", "Retryable")
        return metrics.text().decode()

    return asyncio.run(play())


WANTED = [
    'rekey_credentials{state="New"} 1.0',
    'rekey_credentials{state="Rotating"} 1.0',
    'rekey_credentials{state="Stalled"} 1.0',
    'rekey_credentials_blocked{reason="NameTaken"} 1.0',
    "rekey_oldest_overdue_seconds 60.0",
    'rekey_queue_depth{lane="change"} 1.0',
    'rekey_queue_depth{lane="deadline"} 0.0',
    'rekey_api_requests_total{code="none",resource="secrets",verb="get"} 1.0',
    'rekey_key_encryption_calls_total{operation="unwrap",result="Retryable"} 1.0',
    "rekey_retrying 4.0",
    "rekey_stuck 3.0",
    'rekey_overlap_end_timestamp_seconds{credential="late",namespace="shop"} 1.7952552e+09',
    'rekey_expiration_timestamp_seconds{credential="overdue",namespace="shop"} 1.7952624e+09',
    "rekey_next_expiration_timestamp_seconds 1.7952624e+09",
]


@pytest.mark.parametrize("line", WANTED)
def test_the_state_is_shown(line: str) -> None:
    """The figures follow from cache and queue as they are."""
    assert line in gathered(10).splitlines()


def test_series_of_credentials_are_bounded() -> None:
    """With a limit of one, only the most urgent credential has series with its name; with zero, none has."""
    assert set(re.findall(r'credential="(\w+)"', gathered(1))) == {"overdue"}
    assert not re.findall(r'credential="(\w+)"', gathered(0))
