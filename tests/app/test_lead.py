"""What a term means inside the process: when it is acted in, by whom, and what is looked at when it begins."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from rekey.app.campaign import Campaign
from rekey.app.elector import Elector
from rekey.app.lead import Leadership
from rekey.app.leading import Alone
from rekey.app.metrics_of_leading import LeadGauges
from rekey.app.queue import Lane
from rekey.core.election import NO_TERM, Pace, Term
from rekey.core.facts import Key
from rekey.errors import NotLeading, Retryable
from tests.app.bench import KEY, Bench, failing, hold, played
from tests.app.credentials import manifest
from tests.app.eventually import eventually

PACE = Pace(3, 2, 0.5)


DUE = datetime(2026, 12, 31, tzinfo=UTC)


class Then:
    """A clock before the next rotation."""

    def now(self) -> datetime:
        return DUE - timedelta(days=20)


class Ticks:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Still(Elector):
    """A thread that is never started."""

    def __init__(self) -> None:
        pass

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def is_well(self) -> bool:
        return True


class Entry:
    """What is done when a term begins: as long as the test wants."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.troubles: list[Exception] = []
        self.entered: list[tuple[Key, ...]] = []
        self.resting = False
        self.ended = asyncio.Event()

    async def learn(self, shard: int) -> tuple[Key, ...]:
        if self.troubles:
            raise self.troubles.pop()
        await self.goes_on.wait()
        return (KEY,)

    def enqueue(self, shard: int, behind: Iterable[Key]) -> None:
        self.entered.append(tuple(behind))

    def leave(self, shard: int) -> None:
        pass

    async def rest(self, shard: int) -> None:
        self.resting = True
        await self.ended.wait()


class Scene:
    """A leadership whose terms the test makes."""

    def __init__(self) -> None:
        self.ticks = Ticks()
        self.campaign = Campaign("rekey", "a", PACE, self.ticks, lambda: True)
        self.lead = Leadership([self.campaign], Still(), ticks=self.ticks, clock=Then())
        self.entry = Entry()

    async def term(self, number: int) -> None:
        """Begin a term of two seconds, or end it (0)."""
        self.campaign.term = Term(number, self.ticks.time + 2, self.ticks.time + number) if number else NO_TERM
        self.lead._changed()
        for _ in range(3):
            await asyncio.sleep(0)

    def acts(self) -> bool:
        """Tell whether work may begin."""
        try:
            self.lead.begin("shop")
        except NotLeading:
            return False
        return True


def play(scene: Callable[[Scene], Awaitable[None]]) -> None:
    """Play a scene."""

    async def show() -> None:
        async with asyncio.timeout(20):
            await scene(Scene())

    asyncio.run(show())


def test_who_was_never_elected_does_not_act() -> None:
    """Nothing begins and nothing remains."""

    async def scene(here: Scene) -> None:
        await here.lead.start(here.entry)
        assert not here.acts()
        assert here.lead.remaining("shop") <= 0

    play(scene)


def test_who_is_elected_before_it_listens_acts_at_once() -> None:
    """What it will hear is newer than its election."""

    async def scene(here: Scene) -> None:
        await here.term(1)
        assert here.acts()
        assert here.lead.remaining("shop") == 2
        assert here.entry.entered == []

    play(scene)


def test_who_is_elected_later_learns_first() -> None:
    """It acts when it knows what others did, also if that cannot be found out at once; then all is looked at."""

    async def scene(here: Scene) -> None:
        await here.lead.start(here.entry)
        here.entry.troubles.append(Retryable("busy"))
        await here.term(4)
        assert not here.acts()
        assert here.lead.acting_since() is None
        here.entry.goes_on.set()
        await eventually(here.acts)
        assert here.lead.acting_since() == Then().now()
        assert here.entry.entered == [(KEY,)]

    play(scene)


def test_a_term_that_ends_while_it_learns_is_not_acted_in() -> None:
    """The next term learns anew."""

    async def scene(here: Scene) -> None:
        await here.lead.start(here.entry)
        await here.term(4)
        await here.term(0)
        here.entry.goes_on.set()
        await asyncio.sleep(0.01)
        assert not here.acts()
        assert here.entry.entered == []
        await here.term(6)
        await eventually(here.acts)

    play(scene)


def test_the_clock_ends_a_term_although_nobody_says_so() -> None:
    """A process that was stopped finds its lead over at the first question."""

    async def scene(here: Scene) -> None:
        await here.term(1)
        assert here.acts()
        here.ticks.time += 60
        assert here.lead.remaining("shop") < 0
        assert not here.acts()

    play(scene)


def test_work_of_one_term_does_nothing_in_the_next() -> None:
    """A pass that hung through a whole other reign may not act on what it saw before; others may."""

    async def scene(here: Scene) -> None:
        await here.term(1)
        goes_on = asyncio.Event()

        async def work() -> float:
            here.lead.begin("shop")
            await goes_on.wait()
            return here.lead.remaining("shop")

        old = asyncio.create_task(work())
        await asyncio.sleep(0)
        await here.term(0)
        await here.term(3)
        goes_on.set()
        assert await old == 0
        assert await asyncio.create_task(work()) == 2

    play(scene)


def test_a_gap_in_a_term_has_everything_looked_at_again() -> None:
    """A renewal that was answered late leaves the number as it is; what was refused meanwhile is not forgotten."""

    async def scene(here: Scene) -> None:
        await here.term(1)
        await here.lead.start(here.entry)
        here.entry.goes_on.set()
        here.campaign.term = Term(1, here.ticks.time + 2, here.ticks.time + 50)
        here.lead._changed()
        await eventually(here.acts)
        assert here.entry.entered == [(KEY,)]

    play(scene)


class Halves:
    """An atlas of two shards: `shop` is in the first, everything else in the second."""

    good = 60.0

    def of(self, namespace: str) -> int:
        return int(namespace != "shop")

    def remaining(self, namespace: str) -> float:
        return self.good


def test_of_two_shards_each_is_acted_in_by_who_has_it() -> None:
    """One that is ours says nothing of the other, and none is longer ours than the map is good."""

    async def scene(here: Scene) -> None:
        other = Campaign("rekey-1", "a", PACE, here.ticks, lambda: True)
        atlas = Halves()
        lead = Leadership([here.campaign, other], Still(), ticks=here.ticks, clock=Then(), atlas=atlas)
        await lead.start(here.entry)
        here.entry.goes_on.set()
        other.term = Term(3, here.ticks.time + 2, here.ticks.time)
        lead._changed()
        await eventually(lambda: here.entry.entered)
        lead.begin("bank")
        assert lead.remaining("bank") == 2
        with pytest.raises(NotLeading):
            lead.begin("shop")
        assert lead.remaining("shop") == 0
        atlas.good = 0.5
        lead.begin("bank")
        assert lead.remaining("bank") == 0.5

    play(scene)


class Wanted(Campaign):
    """A campaign whose Lease another asked for."""

    ceded = False

    @property
    def is_wanted(self) -> bool:
        return True

    def cede(self) -> None:
        self.ceded = True


def test_a_shard_that_is_asked_for_is_ceded_when_work_in_hand_has_ended() -> None:
    """Nothing more begins, what has begun may go on to its end, and then the Lease may go."""

    async def scene(here: Scene) -> None:
        wanted = Wanted("rekey", "a", PACE, here.ticks, lambda: True)
        lead = Leadership([wanted], Still(), ticks=here.ticks, clock=Then())
        wanted.term = Term(1, here.ticks.time + 2, here.ticks.time)
        lead._changed()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        lead.begin("shop")
        await lead.start(here.entry)
        lead._changed()
        await eventually(lambda: here.entry.resting)
        assert lead.remaining("shop") == 2
        with pytest.raises(NotLeading):
            await asyncio.create_task(_begin(lead))
        assert not wanted.ceded
        here.entry.ended.set()
        await eventually(lambda: wanted.ceded)

    play(scene)


def test_a_shard_that_is_asked_for_while_it_is_learned_is_ceded_at_once() -> None:
    """The rest of a long list is not waited for, and nothing is done in the shard."""

    async def scene(here: Scene) -> None:
        wanted = Wanted("rekey", "a", PACE, here.ticks, lambda: True)
        lead = Leadership([wanted], Still(), ticks=here.ticks, clock=Then())
        await lead.start(here.entry)
        here.entry.ended.set()
        wanted.term = Term(1, here.ticks.time + 2, here.ticks.time)
        lead._changed()
        await asyncio.sleep(0)
        lead._changed()
        await eventually(lambda: wanted.ceded)
        here.entry.goes_on.set()
        await asyncio.sleep(0)
        assert here.entry.entered == []
        with pytest.raises(NotLeading):
            lead.begin("shop")

    play(scene)


async def _begin(lead: Leadership) -> None:
    lead.begin("shop")


def test_without_an_election_there_is_no_end() -> None:
    """The one that is alone acts for ever."""

    async def scene(here: Scene) -> None:
        alone = Alone(Then())
        assert alone.acting_since() is None
        await alone.start(here.entry)
        alone.begin("shop")
        assert alone.remaining("shop") > 1e9
        await alone.stop()
        assert alone.is_well()
        assert alone.acting_since() == Then().now()

    play(scene)


def test_the_figures_say_who_leads() -> None:
    """A standby shows 0 and no age; the leader 1 and the age of its last renewal."""

    async def scene(here: Scene) -> None:
        gauges = LeadGauges([here.campaign], here.ticks)

        def shown() -> dict[str, list[float]]:
            return {family.name: [sample.value for sample in family.samples] for family in gauges.collect()}

        assert shown() == {"rekey_leader": [0], "rekey_leader_transitions": [0], "rekey_lease_renewal_age_seconds": []}
        await here.term(1)
        here.campaign.renewed = here.ticks.time
        here.ticks.time += 1
        assert shown() == {
            "rekey_leader": [1],
            "rekey_leader_transitions": [0],
            "rekey_lease_renewal_age_seconds": [1],
        }

    play(scene)


def test_a_standby_keeps_its_cache_and_does_nothing() -> None:
    """It hears and takes note; no turn, no failure, no deadline. What is added when it leads is worked on."""

    async def scene(bench: Bench) -> None:
        bench.leads = False
        bench.hear(manifest())
        await bench.quiet()
        assert KEY in bench.cache
        assert (bench.done, bench.failures, bench.next()) == ([], [], None)
        bench.leads = True
        bench.queue.add(KEY, Lane.RESYNC)
        await bench.quiet()
        assert bench.done == [(KEY, False)]

    played(hold, scene)


def test_a_lead_that_is_lost_in_the_middle_is_no_failure() -> None:
    """The turn ends without a count, a wait or a line that alarms."""

    async def scene(bench: Bench) -> None:
        bench.hear(manifest())
        await bench.quiet()
        assert bench.done == [(KEY, False)]
        assert (bench.failures, bench.workers.retrying(), bench.next()) == ([], 0, None)

    played(failing(NotLeading("patch secrets: another process acts there now")), scene)
