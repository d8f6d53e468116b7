"""Sealing: one call each, counted; nothing is shared between two writes, and nothing is left behind."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from rekey.core.data_key import LENGTH, DataKey
from rekey.core.envelope import Place, Wrapped, parse
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.engine.counting import Counted
from rekey.engine.sealing import Sealing
from rekey.errors import NoAnswer, Rejected, Retryable
from tests.e2e import leaks
from tests.engine.sealed import Office, place_of, state_of

PLACE = place_of(1)
TOKEN = next(iter(state_of(PLACE).reveal().values()))


@dataclass
class Witness:
    """Keeps keys badly: it remembers every data key it sees, the bytes and the buffer."""

    fails: Exception | None = None
    seen: list[bytes] = field(default_factory=list)
    buffers: list[bytearray] = field(default_factory=list)

    def _note(self, key: DataKey) -> DataKey:
        self.seen.append(bytes(key.reveal()))
        self.buffers.append(key.reveal())
        return key

    async def wrap(self, scope: str, key: DataKey) -> Wrapped:
        self._note(key)
        if self.fails:
            raise self.fails
        return Wrapped(scope or "none", bytes(key.reveal()))

    async def unwrap(self, scope: str, wrapped: Wrapped) -> DataKey:
        if self.fails:
            raise self.fails
        return self._note(DataKey(bytearray(wrapped.value)))

    async def rewrap(self, scope: str, wrapped: Wrapped) -> Wrapped:
        if self.fails:
            raise self.fails
        return Wrapped("other", wrapped.value)


Ask = Callable[[Sealing, str], Awaitable[object]]
OPERATIONS: dict[str, tuple[str, Ask]] = {
    "sealing": ("wrap", lambda sealing, _: sealing.seal(state_of(PLACE), PLACE)),
    "opening": ("unwrap", lambda sealing, text: sealing.open(text, PLACE)),
    "re-wrapping": ("rewrap", lambda sealing, text: sealing.rewrap(text)),
}
FAILURES: dict[str, Exception] = {
    "away": Retryable("the key service is away"),
    "silent": NoAnswer("the key service does not answer"),
    "refusing": Rejected(Reason.STATE_UNREADABLE, "the key is disabled"),
}


def counted() -> tuple[Witness, Sealing, Counter[tuple[str, str]]]:
    """Return a keeper of keys, what seals with it, and what was counted."""
    count: Counter[tuple[str, str]] = Counter()
    witness = Witness()
    return witness, Sealing(Counted(witness, lambda *call: count.update([call]))), count


@pytest.mark.parametrize("what", OPERATIONS)
def test_each_operation_is_one_call(what: str) -> None:
    """Whoever keeps the keys is asked exactly once, and it is counted."""
    operation, ask = OPERATIONS[what]

    async def scene() -> None:
        _, sealing, count = counted()
        text = await sealing.seal(state_of(PLACE), PLACE)
        count.clear()
        await ask(sealing, text)
        assert count == {(operation, "ok"): 1}

    asyncio.run(scene())


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("what", OPERATIONS)
def test_a_failure_is_raised_as_it_is_and_counted(what: str, failure: str) -> None:
    """There is no second try and nothing to fall back to; the words tell no secret, and the data key is gone."""
    operation, ask = OPERATIONS[what]

    async def scene() -> None:
        witness, sealing, count = counted()
        text = await sealing.seal(state_of(PLACE), PLACE)
        count.clear()
        witness.fails = FAILURES[failure]
        with pytest.raises(type(witness.fails)) as caught:
            await ask(sealing, text)
        assert caught.value is witness.fails
        assert count == {(operation, type(witness.fails).__name__): 1}
        shown = "".join(traceback.format_exception(caught.value))
        assert leaks.find({"the traceback": shown}, [TOKEN, *witness.seen]) == []
        assert {bytes(buffer) for buffer in witness.buffers} == {bytes(LENGTH)}

    asyncio.run(scene())


def test_data_keys_are_overwritten_after_use() -> None:
    """The very buffers that were used are zero when a value is sealed or opened."""

    async def scene() -> None:
        witness, sealing, _ = counted()
        text = await sealing.seal(state_of(PLACE), PLACE)
        assert await sealing.open(text, PLACE) == state_of(PLACE)
        assert [bytes(buffer) for buffer in witness.buffers] == [bytes(LENGTH)] * 2
        assert witness.seen[0] == witness.seen[1] != bytes(LENGTH)

    asyncio.run(scene())


def test_a_data_key_is_overwritten_where_opening_fails() -> None:
    """A value that was changed leaves no key behind."""

    async def scene() -> None:
        witness, sealing, _ = counted()
        text = await sealing.seal(state_of(PLACE), PLACE)
        with pytest.raises(Rejected):
            await sealing.open(text, place_of(2))
        assert [bytes(buffer) for buffer in witness.buffers] == [bytes(LENGTH)] * 2

    asyncio.run(scene())


def test_no_two_writes_share_a_key_or_a_vector() -> None:
    """A thousand writes of the same state at the same place have a thousand keys, vectors and ciphertexts."""

    async def scene() -> None:
        witness, sealing, _ = counted()
        texts = [await sealing.seal(state_of(PLACE), PLACE) for _ in range(1000)]
        locked = [parse(text).locked for text in texts]
        assert (
            len(set(witness.seen)) == len({one.iv for one in locked}) == len({one.ciphertext for one in locked}) == 1000
        )

    asyncio.run(scene())


def test_what_is_sealed_shows_nothing() -> None:
    """No form of the state is in the text."""

    async def scene() -> None:
        text = await Office().sealing.seal(state_of(PLACE), PLACE)
        assert leaks.find({"the text": text}, [TOKEN]) == []

    asyncio.run(scene())


def test_an_envelope_is_prepared_before_there_is_anything_to_seal() -> None:
    """One call; after it nobody is asked, also if whoever keeps the keys is away by then. It is good for one value."""

    async def scene() -> None:
        witness, sealing, count = counted()
        with await sealing.prepare() as envelope:
            witness.fails = FAILURES["away"]
            text = envelope.seal(state_of(PLACE), PLACE)
            with pytest.raises(ValueError, match="used once"):
                envelope.seal(state_of(PLACE), PLACE)
        assert count == {("wrap", "ok"): 1}
        witness.fails = None
        assert await sealing.open(text, PLACE) == state_of(PLACE)

    asyncio.run(scene())


def test_an_envelope_that_is_not_used_leaves_no_key_behind() -> None:
    """The server that was to tell something told nothing."""

    async def scene() -> None:
        witness, sealing, _ = counted()
        with pytest.raises(KeyError), await sealing.prepare():
            raise KeyError
        assert [bytes(buffer) for buffer in witness.buffers] == [bytes(LENGTH)]

    asyncio.run(scene())


async def _wrong_format(office: Office, text: str, place: Place) -> Material:
    return await office.sealing.open("rk0" + text[3:], place)


async def _wrong_place(office: Office, text: str, place: Place) -> Material:
    return await office.sealing.open(text, place_of(2))


async def _wrong_wrap(office: Office, text: str, place: Place) -> Material:
    head, wrap, rest = text.split(".", 2)[:2], *text.split(".", 2)[2].split(".", 1)
    return await office.sealing.open(".".join([*head, wrap[::-1], rest]), place)


async def _wrong_scope(office: Office, text: str, place: Place) -> Material:
    other = Sealing(office.keys, "till")
    await other.seal(state_of(place), place)
    return await other.open(text, place)


async def _other_wrap(office: Office, text: str, place: Place) -> Material:
    other = await office.sealing.seal(state_of(place), place)
    return await office.sealing.open(".".join([*other.split(".")[:3], *text.split(".")[3:]]), place)


Wrong = Callable[[Office, str, Place], Coroutine[Any, Any, Material]]
WRONG: dict[str, Wrong] = {
    "another format": _wrong_format,
    "another place": _wrong_place,
    "a changed wrap": _wrong_wrap,
    "another tenant's ring": _wrong_scope,
    "the wrap of another write": _other_wrap,
}


@pytest.mark.parametrize("case", WRONG)
def test_it_does_not_open_with(case: str) -> None:
    """With a real ring each of them is refused until a person acts, in words without a secret."""

    async def scene() -> None:
        office = Office()
        text = await office.sealing.seal(state_of(PLACE), PLACE)
        assert await office.sealing.open(text, PLACE) == state_of(PLACE)
        with pytest.raises(Rejected) as caught:
            await WRONG[case](office, text, PLACE)
        assert caught.value.reason == Reason.STATE_UNREADABLE
        keys = [key for view in office.world.secrets.values() for key in view.material.reveal().values()]
        assert leaks.find({"it": "".join(traceback.format_exception(caught.value))}, [TOKEN, *keys]) == []

    asyncio.run(scene())
