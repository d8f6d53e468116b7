"""The key ring is looked after: by who leads in its namespace, at a person's word or with time; and it is said."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from rekey.app.ring_upkeep import BY, Upkeep
from rekey.core.keyring import AGAIN, SETTLE, Ring
from rekey.ports.cluster import News
from rekey.providers.keyring.stored import ANNOTATION, ROTATE, ROTATE_BY
from tests.engine.sealed import RETENTION, Office, place_of
from tests.sim.ports import NAMESPACE

RING = "rekey-keyring"
QUARTER = timedelta(days=90)


@dataclass
class Care:
    """An office whose ring is looked after; `leads`: whether by us."""

    office: Office
    leads: bool = True
    news: dict[str, News] = field(default_factory=dict)

    def upkeep(self, *, interval: timedelta = timedelta(), sharded: bool = False) -> Upkeep:
        """Return one who looks after it, as after a start."""
        office = self.office
        outside = office.keys is not office.inside
        return Upkeep(office.keys, office.rotation, self, self, NAMESPACE, interval, sharded, outside)

    def remaining(self, namespace: str) -> float:
        """Lead, or not."""
        return 10.0 if self.leads and namespace == NAMESPACE else 0.0

    async def say(self, ring: Ring, news: News) -> None:
        """Keep it."""
        assert ring.revision[0]
        self.news[news.name] = news

    def said(self) -> list[str]:
        """Return the reasons of all Events."""
        return [news.notice.value for news in self.news.values()]

    def ask(self, trigger: str, by: str | None = "ann") -> None:
        """Have it rotated as a person does."""
        self._annotate({ROTATE: trigger, **({ROTATE_BY: by} if by else {})})

    def put_back(self) -> None:
        """Have what was disabled decrypt again, as a person does."""
        told = self.office.world.secrets[RING].annotations[ANNOTATION]
        assert '"Disabled"' in told
        self._annotate({ANNOTATION: told.replace('"state":"Disabled"', '"state":"DecryptOnly"')})

    def _annotate(self, notes: dict[str, str]) -> None:
        world = self.office.world
        view = world.secrets[RING]
        notes = {**view.annotations, **notes}
        world.secrets[RING] = replace(view, annotations=notes, resource_version=world.next_id())

    def calls(self) -> int:
        """Return how often stored values were looked at."""
        return self.office.world.plug.calls.count("shelf.read")


Scene = Callable[[Care], Coroutine[Any, Any, None]]


def play(scene: Scene, values: int = 3) -> None:
    """Play a scene in which so many values are sealed."""

    async def played() -> None:
        care = Care(Office())
        await care.office.fill(values)
        await scene(care)

    asyncio.run(played())


def test_a_person_has_the_ring_rotated() -> None:
    """All the way, one Event each; who asked and how many values there were is on record and said."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep()
        await upkeep.look()
        assert care.said() == ["KeyRingCreated"]
        care.ask("2026-11")
        await upkeep.look()
        assert await office.states() == ["DecryptOnly", "Enabled"]
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]
        office.time += RETENTION
        await upkeep.look()
        assert await office.states() == ["Enabled"]
        assert care.said() == ["KeyRingCreated", "KeyRingRotated", "KeyDisabled", "KeyDeleted"]
        assert all(" at the word of ann" in news.note for news in list(care.news.values())[1:])
        assert "3 sealed values" in list(care.news.values())[2].note
        await upkeep.look()
        assert await office.states() == ["Enabled"]
        assert await office.opened()

    play(scene)


def test_a_key_that_is_old_is_followed_by_another() -> None:
    """By the setting, which is who asked; the next one gets as old."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep(interval=QUARTER)
        await upkeep.look()
        assert await office.states() == ["Enabled"]
        office.time += QUARTER
        for _ in range(3):
            await upkeep.look()
        assert await office.states() == ["DecryptOnly", "Enabled"]
        assert (await office.ring()).history[-1].by == BY
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]

    play(scene)


def test_between_two_steps_nothing_is_read_but_the_ring() -> None:
    """However often it is looked after."""

    async def scene(care: Care) -> None:
        upkeep = care.upkeep()
        care.ask("a", by=None)
        await upkeep.look()
        before = care.calls()
        assert before > 0
        for _ in range(5):
            await upkeep.look()
        assert care.calls() == before
        assert (await care.office.ring()).history[-1].by == "who did not say so"

    play(scene)


def test_another_leader_goes_on() -> None:
    """What one began another ends: nothing is kept but what is stored."""

    async def scene(care: Care) -> None:
        care.ask("a")
        await care.upkeep().look()
        care.office.time += SETTLE
        await care.upkeep().look()
        assert await care.office.states() == ["Disabled", "Enabled"]

    play(scene)


def test_a_rotation_that_met_an_error_is_finished() -> None:
    """The API server is busy for one call after the rotation was begun: the next look goes on, and it ends."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep()
        await upkeep.look()
        care.ask("a")
        office.shelf.busy = 1
        await upkeep.look()
        assert (office.shelf.busy, upkeep.trouble) == (0, "it is busy")
        old = await office.retiring()
        await upkeep.look()
        assert (office.shelf.under().get(old.id), upkeep.trouble) == (None, "")
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]

    play(scene)


@pytest.mark.parametrize("sharded", [False, True])
def test_who_leads_again_finishes_what_another_began(*, sharded: bool) -> None:
    """He had nothing to do before somebody asked; another did, began, and is gone."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep(sharded=sharded)
        await upkeep.look()
        care.ask("a")
        office.shelf.ours = False
        await care.upkeep(sharded=sharded).look()
        office.shelf.ours, care.leads = True, False
        old = await office.retiring()
        await upkeep.look()
        assert (old.id in office.shelf.under()) is not sharded
        care.leads = True
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]

    play(scene)


def test_a_key_that_a_person_put_back_is_taken_out_of_use_again() -> None:
    """A value came back from a backup, under a key that was disabled: within one look it is under the new key."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep()
        old, text = await office.retiring(), office.shelf.texts[place_of(0)][0]
        care.ask("a")
        await upkeep.look()
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]
        office.time += timedelta(days=1)
        await upkeep.look()
        office.shelf.put(place_of(0), text)
        care.put_back()
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]
        assert old.id not in office.shelf.under()
        assert await office.opened()

    play(scene)


@pytest.mark.parametrize("sharded", [False, True])
def test_who_does_not_lead_there_leaves_the_ring_alone(*, sharded: bool) -> None:
    """With shards he wraps anew what is his, once a rotation was begun; the ring is another's to change."""

    async def scene(care: Care) -> None:
        office = care.office
        office.shelf.ours = False
        await care.upkeep().look()
        care.ask("a")
        care.leads = False
        await care.upkeep(sharded=sharded).look()
        assert await office.states() == ["Enabled"]
        care.leads = True
        await care.upkeep().look()
        old = await office.retiring()
        assert office.shelf.under() == {old.id: 3}
        care.leads, office.shelf.ours = False, True
        await care.upkeep(sharded=sharded).look()
        assert await office.states() == ["DecryptOnly", "Enabled"]
        assert (old.id in office.shelf.under()) is not sharded

    play(scene)


@pytest.mark.parametrize("sharded", [False, True])
def test_with_shards_the_ring_is_made_before_it_is_needed(*, sharded: bool) -> None:
    """Without them the first value makes it."""

    async def scene(care: Care) -> None:
        await care.upkeep(sharded=sharded).look()
        assert (RING in care.office.world.secrets) is sharded

    play(scene, values=0)


def test_a_rotation_that_does_not_end_is_said() -> None:
    """One value cannot be read: the old key stays, an Event names the value, and it is tried again."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep()
        office.shelf.put(place_of(1), "not sealed at all")
        care.ask("a")
        await upkeep.look()
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["DecryptOnly", "Enabled"]
        assert care.said()[-1] == "KeyRingStalled"
        assert "version 2 of credential uid-1" in list(care.news.values())[-1].note
        del office.shelf.texts[place_of(1)]
        office.time += AGAIN
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]

    play(scene)
