"""The workers when things go wrong: merged wishes, missed events, what cannot be parsed, and what fails for good."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from rekey.app.heard import Gone
from rekey.app.queue import Lane
from rekey.app.workers import STUCK
from rekey.core.facts import Credential, Key
from rekey.core.reasons import Reason
from rekey.core.status import Status
from rekey.engine.reconcile import Result
from rekey.errors import Retryable
from tests.app.bench import KEY, NOON, Bench, failing, gone, hold, played
from tests.app.credentials import manifest, settled
from tests.app.eventually import eventually

RIVAL = Key("shop", "rival")
UNKNOWN: dict[str, Any] = {"spec__rotation": {"interval": "720h", "moonPhase": "full"}}
CLAIM: dict[str, Any] = {
    "spec__target": {"secretName": "orders"},
    "metadata__creationTimestamp": "2026-11-20T08:00:00Z",
}
ENDING: dict[str, Any] = {
    "metadata__deletionTimestamp": "2026-11-21T09:00:00Z",
    "spec__deletionPolicy": "Revoke",
    "spec__target": {"secretName": "db"},
}


@pytest.mark.parametrize("first", [Lane.CHANGE, Lane.DEADLINE], ids=["after the echo", "before the echo"])
def test_a_deadline_that_meets_the_echo_of_our_own_write_is_kept(first: Lane) -> None:
    """What our own save set off is skipped, but not if somebody else wants a look in the same turn."""

    async def save(bench: Bench, credential: Credential) -> Result:
        if len(bench.done) == 1:
            if first is Lane.DEADLINE:
                bench.queue.add(KEY, Lane.DEADLINE)
            bench.hear(manifest(version=11))
            if first is Lane.CHANGE:
                bench.queue.add(KEY, Lane.DEADLINE)
            await bench.credentials.save(credential, Status())
        return Result(credential, None, Reason.ACTIVE, "")

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        assert len(bench.done) == 2

    played(save, scene)


def test_a_missed_change_is_read_even_if_only_an_echo_asked_for_the_turn() -> None:
    """A newer version that the list knows of is read, though the change that is queued was our own."""

    async def save(bench: Bench, credential: Credential) -> Result:
        if len(bench.done) == 1:
            bench.hear(manifest(version=11))
            await bench.credentials.save(credential, Status())
            bench.store.objects[KEY] = manifest(version=30)
            bench.cache.learn(KEY, 30)
        return Result(credential, None, Reason.ACTIVE, "")

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        assert bench.store.reads == [KEY]
        assert len(bench.done) == 2

    played(save, scene)


async def _let_go(bench: Bench) -> None:
    """Have the engine end it; the watch tells of that afterwards."""
    bench.turn = gone
    bench.queue.add(KEY, Lane.RESYNC)
    await bench.quiet()
    bench.hear(manifest(version=19))
    bench.intake.take(Gone(KEY, 20))


async def _missed(bench: Bench) -> None:
    """Have it deleted while nobody listens; the list finds it out."""
    bench.cache.learn(KEY, 20)
    bench.queue.add(KEY, Lane.RESYNC)


async def _heard(bench: Bench) -> None:
    """Have the watch tell of its end."""
    bench.intake.take(Gone(KEY, 20))


ENDS = {"the engine let it go": _let_go, "its end was missed": _missed, "its end was heard": _heard}


@pytest.mark.parametrize("name", ENDS)
def test_what_is_gone_leaves_no_timer(name: str) -> None:
    """However a credential ends, nobody looks for its drift any more; one that was made anew is followed again."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        assert len(bench.drift._timer) == 1
        await ENDS[name](bench)
        await bench.quiet()
        assert (len(bench.cache), len(bench.drift._timer), len(bench.workers.timer)) == (0, 0, 0)
        bench.turn = hold
        bench.hear(manifest(version=30))
        await bench.quiet()
        assert (len(bench.drift._timer), len(bench.workers.timer)) == (1, 1)

    played(hold, scene)


def test_a_late_end_of_the_one_before_leaves_the_timer_of_its_successor() -> None:
    """A credential that was made anew is followed on, whatever is heard late of its namesake."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=30))
        await bench.quiet()
        bench.intake.take(Gone(KEY, 20))
        assert (len(bench.drift._timer), len(bench.workers.timer)) == (1, 1)

    played(hold, scene)


def test_what_was_found_by_a_read_is_followed() -> None:
    """A credential of which no event ever came is compared with its Secrets like every other one."""

    async def scene(bench: Bench) -> None:
        bench.store.objects[KEY] = manifest(version=30)
        bench.queue.add(KEY, Lane.RESYNC)
        await bench.quiet()
        assert bench.done == [(KEY, False)]
        assert len(bench.drift._timer) == 1

    played(hold, scene)


def test_one_that_cannot_be_parsed_says_so_and_stops_nobody() -> None:
    """Its status is told, the event of that is no news, it is tried again; its rival for a name goes on."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest("rival", version=9, **UNKNOWN, **CLAIM))
        bench.hear(manifest(version=10))
        await bench.quiet()
        assert bench.store.refused == [RIVAL]
        assert bench.failures == ["Rejected"]
        assert bench.done == [(KEY, False)]
        assert [str(one) for one in bench.problems] == [
            "spec.target.secretName: orders is already used by RotatedCredential rival"
        ]
        bench.hear(manifest("rival", version=12, **UNKNOWN))
        await bench.quiet()
        assert bench.store.refused == [RIVAL]
        assert bench.workers.retrying() == 1

    async def claim(bench: Bench, credential: Credential) -> Result:
        bench.problems = bench.cache.others(credential)
        return await hold(bench, credential)

    played(claim, scene)


def test_one_that_was_read_and_cannot_be_parsed_says_so_too() -> None:
    """What the API server gives instead of an event is no other case."""

    async def scene(bench: Bench) -> None:
        bench.store.objects[KEY] = manifest(version=30, **UNKNOWN)
        bench.queue.add(KEY, Lane.RESYNC)
        await bench.quiet()
        assert bench.store.refused == [KEY]
        assert bench.failures == ["Rejected"]

    played(hold, scene)


def test_one_that_cannot_be_parsed_is_deleted_like_any_other() -> None:
    """The engine gets it with its policy, its target and its versions, and can let it go."""
    seen: list[Credential] = []

    async def take(_: Bench, credential: Credential) -> Result:
        seen.append(credential)
        return Result(None, None, Reason.DELETING, "")

    async def scene(bench: Bench) -> None:
        bench.hear(settled(**UNKNOWN, **ENDING))
        await bench.quiet()
        assert bench.store.refused == []
        assert len(bench.cache) == 0

    played(take, scene)
    [found] = seen
    assert found.spec.deletion_policy == "Revoke"
    assert found.spec.target.secret_name == "db"
    assert [version.secret_name for version in found.status.versions] == ["orders-v1", "orders-v2"]


TROUBLE: dict[str, tuple[Exception, list[int], list[str]]] = {
    "busy": (
        Retryable("get secrets: failed (503)"),
        [logging.INFO, logging.INFO, logging.WARNING],
        ["will be tried again"] * 2 + ["keeps failing; will be tried again"],
    ),
    "unforeseen": (
        KeyError("hunter2-hunter2-hunter2"),
        [logging.ERROR] * 3,
        ["unexpected error; will be tried again"] * 2 + ["unexpected error, time and again: a defect"],
    ),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_fails_again_and_again_is_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """From the third failure in a row on, the log says so and a figure counts it, until it succeeds."""
    error, levels, sentences = TROUBLE[name]

    async def scene(bench: Bench) -> None:
        bench.store.objects[KEY] = manifest()
        for attempt in range(STUCK):
            assert bench.workers.stuck() == 0
            bench.queue.add(KEY, Lane.DEADLINE) if attempt else bench.hear(manifest())
            await bench.quiet()
        assert bench.workers.stuck() == 1
        bench.turn = hold
        bench.queue.add(KEY, Lane.DEADLINE)
        await bench.quiet()
        assert (bench.workers.stuck(), bench.workers.retrying()) == (0, 0)

    with caplog.at_level(logging.INFO):
        played(failing(error), scene)
    assert [record.levelno for record in caplog.records] == levels
    assert [record.message for record in caplog.records] == sentences
    assert [vars(record)["attempt"] for record in caplog.records] == [1, 2, 3]


def test_what_failed_is_read_anew() -> None:
    """While nobody answered, etcd may have been restored: what was heard before is nothing to act on."""
    seen: list[str] = []

    async def turn(bench: Bench, credential: Credential) -> Result:
        seen.append(credential.resource_version)
        if len(seen) == 1:
            raise Retryable("get secrets: no answer")
        return await hold(bench, credential)

    async def scene(bench: Bench) -> None:
        bench.store.objects[KEY] = manifest(version=7)
        bench.hear(manifest(version=10))  # before the restore
        await bench.quiet()
        bench.queue.add(KEY, Lane.DEADLINE)
        await bench.quiet()
        bench.queue.add(KEY, Lane.DEADLINE)
        await bench.quiet()

    played(turn, scene)
    assert seen == ["10", "7", "7"]


@pytest.mark.parametrize("asked", [float("inf"), 1e15, float("nan")])
def test_nonsense_to_wait_for_ends_no_worker(asked: float) -> None:
    """A proxy may ask for whatever it likes: the worker lives, and comes back within five minutes."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        await eventually(lambda: bench.failures)
        await bench.quiet()
        assert bench.workers.alive()
        at = bench.next()
        assert at is not None
        assert at <= NOON + timedelta(minutes=5)

    played(failing(Retryable("busy", retry_after=asked)), scene)


async def _led_by_another(bench: Bench) -> None:
    """Have another replica lead; the time of the next try comes."""
    bench.leads = False
    bench.queue.add(KEY, Lane.DEADLINE)


NO_LONGER_OURS = {"its end was heard": _heard, "another replica leads": _led_by_another}


@pytest.mark.parametrize("name", NO_LONGER_OURS)
def test_a_failure_that_is_nobodys_here_is_counted_no_longer(name: str) -> None:
    """`rekey_stuck` is an alert: it must not stand for ever on a replica that has nothing to do with it any more."""

    async def scene(bench: Bench) -> None:
        bench.store.objects[KEY] = manifest(version=10)
        bench.hear(manifest(version=10))
        for _ in range(STUCK):
            bench.queue.add(KEY, Lane.DEADLINE)
            await bench.quiet()
        assert (bench.workers.retrying(), bench.workers.stuck()) == (1, 1)
        await NO_LONGER_OURS[name](bench)
        await bench.quiet()
        assert (bench.workers.retrying(), bench.workers.stuck()) == (0, 0)

    played(failing(Retryable("away")), scene)
