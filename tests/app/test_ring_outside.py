"""A ring whose keys are outside the cluster is looked after: rotated there or here, re-wrapped, and recorded."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from rekey.core.keyring import SETTLE, Did
from rekey.core.material import Material
from rekey.core.outside import BY
from rekey.core.reasons import Reason
from rekey.errors import Rejected, RekeyError, Retryable
from rekey.providers.keyring.outside import OutsideRing
from tests.app.test_ring_upkeep import RING, Care
from tests.engine.sealed import RETENTION, Office, place_of, state_of
from tests.sim.world import Plug, Unplugged

VALUES = 3
DIDS = [Did.CREATED, Did.ROTATED, Did.DISABLED, Did.DELETED]


def play(scene: Callable[[Care], Coroutine[Any, Any, None]]) -> None:
    """Play a scene in which some values are sealed by a key outside the cluster."""

    async def played() -> None:
        care = Care(Office(outside=True))
        await care.office.fill(VALUES)
        await care.upkeep().look()
        await scene(care)

    asyncio.run(played())


async def whole(care: Care) -> None:
    """Look after it until what was begun is at its end."""
    upkeep = care.upkeep()
    for wait in (SETTLE, RETENTION, RETENTION):
        await upkeep.look()
        care.office.time += wait
    await upkeep.look()


async def told(office: Office) -> list[tuple[Did, str, str, int | None]]:
    """Return what is on record."""
    return [(entry.did, entry.by, entry.key, entry.records) for entry in (await office.ring()).history]


def test_the_record_is_made_without_a_key() -> None:
    """The Secret says which version there is, and holds nothing: to wrap and unwrap asks the API server for nothing."""

    async def scene(care: Care) -> None:
        office = care.office
        view = office.world.secrets[RING]
        assert view.material == Material({})
        assert await told(office) == [(Did.CREATED, BY, "v1", None)]
        assert office.shelf.under() == {"v1": VALUES}
        office.world.plug.calls.clear()
        text = await office.sealing.seal(state_of(place_of(7)), place_of(7))
        await office.sealing.open(text, place_of(7))
        await office.sealing.rewrap(text)
        assert office.world.plug.calls == ["service.encrypt", "service.decrypt", "service.rewrap"]

    play(scene)


def test_whoever_rotates_the_key_there_has_the_ring_rotated() -> None:
    """Every wrap is another, no ciphertext is; the old version is out of use, and gone after the retention."""

    async def scene(care: Care) -> None:
        office = care.office
        before, key = office.shelf.sealed(), office.service.key()
        office.service.add()
        upkeep = care.upkeep()
        await upkeep.look()
        assert (await office.states(), office.shelf.under()) == (["DecryptOnly", "Enabled"], {"v2": VALUES})
        assert {at: one.locked for at, one in office.shelf.sealed().items()} == {
            at: one.locked for at, one in before.items()
        }
        office.time += SETTLE
        await upkeep.look()
        assert (await office.states(), key.oldest, sorted(key.made)) == (["Disabled", "Enabled"], 2, [1, 2])
        office.time += RETENTION
        await upkeep.look()
        assert (await office.states(), sorted(key.made)) == (["Enabled"], [2])
        assert await told(office) == [
            (Did.CREATED, BY, "v1", None),
            (Did.ROTATED, BY, "v2", None),
            (Did.DISABLED, BY, "v1", VALUES),
            (Did.DELETED, BY, "v1", None),
        ]
        assert care.said() == ["KeyRingCreated", "KeyRingRotated", "KeyDisabled", "KeyDeleted"]
        assert await office.opened()

    play(scene)


def test_a_person_asks_for_it_here() -> None:
    """Once, by the annotation, as of a ring in the cluster; he is on record."""

    async def scene(care: Care) -> None:
        care.ask("2026-11")
        await whole(care)
        await whole(care)
        assert sorted(care.office.service.key().made) == [2]
        assert [(did, by) for did, by, _, _ in (await told(care.office))[1:]] == [(did, "ann") for did in DIDS[1:]]

    play(scene)


async def asked(care: Care, plug: Plug) -> None:
    """Seal, have the ring rotated, and wait to the end; the plug is for what comes after the question."""
    await care.office.fill(VALUES)
    await care.upkeep().look()
    care.ask("2026-11")
    care.office.world.plug = plug
    await whole(care)


async def judge(office: Office) -> None:
    """See that there was one rotation, by whoever asked for it, and that all opens."""
    entries = await told(office)
    assert [did for did, _, _, _ in entries] == DIDS
    assert [by for _, by, _, _ in entries[:2]] == [BY, "ann"]
    assert (sorted(office.service.key().made), office.shelf.under()) == ([2], {"v2": VALUES})
    assert await office.opened()


def crashed(at: int, *, after: bool) -> None:
    """Live until the process dies at that call, then live again."""
    care = Care(Office(outside=True))
    with pytest.raises(Unplugged):
        asyncio.run(asked(care, Plug(at=at, after=after)))
    care.office.world.plug = Plug()
    asyncio.run(whole(care))
    asyncio.run(judge(care.office))


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
def test_a_crash_at_every_call(*, after: bool) -> None:
    """Wherever the process dies: one rotation, one version, all opens, and who asked for it is on record."""
    unharmed = Plug()
    asyncio.run(asked(Care(Office(outside=True)), unharmed))
    assert len(unharmed.calls) > 30
    for at in range(len(unharmed.calls)):
        crashed(at, after=after)


def test_a_ring_moves_out_of_the_cluster() -> None:
    """What its own keys wrapped is re-wrapped outside; they are disabled, and deleted after the retention."""

    async def scene() -> None:
        office = Office()
        await office.fill(VALUES)
        before = office.shelf.sealed()
        office.keep_by(OutsideRing(office.service, office.inside, office))
        await whole(Care(office))
        assert office.shelf.under() == {"v1": VALUES}
        assert {at: one.locked for at, one in office.shelf.sealed().items()} == {
            at: one.locked for at, one in before.items()
        }
        assert office.world.secrets[RING].material == Material({})
        assert [did for did, _, _, _ in await told(office)] == DIDS
        assert await office.opened()

    asyncio.run(scene())


def test_what_is_wrapped_outside_needs_the_setting() -> None:
    """Without it neither is anything opened nor anything new wrapped, and it is said what is missing.

    No rotation brings a key back into the cluster: neither one that is due nor one that a person asks for.
    """

    async def scene(care: Care) -> None:
        office = care.office
        office.keep_by(office.inside)
        for call in (office.opened(), office.sealing.seal(state_of(place_of(9)), place_of(9))):
            with pytest.raises(Rejected, match="its key v1 is outside the cluster: set REKEY_TRANSIT_PROVIDER") as no:
                await call
            assert no.value.reason == Reason.STATE_UNREADABLE
        care.ask("2026-11")
        office.time += RETENTION
        await care.upkeep(interval=RETENTION).look()
        assert office.world.secrets[RING].material == Material({})
        assert care.said()[-1] == "KeyRingStalled"
        office.keep_by(OutsideRing(office.service, office.inside, office))
        await whole(care)
        assert await office.opened()

    play(scene)


def test_a_right_that_is_missing_there() -> None:
    """What could not be done is said once, nothing is looked at again and again, and it goes on when it is granted."""

    async def scene(care: Care) -> None:
        office, upkeep = care.office, care.upkeep()
        refused = Rejected(Reason.BACKEND_REFUSED, "no policy allows to configure key rekey")
        office.service.trouble = lambda call: refused if call == "retire" else None
        office.service.add()
        await upkeep.look()
        office.time += SETTLE
        await upkeep.look()
        looked = care.calls()
        await upkeep.look()
        assert care.calls() == looked
        assert care.said()[-1] == "KeyRingStalled"
        assert "no policy allows" in list(care.news.values())[-1].note
        assert await office.states() == ["DecryptOnly", "Enabled"]
        office.service.trouble = lambda _: None
        await whole(care)
        assert await office.states() == ["Enabled"]

    play(scene)


def test_a_version_that_is_put_back_there() -> None:
    """It opens again; what is under it is re-wrapped, and it is out of use again."""

    async def scene(care: Care) -> None:
        office = care.office
        old = dict(office.shelf.texts)
        office.service.add()
        upkeep = care.upkeep()
        await upkeep.look()
        office.time += SETTLE
        await upkeep.look()
        office.service.key().oldest = 1
        office.shelf.texts |= old
        await upkeep.look()
        assert (await office.states(), office.shelf.under()) == (["DecryptOnly", "Enabled"], {"v2": VALUES})
        office.time += SETTLE
        await upkeep.look()
        assert await office.states() == ["Disabled", "Enabled"]

    play(scene)


def test_a_version_that_is_taken_out_of_use_too_early() -> None:
    """Nothing under it is lost: it is not deleted as long as anything needs it, and that is said."""

    async def scene(care: Care) -> None:
        office, key = care.office, care.office.service.key()
        office.service.add()
        key.oldest = 2
        upkeep = care.upkeep()
        for wait in (SETTLE, RETENTION, RETENTION):
            await upkeep.look()
            assert await office.states() == ["Disabled", "Enabled"]
            office.time += wait
        await upkeep.look()
        assert (sorted(key.made), care.said()[-1]) == ([1, 2], "KeyRingStalled")
        assert f"{VALUES} of {VALUES} records are under a disabled key" in list(care.news.values())[-1].note
        key.oldest = 1
        await whole(care)
        assert (sorted(key.made), office.shelf.under()) == ([2], {"v2": VALUES})
        assert await office.opened()

    play(scene)


def test_a_version_that_is_not_on_record() -> None:
    """The record was lost, or is old: no version that is needed is deleted together with a younger one."""

    async def scene(care: Care) -> None:
        office, key = care.office, care.office.service.key()
        office.service.add()
        key.oldest = 2
        del office.world.secrets[RING]
        await office.fill(VALUES + 2)
        await care.upkeep().look()
        assert await office.states() == ["Disabled", "Enabled"]
        office.service.add()
        await whole(care)
        assert (sorted(key.made), office.shelf.under()) == ([1, 2, 3], {"v1": VALUES, "v3": 2})
        key.oldest = 1
        await whole(care)
        assert (sorted(key.made), office.shelf.under()) == ([3], {"v3": VALUES + 2})
        assert await office.opened()

    play(scene)


def test_a_version_goes_out_of_use_with_all_before_it() -> None:
    """One of the oldest cannot be wrapped anew: no younger one is called disabled, over and over, that is not."""

    async def scene(care: Care) -> None:
        office, at = care.office, place_of(0)
        stuck = office.shelf.texts[at]
        office.service.add()
        upkeep = care.upkeep()
        await upkeep.look()
        office.shelf.texts[at] = (stuck[0].replace("rk1.v1.", "rk1.v1.AAAA"), 7)
        office.service.add()
        for _ in range(5):
            office.time += SETTLE
            await upkeep.look()
            assert await office.states() == ["DecryptOnly", "DecryptOnly", "Enabled"]
        assert care.said() == ["KeyRingCreated", "KeyRingRotated", "KeyRingRotated", "KeyRingStalled"]
        office.shelf.texts[at] = stuck
        await whole(care)
        assert await office.states() == ["Enabled"]

    play(scene)


def test_somebody_rotates_at_the_same_time() -> None:
    """Then his version is the one, and nothing is written down that is not so."""

    async def scene(care: Care) -> None:
        office = care.office

        def meanwhile(call: str) -> None:
            if call == "rotate":
                office.service.trouble = lambda _: None
                office.service.add()

        office.service.trouble = meanwhile
        care.ask("2026-11")
        await whole(care)
        assert sorted(office.service.key().made) == [3]
        assert [did for did, _, _, _ in await told(office)][:2] == DIDS[:2]
        assert await office.opened()

    play(scene)


AWAY: dict[str, tuple[RekeyError, type[RekeyError]]] = {
    "it does not answer": (Retryable("no connection"), Retryable),
    "it does not let us in": (Rejected(Reason.NEEDS_REAUTH, "log-in refused"), Retryable),
    "no policy allows it": (Rejected(Reason.BACKEND_REFUSED, "no policy"), Retryable),
    "it is not declared": (Rejected(Reason.PROVIDER_NOT_FOUND, "there is none"), Retryable),
    "it cannot open this one": (Rejected(Reason.STATE_UNREADABLE, "was changed"), Rejected),
}


@pytest.mark.parametrize("case", AWAY)
def test_what_is_said_of_a_service_is_not_said_of_a_credential(case: str) -> None:
    """Whatever keeps the service from answering passes when a person mends it; only a wrap that is bad stays so."""
    error, expected = AWAY[case]

    async def scene(care: Care) -> None:
        care.office.service.trouble = lambda _: error
        with pytest.raises(expected, match=str(error)) as raised:
            await care.office.opened()
        assert type(raised.value) is expected

    play(scene)


def test_a_record_that_was_lost_is_made_anew() -> None:
    """Nothing that is sealed depends on it."""

    async def scene(care: Care) -> None:
        office = care.office
        view = office.world.secrets.pop(RING)
        assert await office.opened()
        await care.upkeep().look()
        assert office.world.secrets[RING].annotations == replace(view, name="").annotations

    play(scene)
