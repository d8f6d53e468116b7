"""The key ring in a Secret: how it comes to be, what it refuses, and what a person can see of it."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import Wrapped
from rekey.core.keyring import Begin, Delete, Wish, advance
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import Conflict, NotLeading, Rejected, Retryable
from rekey.ports.secrets import NewSecret, SecretView
from rekey.providers.keyring import ring as under_test
from rekey.providers.keyring.ring import Keyring
from rekey.providers.keyring.stored import ANNOTATION
from tests.e2e import leaks
from tests.sim.conformance_of_key_encryption import VALUE, KeyEncryptionConformance, Meet, data_key
from tests.sim.keeping import Line, RingKeeper
from tests.sim.ports import NAMESPACE
from tests.sim.world import World
from tests.sim.world_stage import WorldStage


class Kept(RingKeeper):
    """A key ring in the world, which can be looked at and edited."""

    def __init__(self) -> None:
        stage = WorldStage()
        super().__init__(stage)
        self.world: World = stage.world

    @property
    def view(self) -> SecretView:
        """The Secret of the environment's ring."""
        return self.world.secrets["rekey-keyring"]

    def edit(self, **changes: Any) -> None:
        """Change the Secret as somebody else."""
        self.world.secrets["rekey-keyring"] = replace(self.view, resource_version=self.world.next_id(), **changes)


Scene = Callable[[Kept], Coroutine[Any, Any, None]]


@pytest.fixture
def meet() -> Meet:
    """Play a scene with the ring of a fresh world."""
    return lambda scene: asyncio.run(scene(Kept()))


def play(scene: Scene) -> None:
    """Play a scene with the ring of a fresh world, as itself."""
    asyncio.run(scene(Kept()))


class TestConformance(KeyEncryptionConformance):
    """A ring made by Rekey is one that keeps keys."""


def test_the_first_value_makes_the_ring() -> None:
    """The first wrap makes a Secret of ours without an owner, with one key; the second makes nothing."""

    async def scene(kept: Kept) -> None:
        first = await kept.wrap()
        view = kept.view
        assert (view.owner, view.immutable, view.type) == (None, False, "Opaque")
        assert view.labels == {"app.kubernetes.io/managed-by": "rekey", "rekey.dev/role": "keyring"}
        assert view.material.keys() == (first.key_id,)
        assert [len(key) for key in view.material.reveal().values()] == [LENGTH]
        assert (await kept.wrap()).key_id == first.key_id
        assert kept.view == view

    play(scene)


def test_each_scope_has_a_ring_of_its_own() -> None:
    """A tenant's Secret bears its name, and its keys are others."""

    async def scene(kept: Kept) -> None:
        own, theirs = await kept.wrap(), await kept.wrap("shop")
        assert sorted(kept.world.secrets) == ["rekey-keyring", "rekey-keyring-shop"]
        assert own.key_id != theirs.key_id

    play(scene)


def test_a_key_that_was_copied_into_another_ring() -> None:
    """Who puts one tenant's key into another's ring opens nothing with it: a wrap is bound to its scope, too."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        copied = replace(kept.view, name="rekey-keyring-till", annotations=said(kept, scope="till"))
        kept.world.secrets[copied.name] = copied
        assert (await kept.wrap("till")).key_id == wrapped.key_id
        with pytest.raises(Rejected, match="was not wrapped by it"):
            await kept.unwrap(wrapped, "till")

    play(scene)


def test_every_operation_is_one_read() -> None:
    """Nothing is remembered: each operation asks once, and only the first wrap writes."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        assert kept.line.asked == 2  # it was not there, and was made
        await kept.wrap()
        assert kept.line.asked == 3
        await kept.unwrap(wrapped)
        assert kept.line.asked == 4
        await kept.keys.rewrap("", wrapped)
        assert kept.line.asked == 5

    play(scene)


class Late(Line):
    """Somebody else makes the ring between our look and our write."""

    before: Keyring

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        with DataKey.fresh() as key:
            await self.before.wrap("", key)
        return await super().create(namespace, new)


def test_of_two_replicas_one_makes_the_ring() -> None:
    """Who comes second uses what the first one made."""

    async def scene(kept: Kept) -> None:
        late = Late(kept.world.engine.ports.secrets)
        late.before = kept.ring
        with data_key() as key:
            wrapped = await Keyring(late, kept.world, NAMESPACE).wrap("", key)
        assert kept.view.material.keys() == (wrapped.key_id,)
        assert await kept.unwrap(wrapped) == VALUE

    play(scene)


class Elsewhere(Line):
    """Secrets of a namespace in which another process leads."""

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        raise NotLeading("another process acts there now")


def test_the_ring_is_made_by_who_leads_in_its_namespace() -> None:
    """Others wait for it, and use it when it is there."""

    async def scene(kept: Kept) -> None:
        other = Keyring(Elsewhere(kept.world.engine.ports.secrets), kept.world, NAMESPACE)
        with data_key() as key, pytest.raises(Retryable, match="who leads in that namespace makes it"):
            await other.wrap("", key)
        assert "rekey-keyring" not in kept.world.secrets
        assert (await kept.ring.ensure("")).primary == (await kept.ring.ensure("")).primary
        with data_key() as key:
            assert await kept.unwrap(await other.wrap("", key)) == VALUE

    play(scene)


def test_what_a_mutating_webhook_stores_is_what_is_used() -> None:
    """The key that is used is the stored one, so that what is sealed can be opened."""

    async def scene(kept: Kept) -> None:
        kept.world.webhook = lambda made: Material(dict.fromkeys(made.keys(), bytes(range(LENGTH))))
        assert await kept.unwrap(await kept.wrap()) == VALUE

    play(scene)


def test_a_deleted_ring() -> None:
    """What it wrapped is refused with what to do; new values get a new ring, and the old ones stay closed."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        del kept.world.secrets["rekey-keyring"]
        with pytest.raises(Rejected, match=r"^Secret orders/rekey-keyring is not there, .* restore it from a backup"):
            await kept.unwrap(wrapped)
        assert "rekey-keyring" not in kept.world.secrets
        await kept.wrap()
        with pytest.raises(Rejected, match=f"has no key {wrapped.key_id}: .* or the Secret was made anew"):
            await kept.unwrap(wrapped)

    play(scene)


def said(kept: Kept, **changes: Any) -> dict[str, str]:
    """Return the annotation with some of what it says changed."""
    return {ANNOTATION: json.dumps(json.loads(kept.view.annotations[ANNOTATION]) | changes)}


def key_of(kept: Kept, **changes: Any) -> dict[str, Any]:
    """Return what the annotation says of the key, with some of it changed."""
    found: dict[str, Any] = json.loads(kept.view.annotations[ANNOTATION])["keys"][0]
    return found | changes


STRANGE: dict[str, Callable[[Kept], dict[str, Any]]] = {
    "no annotation": lambda _: {"annotations": {}},
    "an annotation that is no JSON": lambda _: {"annotations": {ANNOTATION: "keys"}},
    "an annotation that is a list": lambda _: {"annotations": {ANNOTATION: "[]"}},
    "nothing about keys": lambda kept: {"annotations": said(kept, keys=None)},
    "the ring of another scope": lambda kept: {"annotations": said(kept, scope="till")},
    "no key that wraps": lambda kept: {"annotations": said(kept, keys=[key_of(kept, state="Disabled")])},
    "a state that is none": lambda kept: {"annotations": said(kept, keys=[key_of(kept, state="enabled")])},
    "a time that is none": lambda kept: {"annotations": said(kept, keys=[key_of(kept, since="noon")])},
    "a time of no zone": lambda kept: {"annotations": said(kept, keys=[key_of(kept, since="2026-03-01T12:00:00")])},
    "two keys that wrap": lambda kept: {"annotations": said(kept, keys=[key_of(kept), key_of(kept)])},
    "a key without bytes": lambda _: {"material": Material({})},
    "a key more than is said": lambda kept: {"material": Material({**kept.view.material.reveal(), "x": bytes(LENGTH)})},
    "a key of 16 bytes": lambda kept: {"material": Material(dict.fromkeys(kept.view.material.keys(), bytes(16)))},
    "somebody's own Secret": lambda _: {"annotations": {}, "labels": {}, "material": Material({"password": VALUE})},
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_no_ring_is_neither_used_nor_touched(case: str) -> None:
    """A Secret of that name that says something else is refused, by name and with what to do."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        kept.edit(**STRANGE[case](kept))
        there = kept.view
        for ask in (kept.wrap, lambda: kept.unwrap(wrapped), lambda: kept.ring.read("")):
            with pytest.raises(
                Rejected, match=r"^Secret orders/rekey-keyring is no key ring: .* give the ring"
            ) as caught:
                await ask()
            assert caught.value.reason == Reason.STATE_UNREADABLE
        assert kept.view == there

    play(scene)


def test_a_write_is_on_what_was_read() -> None:
    """Of two who rotate the ring at once one succeeds."""

    async def scene(kept: Kept) -> None:
        await kept.wrap()
        ring = await kept.ring.read("")
        assert ring is not None
        await kept.rotate("")
        with pytest.raises(Conflict):
            await kept.ring.write("", ring, advance(ring, Begin(Wish("x", "bob")), kept.world.now(), "other"))
        assert set(kept.view.material.keys()) == {ring.primary.id, "key-2"}

    play(scene)


def test_a_deleted_key_is_gone() -> None:
    """After the last step its bytes are in the Secret no more; what names it is refused."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        await kept.rotate("")
        await kept.retire("")
        ring = await kept.ring.read("")
        assert ring is not None
        after = advance(ring, Delete((wrapped.key_id,)), kept.world.now(), "")
        assert await kept.ring.write("", ring, after) == after
        assert kept.view.material.keys() == ("key-2",)
        with pytest.raises(Rejected, match=f"has no key {wrapped.key_id}: it was deleted"):
            await kept.unwrap(wrapped)

    play(scene)


def test_a_disabled_key_can_be_put_back_by_hand() -> None:
    """The refusal says how, and it works: its state is a word in the annotation."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        await kept.rotate("")
        await kept.retire("")
        with pytest.raises(Rejected, match="make it DecryptOnly again, what is under it is wrapped anew"):
            await kept.unwrap(wrapped)
        kept.edit(
            annotations={ANNOTATION: kept.view.annotations[ANNOTATION].replace('Disabled","c', 'DecryptOnly","c')}
        )
        assert await kept.unwrap(wrapped) == VALUE

    play(scene)


def test_nothing_but_the_data_of_the_secret_shows_a_key() -> None:
    """Whoever may see everything of the ring but its data learns of no key; nor does a log of the objects."""

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        await kept.rotate("")
        keys = list(kept.view.material.reveal().values())
        shown = {"annotations": str(kept.view.annotations), "repr": repr(await kept.ring.read("")), "w": repr(wrapped)}
        assert leaks.find(shown, [*keys, VALUE]) == []

    play(scene)


def test_every_data_key_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-wrapping leaves no data key behind."""
    made: list[bytearray] = []

    def noted(value: bytearray) -> DataKey:
        made.append(value)
        return DataKey(value)

    async def scene(kept: Kept) -> None:
        wrapped = await kept.wrap()
        monkeypatch.setattr(under_test, "DataKey", noted)
        assert isinstance(await kept.keys.rewrap("", wrapped), Wrapped)
        assert [bytes(key) for key in made] == [bytes(LENGTH)]

    play(scene)


@pytest.mark.parametrize("scope", ["Shop", "a/b", "a.b", "-", "x" * 64, "a\0b"])
def test_a_scope_that_cannot_be_a_name(scope: str) -> None:
    """It is an error of ours, before anything is asked."""

    async def scene(kept: Kept) -> None:
        with pytest.raises(ValueError, match="DNS label"):
            await kept.wrap(scope)
        assert kept.line.asked == 0

    play(scene)
