"""The workers: who is worked on, when it is looked at again, and what a failure changes."""

import asyncio
import logging
from datetime import timedelta

import pytest

from rekey.app.heard import Deaf, Gone, Inbox, Synced
from rekey.app.queue import Lane
from rekey.app.seen import look
from rekey.core.facts import Credential, Key
from rekey.core.reasons import Reason
from rekey.engine.reconcile import Result
from rekey.errors import Forbidden, Retryable
from tests.app.bench import KEY, NOON, Bench, failing, gone, hold, hold_for_good, played, write
from tests.app.credentials import manifest, settled
from tests.app.eventually import eventually


def test_a_credential_is_worked_on_when_it_is_heard_of_and_looked_at_again_when_the_engine_says() -> None:
    """One turn; no read, as the cache has it; the engine's instant is in the heap."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        await bench.quiet()
        assert bench.done == [(KEY, False)]
        assert bench.store.reads == []
        assert bench.next() == NOON + timedelta(hours=1)

    played(hold, scene)


def test_the_event_of_our_own_write_makes_no_turn() -> None:
    """Whether the event comes before the save returns or after, there is one turn; a foreign change makes another."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        assert len(bench.done) == 1
        bench.hear(manifest(version=11))
        await bench.quiet()
        assert len(bench.done) == 1
        bench.hear(manifest(version=15))
        await bench.quiet()
        assert len(bench.done) == 2

    played(write, scene)


def test_a_credential_that_somebody_annotates_is_compared() -> None:
    """A foreign write that leaves the spec alone asks for a look at the Secrets; a change of the spec pays for none."""

    async def scene(bench: Bench) -> None:
        for version, generation in ((10, 1), (15, 1), (20, 2)):
            bench.hear(settled(version=version, metadata__generation=generation))
            bench.intake.synced.set()
            bench.queue.add(KEY, Lane.RESYNC)
            await bench.quiet()
        assert bench.done == [(KEY, False), (KEY, True), (KEY, False)]

    played(hold, scene)


def test_a_deadline_that_meets_the_event_of_our_own_write_is_not_swallowed() -> None:
    """A key that waits for two reasons, an echo and its time, is worked on."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        bench.queue.add(KEY, Lane.DEADLINE)
        bench.queue.add(KEY, Lane.CHANGE)
        await bench.quiet()
        assert len(bench.done) == 2

    played(hold, scene)


def test_what_may_wait_waits_behind_all_others_but_not_for_ever() -> None:
    """While the only worker is busy it stands in the last lane, and its latest instant is in the heap."""
    busy = asyncio.Event()

    async def tidy(_: Bench, credential: Credential) -> Result:
        if credential.key != KEY:
            await busy.wait()
            return Result(credential, None, Reason.ACTIVE, "")
        return Result(credential, NOON, Reason.ACTIVE, "", latest=NOON + timedelta(hours=1))

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        bench.hear(manifest("other"))
        await eventually(lambda: bench.queue.lane_of(KEY) is Lane.RESYNC)
        assert bench.next() == NOON + timedelta(hours=1)
        bench.queue.add(KEY, Lane.DEADLINE)
        assert bench.queue.lane_of(KEY) is Lane.DEADLINE
        bench.turn = hold
        busy.set()
        await bench.quiet()
        assert bench.next() == NOON + timedelta(hours=1)

    played(tidy, scene, workers=1)


def test_what_is_known_to_be_newer_is_read_first() -> None:
    """After a save whose event has not come yet, the next turn reads the credential anew and keeps what it read."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        bench.cache.learn(KEY, 12)
        bench.store.objects[KEY] = manifest(version=12)
        for _ in range(2):
            bench.queue.add(KEY, Lane.DEADLINE)
            await bench.quiet()
        assert bench.store.reads == [KEY]
        assert len(bench.done) == 3

    played(hold, scene)


@pytest.mark.parametrize("there", [True, False], ids=["it is there", "it is gone"])
def test_what_begins_in_the_middle_is_read_first(*, there: bool) -> None:
    """A list of long ago has old news told again: a version would be made for a credential that was deleted since."""

    async def scene(bench: Bench) -> None:
        bench.store.objects = {KEY: manifest(version=12)} if there else {}
        bench.hear(manifest(version=10, metadata__finalizers=["rekey.dev/cleanup"]))
        await bench.quiet()
        assert bench.store.reads == [KEY]
        assert len(bench.done) == there
        assert (KEY in bench.cache) == there

    played(hold, scene)


def test_a_new_one_is_not_read_again() -> None:
    """Our first write to it tells whether it is there."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest(version=10))
        await bench.quiet()
        assert bench.store.reads == []
        assert len(bench.done) == 1

    played(hold, scene)


def test_what_is_gone_is_forgotten_and_who_waited_for_its_name_is_told() -> None:
    """A deletion that is heard, or found by a read, ends deadlines and has the rival worked on."""

    async def scene(bench: Bench) -> None:
        rival = manifest("rival", version=11, spec__target={"secretName": "orders"})
        bench.hear(manifest(version=10))
        bench.hear(rival)
        await bench.quiet()
        bench.done.clear()
        bench.intake.take(Gone(KEY, 20))
        await bench.quiet()
        assert bench.done == [(Key("shop", "rival"), False)]
        assert len(bench.cache) == 1
        assert len(bench.workers.timer) == 1
        bench.queue.add(KEY, Lane.RESYNC)  # the list had it still
        await bench.quiet()
        assert bench.store.reads == [KEY]
        assert len(bench.done) == 1
        assert len(bench.workers.timer) == 1

    played(hold, scene)


def test_an_end_by_the_engine_is_an_end() -> None:
    """What the engine let go of is in neither cache nor heap."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        await bench.quiet()
        assert bench.next() is not None
        bench.turn = gone
        bench.queue.add(KEY, Lane.DEADLINE)
        await bench.quiet()
        assert len(bench.cache) == 0
        assert len(bench.workers.timer) == 0

    played(hold, scene)


def test_a_success_ends_the_waiting_for_longer_and_longer() -> None:
    """After a success the next failure waits as short as the first one did."""

    async def scene(bench: Bench) -> None:
        bench.store.objects[KEY] = manifest()
        bench.hear(manifest())
        await bench.quiet()
        assert bench.workers.retrying() == 1
        bench.turn = hold
        bench.queue.add(KEY, Lane.DEADLINE)
        await bench.quiet()
        assert bench.workers.retrying() == 0

    played(failing(Retryable("busy")), scene)


FAILURES: dict[str, tuple[Exception, timedelta, str]] = {
    "busy": (Retryable("get secrets: failed (503)"), timedelta(seconds=1), "Retryable"),
    "busy for a while": (Retryable("asked to come back", retry_after=60.0), timedelta(seconds=60), "Retryable"),
    "forbidden": (Forbidden("get", "secrets", "shop"), timedelta(seconds=1), "Forbidden"),
    "unforeseen": (KeyError("hunter2-hunter2-hunter2"), timedelta(seconds=1), "KeyError"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_tried_again_later(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """It waits at least as long as asked, is counted by its type, delays nobody else, and quotes nothing."""
    error, least, kind = FAILURES[name]

    async def turn(bench: Bench, credential: Credential) -> Result:
        return await (failing(error) if credential.key == KEY else hold)(bench, credential)

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        bench.hear(manifest("other", version=11))
        await bench.quiet()
        assert bench.failures == [kind]
        assert bench.workers.retrying() == 1
        first = bench.next()
        assert first is not None
        assert NOON + least <= first <= NOON + least + timedelta(seconds=2)
        assert len(bench.workers.timer) == 2

    with caplog.at_level(logging.INFO):
        played(turn, scene)
    assert "hunter2" not in str([vars(record) for record in caplog.records])


def test_a_deadline_and_a_drift_check_reach_the_engine() -> None:
    """A key whose time has come is worked on; a check is asked for as such."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        await bench.quiet()
        bench.workers.timer.set(KEY, NOON)
        await eventually(lambda: len(bench.done) == 2)
        bench.drift._timer.set(KEY, NOON)
        await eventually(lambda: len(bench.done) == 3)
        assert bench.done[1:] == [(KEY, False), (KEY, True)]

    played(hold_for_good, scene)


def test_what_was_settled_before_waits_for_what_was_not() -> None:
    """At the start a credential that needs nothing is in the last lane, every other one in the first."""

    async def play() -> None:
        bench = Bench(hold)
        bench.hear(settled("a"))
        bench.hear(manifest("b"))
        bench.hear(settled("c", metadata__deletionTimestamp="2026-11-21T09:00:00Z"))
        bench.intake.take(Synced())
        works = [await bench.queue.take() for _ in range(3)]
        assert [(work.key.name, work.lane) for work in works if work] == [
            ("b", Lane.CHANGE),
            ("c", Lane.CHANGE),
            ("a", Lane.RESYNC),
        ]
        bench.drift.stop()

    asyncio.run(play())


def test_stopping_lets_work_in_hand_end_and_takes_up_no_other() -> None:
    """The order to stop waits for the work in hand; what takes too long is interrupted and counted."""

    async def play() -> None:
        finish = asyncio.Event()

        async def slow(_: Bench, credential: Credential) -> Result:
            await finish.wait()
            return Result(credential, None, Reason.ACTIVE, "")

        bench = Bench(slow)
        bench.workers.start(1)
        bench.hear(manifest("a"))
        bench.hear(manifest("b", version=11))
        await eventually(lambda: bench.done)
        stopping = asyncio.create_task(bench.workers.stop(timedelta(seconds=5)))
        await asyncio.sleep(0)
        finish.set()
        assert await stopping == 0
        assert len(bench.done) == 1
        late = Bench(slow)
        finish.clear()
        late.workers.start(1)
        late.hear(manifest("a"))
        await eventually(lambda: late.done)
        assert await late.workers.stop(timedelta(0)) == 1
        assert not late.workers.alive()
        bench.drift.stop()
        late.drift.stop()

    asyncio.run(play())


def test_what_one_thread_hears_another_takes_in_order() -> None:
    """Items put from another thread arrive in order, whether at once or later, with the marks between them."""

    async def play() -> None:
        bench = Bench(hold)
        inbox = Inbox(bench.intake.take)

        async def listen() -> None:
            for number in range(50):
                inbox.put_later(look(manifest(version=number + 1)))
            inbox.put(Deaf())
            inbox.put_later(Gone(KEY, 60))
            await eventually(lambda: bench.deaf and not inbox._planned)
            inbox.put_later(Synced())
            await eventually(bench.intake.synced.is_set)

        await asyncio.to_thread(lambda: asyncio.run(listen()))
        async with asyncio.timeout(5):
            await bench.intake.synced.wait()
        assert bench.deaf == 1
        assert len(bench.cache) == 0
        bench.drift.stop()

    asyncio.run(play())
