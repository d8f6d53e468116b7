"""The rotation of a key ring: every data key is re-wrapped, nothing else changes, and it survives everything."""

import asyncio
import time
from collections.abc import Callable

import pytest

from rekey.core.envelope import Place
from rekey.core.keyring import AGAIN, SETTLE, Did, Rest, Wish
from rekey.core.material import Material
from rekey.engine.rewrapping import SAMPLE
from rekey.errors import Forbidden, Retryable
from tests.engine.sealed import RETENTION, WISH, Office, Shelf, place_of, state_of, untouched
from tests.sim.world import Plug, Unplugged

NEW_TOKEN = Material({"refresh_token": b"one that the service gave meanwhile"})


def test_a_rotation_from_its_beginning_to_its_end() -> None:
    """Re-wrapped at once, disabled when no write can be under way, deleted after the retention; all of it on record."""

    async def scene() -> None:
        office = Office()
        await office.fill(10)
        before, old = office.shelf.sealed(), await office.retiring()
        rest = await office.rotation.turn(WISH)
        begun = (await office.ring()).primary.since
        assert rest == Rest(begun + SETTLE, "writes under the old key may still be under way")
        assert await office.states() == ["DecryptOnly", "Enabled"]
        assert office.shelf.under() == {(await office.ring()).primary.id: 10}
        assert {at: one.locked for at, one in before.items()} == {
            at: one.locked for at, one in office.shelf.sealed().items()
        }
        rest = await office.turn_after(rest)
        assert await office.states() == ["Disabled", "Enabled"]
        assert rest == Rest((await office.retiring()).since + RETENTION, "a disabled key is kept for its retention")
        assert await office.turn_after(rest, None) == Rest(None, "no rotation is asked for")
        assert await office.states() == ["Enabled"]
        ring = await office.ring()
        assert [(entry.did, entry.by, entry.records) for entry in ring.history] == [
            (Did.CREATED, "rekey", None),
            (Did.ROTATED, "ann", None),
            (Did.DISABLED, "ann", 10),
            (Did.DELETED, "ann", None),
        ]
        assert old.id not in office.world.secrets["rekey-keyring"].material.keys()  # noqa: SIM118  no mapping
        assert await office.opened()

    asyncio.run(scene())


def test_asked_again_nothing_happens() -> None:
    """The same trigger rotates once, a new one again."""

    async def scene() -> None:
        office = Office()
        await office.fill(3)
        await office.settle()
        ring = await office.ring()
        assert await office.settle() == Rest(None, "no rotation is asked for")
        assert await office.ring() == ring
        await office.settle(Wish("2026-12", "bob"))
        assert (await office.ring()).primary != ring.primary
        assert await office.opened()

    asyncio.run(scene())


def test_nothing_was_ever_sealed() -> None:
    """Without a ring there is nothing to rotate, and none is made."""

    async def scene() -> None:
        office = Office()
        assert await office.rotation.turn(WISH) == Rest(None, "nothing was ever sealed")
        assert office.world.secrets == {}

    asyncio.run(scene())


def test_the_old_key_wraps_nothing_new() -> None:
    """From the first write of a rotation on every new value is under the new key."""

    async def scene() -> None:
        office = Office()
        await office.fill(2)
        await office.rotation.turn(WISH)
        await office.fill(5)
        assert office.shelf.under() == {(await office.ring()).primary.id: 5}

    asyncio.run(scene())


def test_a_write_that_was_under_way() -> None:
    """A value sealed before the rotation and stored during it is found, re-wrapped, and opens ever after."""

    async def scene() -> None:
        office = Office()
        await office.fill(3)
        late = await office.sealing.seal(state_of(place_of(9)), place_of(9))
        rest = await office.rotation.turn(WISH)
        office.shelf.put(place_of(9), late)
        assert len(office.shelf.under()) == 2
        await office.turn_after(rest, None)
        assert await office.states() == ["Disabled", "Enabled"]
        assert office.shelf.under() == {(await office.ring()).primary.id: 4}
        assert await office.opened()

    asyncio.run(scene())


def removed(shelf: Shelf, place: Place) -> None:
    """Two credentials are deleted: that of a record that is in hand, and one that was not looked at yet."""
    shelf.before_store = untouched
    del shelf.texts[place], shelf.texts[place_of(19)]


def test_a_record_that_is_written_meanwhile_is_not_overwritten() -> None:
    """What somebody wrote between our read and our write stays, and is re-wrapped at the next look."""

    async def scene() -> None:
        office = Office()
        await office.fill(3)
        fresh = await office.sealing.seal(NEW_TOKEN, place_of(0))

        def written(shelf: Shelf, place: Place) -> None:
            shelf.before_store = untouched
            shelf.put(place_of(0), fresh)

        office.shelf.before_store = written
        rest = await office.rotation.turn(WISH)
        assert office.shelf.texts[place_of(0)][0] == fresh
        await office.turn_after(rest)
        assert await office.states() == ["Disabled", "Enabled"]
        assert await office.sealing.open(office.shelf.texts[place_of(0)][0], place_of(0)) == NEW_TOKEN

    asyncio.run(scene())


def test_a_record_that_goes_meanwhile_holds_up_nothing() -> None:
    """What is gone needs no key."""

    async def scene() -> None:
        office = Office()
        await office.fill(20)
        office.shelf.before_store = removed
        await office.settle()
        assert await office.states() == ["Enabled"]
        assert office.shelf.under() == {(await office.ring()).primary.id: 18}

    asyncio.run(scene())


def test_a_record_that_comes_back_after_the_re_wrapping_keeps_its_key() -> None:
    """A look that finds one under the old key disables nothing: it is re-wrapped later, and said so until then."""

    async def scene() -> None:
        office = Office()
        await office.fill(3)
        text = office.shelf.texts[place_of(0)][0]
        rest = await office.rotation.turn(WISH)
        office.shelf.before_store = lambda shelf, _: shelf.put(place_of(0), text)
        office.shelf.put(place_of(0), text)
        rest = await office.turn_after(rest)
        assert rest.why == "1 of 3 records are under the old key, 0 unreadable"
        assert await office.states() == ["DecryptOnly", "Enabled"]
        assert rest.until == office.time + AGAIN
        office.shelf.before_store = untouched
        await office.settle()
        assert await office.opened()

    asyncio.run(scene())


def spoiled(text: str, part: int) -> str:
    """Return a sealed value of which one part was changed."""
    parts = text.split(".")
    parts[part] = ("A" if parts[part][0] != "A" else "B") + parts[part][1:]
    return ".".join(parts)


UNDER_THE_OLD = (
    "{} of {} records are under the old key, {} unreadable; refresh token of version 1 of credential uid-0: "
)
DAMAGED: dict[str, tuple[Callable[[str], str], str]] = {
    "its wrap": (
        lambda text: spoiled(text, 2),
        UNDER_THE_OLD.format(1, 3, 0) + "Secret orders/rekey-keyring: a data key",
    ),
    "its ciphertext": (lambda text: spoiled(text, 4), UNDER_THE_OLD.format(0, 3, 1) + "what is sealed does not open"),
    "its format": (lambda text: text[4:], UNDER_THE_OLD.format(0, 2, 1) + "it is not sealed as rk1"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_record_keeps_the_old_key_in_use(what: str) -> None:
    """Nothing is disabled while a record is in doubt; it is named, and the others are re-wrapped."""
    damage, words = DAMAGED[what]

    async def scene() -> None:
        office = Office()
        await office.fill(3)
        office.shelf.put(place_of(0), damage(office.shelf.texts[place_of(0)][0]))
        rest = await office.rotation.turn(WISH)
        rest = await office.turn_after(rest)
        assert rest.why.startswith(words)
        assert await office.states() == ["DecryptOnly", "Enabled"]
        office.shelf.put(place_of(0), await office.sealing.seal(state_of(place_of(0)), place_of(0)))
        await office.settle()
        assert await office.opened()

    asyncio.run(scene())


def test_records_of_a_ring_that_was_lost_hold_up_nothing() -> None:
    """They cannot be re-wrapped by anybody; the others are, and they stay as they are."""

    async def scene() -> None:
        office = Office()
        await office.fill(3)
        lost = dict(office.shelf.texts)
        del office.world.secrets["rekey-keyring"]
        await office.fill(10)
        await office.settle()
        assert await office.states() == ["Enabled"]
        assert {place: office.shelf.texts[place] for place in lost} == lost

    asyncio.run(scene())


def forbidden(shelf: Shelf, place: Place) -> None:
    """One namespace does not let us write."""
    if place == place_of(0):
        raise Forbidden("update", "secrets", "till")


def test_a_record_that_may_not_be_written_holds_up_no_other() -> None:
    """All others are re-wrapped; the old key stays in use, and what is missing is said."""

    async def scene() -> None:
        office = Office()
        await office.fill(40)
        old = (await office.ring()).primary.id
        office.shelf.before_store = forbidden
        rest = await office.turn_after(await office.rotation.turn(WISH))
        assert rest.why == UNDER_THE_OLD.format(1, 40, 0) + "not allowed to update secrets in namespace till"
        assert office.shelf.under()[old] == 1
        office.shelf.before_store = untouched
        await office.settle()
        assert await office.states() == ["Enabled"]

    asyncio.run(scene())


def away(shelf: Shelf, place: Place) -> None:
    """From the twentieth record on nothing can be stored."""
    if place == place_of(20):
        raise Retryable("the API server is away")


def test_storage_that_is_away_ends_the_turn() -> None:
    """The error comes out as it is; what was stored is stored, and the next turn goes on with the rest."""

    async def scene() -> None:
        office = Office()
        await office.fill(40)
        office.shelf.before_store = away
        with pytest.raises(Retryable, match=r"^the API server is away$"):
            await office.rotation.turn(WISH)
        assert await office.states() == ["DecryptOnly", "Enabled"]
        assert len(office.shelf.under()) == 2
        office.shelf.before_store = untouched
        await office.settle()
        assert await office.states() == ["Enabled"]
        assert await office.opened()

    asyncio.run(scene())


def test_only_a_few_records_are_under_way_at_once() -> None:
    """The number of writes at a time is bounded, and the bound is used."""

    async def scene() -> None:
        office = Office()
        await office.fill(100)
        await office.rotation.turn(WISH)
        assert office.shelf.most == 16

    asyncio.run(scene())


RECORDS = 4


async def life(office: Office) -> None:
    """Seal, rotate and wait to the end; whatever was done before is not done again."""
    await office.fill(RECORDS)
    await office.settle()


def crashed(at: int, *, after: bool) -> Office:
    """Live until the process dies at that call, then live again."""
    office = Office(Plug(at=at, after=after))
    with pytest.raises(Unplugged):
        asyncio.run(life(office))
    locked = {place: one.locked for place, one in office.shelf.sealed().items()}
    office.world.plug = Plug()
    asyncio.run(life(office))
    assert {place: one.locked for place, one in office.shelf.sealed().items() if place in locked} == locked
    return office


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
def test_a_crash_at_every_call(*, after: bool) -> None:
    """Wherever the process dies the end is the same: one rotation, one key, all opens, no ciphertext changed."""
    whole = Office()
    asyncio.run(life(whole))
    calls = len(whole.world.plug.calls)
    assert calls > 30
    for at in range(calls):
        office = crashed(at, after=after)

        async def judge(office: Office = office) -> None:
            ring = await office.ring()
            assert [entry.did for entry in ring.history] == [Did.CREATED, Did.ROTATED, Did.DISABLED, Did.DELETED]
            assert [(entry.by, entry.records) for entry in ring.history[1:3]] == [("ann", None), ("ann", RECORDS)]
            assert office.shelf.under() == {ring.primary.id: RECORDS}
            assert office.world.secrets["rekey-keyring"].material.keys() == (ring.primary.id,)
            assert await office.opened()

        asyncio.run(judge())


def test_ten_thousand_records() -> None:
    """All are re-wrapped: no ciphertext is another, every wrap is, and the old key is of no use for a new write."""

    async def scene() -> None:
        office, number = Office(), 10_000
        await office.fill(number)
        before, old = office.shelf.sealed(), (await office.ring()).primary
        office.counted.clear()
        start = time.perf_counter()
        rest = await office.rotation.turn(WISH)
        took = time.perf_counter() - start
        after, ring = office.shelf.sealed(), await office.ring()
        assert office.counted == {("rewrap", "ok"): number}
        assert sum(after[place].locked != one.locked for place, one in before.items()) == 0
        assert sum(after[place].wrapped.value != one.wrapped.value for place, one in before.items()) == number
        assert office.shelf.under() == {ring.primary.id: number}
        fresh = await office.sealing.seal(NEW_TOKEN, place_of(0))
        assert old.id not in fresh
        start = time.perf_counter()
        await office.turn_after(rest)
        looked = time.perf_counter() - start
        opened = office.counted["unwrap", "ok"]
        assert number / SAMPLE / 2 < opened < number / SAMPLE * 2
        assert (await office.ring()).history[-1].records == number
        print(
            f"\n{number} records: 0 ciphertexts changed, {number} wraps changed, {number / took:.0f} re-wrapped a "
            f"second; looked at {number / looked:.0f} a second, {opened} of them opened"
        )

    asyncio.run(scene())
