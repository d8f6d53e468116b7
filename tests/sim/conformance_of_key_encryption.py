"""What the port `KeyEncryption` promises, as a suite: whoever keeps keys, here or far away, passes it."""

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import KEY_ID, Wrapped
from rekey.core.reasons import Reason
from rekey.errors import Rejected, Retryable
from rekey.ports.key_encryption import KeyEncryption
from tests.e2e import leaks

VALUE = b"0123456789abcdef-a-data-key-32-b"


class Keeper(ABC):
    """Somebody who keeps keys, of scopes that nobody has used before."""

    keys: KeyEncryption

    @abstractmethod
    async def rotate(self, scope: str) -> None:
        """Have another key wrap from now on; those before only unwrap."""

    @abstractmethod
    async def retire(self, scope: str) -> None:
        """Have all keys before the present one unwrap nothing any more."""

    @abstractmethod
    def cut_off(self, *, away: bool) -> None:
        """Let nobody reach the keeper, or everybody again."""

    async def wrap(self, scope: str = "") -> Wrapped:
        """Wrap the data key of these tests."""
        with data_key() as key:
            return await self.keys.wrap(scope, key)

    async def unwrap(self, wrapped: Wrapped, scope: str = "") -> bytes:
        """Return a copy of the bytes of the unwrapped data key."""
        with await self.keys.unwrap(scope, wrapped) as key:
            return bytes(key.reveal())


Scene = Callable[[Keeper], Coroutine[Any, Any, None]]
Meet = Callable[[Scene], None]
"""What the fixture `meet` gives: it opens a fresh keeper, plays the scene with it, and closes it."""


def data_key() -> DataKey:
    """Return the data key of these tests."""
    return DataKey(bytearray(VALUE))


async def refused(keeper: Keeper, wrapped: Wrapped, scope: str = "") -> str:
    """Have it refuse to unwrap and to re-wrap, for good and without a secret byte; return the words."""
    words = ""
    for ask in (keeper.keys.unwrap, keeper.keys.rewrap):
        with pytest.raises(Rejected) as caught:
            await ask(scope, wrapped)
        assert caught.value.reason == Reason.STATE_UNREADABLE
        assert leaks.find({"the traceback": "".join(traceback.format_exception(caught.value))}, [VALUE]) == []
        words = str(caught.value)
    return words


CHANGED: dict[str, Callable[[bytes], bytes]] = {
    "its first sign is another": lambda value: bytes([value[0] ^ 1]) + value[1:],
    "its last sign is another": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
    "one in the middle is another": lambda value: value[:30] + bytes([value[30] ^ 1]) + value[31:],
    "it lacks its first sign": lambda value: value[1:],
    "it lacks its last sign": lambda value: value[:-1],
    "it has one more": lambda value: value + b"\0",
    "it is short": lambda value: value[:8],
    "it is empty": lambda _: b"",
    "it is the data key itself": lambda _: VALUE,
}


class KeyEncryptionConformance:
    """The port `KeyEncryption`."""

    def test_what_was_wrapped_unwraps(self, meet: Meet) -> None:
        """The same 32 bytes come back; the key that did it has an id that fits into a sealed value."""

        async def scene(keeper: Keeper) -> None:
            wrapped = await keeper.wrap()
            assert await keeper.unwrap(wrapped) == VALUE
            assert KEY_ID.fullmatch(wrapped.key_id)
            assert len(VALUE) == LENGTH

        meet(scene)

    def test_a_wrap_tells_nothing(self, meet: Meet) -> None:
        """The same data key looks different each time, and does not show."""

        async def scene(keeper: Keeper) -> None:
            one, two = await keeper.wrap(), await keeper.wrap()
            assert one.key_id == two.key_id
            assert one.value != two.value
            assert leaks.find({"one": one.value, "two": two.value}, [VALUE]) == []

        meet(scene)

    def test_scopes_do_not_know_each_other(self, meet: Meet) -> None:
        """What was wrapped for one tenant unwraps for no other, and not for the environment."""

        async def scene(keeper: Keeper) -> None:
            wrapped = {scope: await keeper.wrap(scope) for scope in ("", "shop", "till")}
            for scope, own in wrapped.items():
                assert await keeper.unwrap(own, scope) == VALUE
                for other in wrapped.keys() - {scope}:
                    await refused(keeper, own, other)

        meet(scene)

    @pytest.mark.parametrize("case", CHANGED)
    def test_a_changed_wrap_is_refused(self, meet: Meet, case: str) -> None:
        """Nothing but what was wrapped unwraps."""

        async def scene(keeper: Keeper) -> None:
            wrapped = await keeper.wrap()
            await refused(keeper, replace(wrapped, value=CHANGED[case](wrapped.value)))

        meet(scene)

    def test_a_key_that_is_not_there_is_named(self, meet: Meet) -> None:
        """The refusal says which key is missing."""

        async def scene(keeper: Keeper) -> None:
            wrapped = await keeper.wrap()
            assert "nobody-knows" in await refused(keeper, replace(wrapped, key_id="nobody-knows"))

        meet(scene)

    def test_a_rotation(self, meet: Meet) -> None:
        """After it new writes have another key, old ones unwrap, and re-wrapping gives the same data key anew."""

        async def scene(keeper: Keeper) -> None:
            old = await keeper.wrap()
            await keeper.rotate("")
            fresh = await keeper.wrap()
            assert fresh.key_id != old.key_id
            assert await keeper.unwrap(old) == VALUE
            moved = await keeper.keys.rewrap("", old)
            assert (moved.key_id, moved.value != old.value) == (fresh.key_id, True)
            assert await keeper.unwrap(moved) == VALUE

        meet(scene)

    def test_a_wrap_names_its_own_key(self, meet: Meet) -> None:
        """A wrap that names another key than its own is refused, though both may unwrap."""

        async def scene(keeper: Keeper) -> None:
            old = await keeper.wrap()
            await keeper.rotate("")
            fresh = await keeper.wrap()
            await refused(keeper, replace(old, key_id=fresh.key_id))
            await refused(keeper, replace(fresh, key_id=old.key_id))

        meet(scene)

    def test_a_key_out_of_use(self, meet: Meet) -> None:
        """A key that was taken out of use unwraps nothing from that moment on; the present one goes on."""

        async def scene(keeper: Keeper) -> None:
            old = await keeper.wrap()
            await keeper.rotate("")
            moved = await keeper.keys.rewrap("", old)
            await keeper.retire("")
            assert old.key_id in await refused(keeper, old)
            assert await keeper.unwrap(moved) == VALUE
            assert (await keeper.wrap()).key_id == moved.key_id

        meet(scene)

    def test_nobody_can_reach_it(self, meet: Meet) -> None:
        """Every operation says to try later, and works when it is back."""

        async def scene(keeper: Keeper) -> None:
            wrapped = await keeper.wrap()
            keeper.cut_off(away=True)
            for scope in ("", "shop"):
                with pytest.raises(Retryable):
                    await keeper.wrap(scope)
            for ask in (keeper.keys.unwrap, keeper.keys.rewrap):
                with pytest.raises(Retryable):
                    await ask("", wrapped)
            keeper.cut_off(away=False)
            assert await keeper.unwrap(wrapped) == VALUE

        meet(scene)
