"""Sealed values: what was put in comes out, at its own place only, and nothing that was changed opens."""

import traceback
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import envelope
from rekey.core.data_key import DataKey
from rekey.core.envelope import Locked, Place, Sealed, Wrapped, lock, unlock
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import Rejected
from tests.e2e import leaks

TOKEN = b"refresh-token-that-nobody-may-see"
STATE = Material({"refresh_token": TOKEN})
PLACE = Place("0f1e2d3c-0000-4000-8000-000000000001", 7, "refresh token")
WRAPPED = Wrapped("0123456789abcdef", bytes(range(60)))


def locked_up(state: Material, place: Place) -> tuple[DataKey, Locked]:
    """Return the state encrypted, and a key that opens it."""
    key = DataKey.fresh()
    kept = DataKey(bytearray(key.reveal()))
    return kept, lock(key, state, place)


def sealed() -> tuple[bytes, Sealed]:
    """Return the key of a sealed value, and the value."""
    key, locked = locked_up(STATE, PLACE)
    return bytes(key.reveal()), Sealed(WRAPPED, locked)


def flipped(value: bytes, at: int) -> bytes:
    """Return it with one bit changed."""
    changed = bytearray(value)
    changed[at] ^= 1
    return bytes(changed)


materials = st.dictionaries(st.text(max_size=20), st.binary(max_size=200), max_size=4)
places = st.builds(Place, st.text(max_size=40), st.integers(0, 10**6), st.text(max_size=20))


@given(materials, places)
def test_what_was_locked_unlocks(values: dict[str, bytes], place: Place) -> None:
    """Whatever the state and the place, the key gives it back, after a way through text too."""
    key, locked = locked_up(Material(values), place)
    read = envelope.parse(Sealed(WRAPPED, locked).text())
    assert read == Sealed(WRAPPED, locked)
    assert unlock(key, read.locked, place) == Material(values)


@given(materials, places)
def test_two_writes_share_nothing(values: dict[str, bytes], place: Place) -> None:
    """The same state at the same place has another key, another vector and another ciphertext each time."""
    (one, first), (two, second) = (locked_up(Material(values), place) for _ in range(2))
    assert one.reveal() != two.reveal()
    assert first.iv != second.iv
    assert first.ciphertext != second.ciphertext


def test_a_data_key_locks_once() -> None:
    """It is overwritten by the first use, and refuses another."""
    key = DataKey.fresh()
    used = key.reveal()
    lock(key, STATE, PLACE)
    assert used == bytes(len(used))
    with pytest.raises(ValueError, match="used once"):
        lock(key, STATE, PLACE)


@given(places, places)
def test_it_opens_at_its_place_only(here: Place, there: Place) -> None:
    """A place is another one if any part of it is, however its parts are cut."""
    key, locked = locked_up(STATE, here)
    if here == there:
        assert unlock(key, locked, there) == STATE
        return
    with pytest.raises(Rejected):
        unlock(key, locked, there)


MOVED = {
    "to another credential": replace(PLACE, uid="0f1e2d3c-0000-4000-8000-000000000002"),
    "to another version": replace(PLACE, version=8),
    "to another purpose": replace(PLACE, purpose="handle"),
    "with a sign of one part in the next": Place(PLACE.uid[:-1], int(PLACE.uid[-1] + "7"), "refresh token"),
}

CHANGED: dict[str, Callable[[Locked], Locked]] = {
    "the first bit of the vector": lambda locked: replace(locked, iv=flipped(locked.iv, 0)),
    "the last bit of the vector": lambda locked: replace(locked, iv=flipped(locked.iv, -1)),
    "the first bit of the ciphertext": lambda locked: replace(locked, ciphertext=flipped(locked.ciphertext, 0)),
    "the first bit of the tag": lambda locked: replace(locked, ciphertext=flipped(locked.ciphertext, -16)),
    "the last bit of the tag": lambda locked: replace(locked, ciphertext=flipped(locked.ciphertext, -1)),
    "a byte less": lambda locked: replace(locked, ciphertext=locked.ciphertext[1:]),
    "a byte more": lambda locked: replace(locked, ciphertext=locked.ciphertext + b"\0"),
    "nothing but a tag": lambda locked: replace(locked, ciphertext=locked.ciphertext[-16:]),
    "the ciphertext of another write": lambda _: locked_up(STATE, PLACE)[1],
}


def refusal(key: bytes, locked: Locked, place: Place) -> Rejected:
    """Return the refusal, which shows neither the state nor the key."""
    with pytest.raises(Rejected) as caught:
        unlock(DataKey(bytearray(key)), locked, place)
    shown = "".join(traceback.format_exception(caught.value))
    assert leaks.find({"the traceback": shown}, [TOKEN, key]) == []
    return caught.value


@pytest.mark.parametrize("case", CHANGED)
def test_what_was_changed_does_not_open(case: str) -> None:
    """Every part is authenticated; the refusal says what to do."""
    key, value = sealed()
    refused = refusal(key, CHANGED[case](value.locked), PLACE)
    assert refused.reason == Reason.STATE_UNREADABLE
    assert str(refused).startswith("what is sealed does not open: it was changed")
    assert "authorize the credential anew" in str(refused)


@pytest.mark.parametrize("case", MOVED)
def test_what_was_moved_does_not_open(case: str) -> None:
    """The ciphertext is bound to its place."""
    key, value = sealed()
    assert "moved here from elsewhere" in str(refusal(key, value.locked, MOVED[case]))


def test_another_key_does_not_open_it() -> None:
    """Every key but its own is refused."""
    key, value = sealed()
    assert refusal(flipped(key, 31), value.locked, PLACE).reason == Reason.STATE_UNREADABLE


def part(number: int, change: Callable[[bytes], bytes]) -> Callable[[str], str]:
    """Return what changes one of the binary parts of a text."""

    def changed(text: str) -> str:
        parts = text.split(".")
        value = change(urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4)))
        parts[number] = urlsafe_b64encode(value).decode().rstrip("=")
        return ".".join(parts)

    return changed


UNREADABLE: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "the secret itself": lambda _: TOKEN.decode(),
    "a later format": lambda text: "rk2" + text[3:],
    "no format": lambda text: text[4:],
    "a part too few": lambda text: text.rpartition(".")[0],
    "a part too many": lambda text: text + ".AAAA",
    "an empty part": lambda text: ".".join([*text.split(".")[:2], "", *text.split(".")[3:]]),
    "a key id with a blank": lambda text: text.replace("rk1.0123", "rk1.0 23"),
    "a key id of 65 signs": lambda text: text.replace("0123456789abcdef", "0" * 65),
    "a line's end": lambda text: text + "\n",
    "padding": lambda text: text + "=",
    "plain base64 for base64url": lambda text: text[:-4] + "++//",
    "one sign of a group": lambda text: text.rpartition(".")[0] + ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "a vector of 11 bytes": part(3, lambda value: value[1:]),
    "a vector of 16 bytes": part(3, lambda value: value + bytes(4)),
    "less than a tag": part(4, lambda value: value[:15]),
    "bits behind the last byte": lambda text: text.replace(text.split(".")[2], "AB"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_sealed_value_is_refused(case: str) -> None:
    """Only what was written here is read; the refusal quotes nothing of it, for it may be the secret itself."""
    text = UNREADABLE[case](sealed()[1].text())
    with pytest.raises(Rejected, match=r"^it is not sealed as rk1") as caught:
        envelope.parse(text)
    assert caught.value.reason == Reason.STATE_UNREADABLE
    shown = "".join(traceback.format_exception(caught.value))
    assert leaks.find({"the traceback": shown}, [TOKEN]) == []
    assert not any(len(piece) > 8 and piece in str(caught.value) for piece in text.split("."))


def test_every_changed_sign_is_seen() -> None:
    """No sign of the text can be another one without being refused, but in the wrap, which its keeper judges."""
    key, value = sealed()
    text = value.text()
    start = text.index(".", text.index(WRAPPED.key_id) + 20) + 1  # behind the wrapped key
    for at in range(start, len(text)):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(Rejected):
            unlock(DataKey(bytearray(key)), envelope.parse(changed).locked, PLACE)


def test_a_sealed_value_is_small() -> None:
    """What surrounds a state takes less than 250 signs: it fits beside others in an annotation or a Secret."""
    empty = Sealed(WRAPPED, locked_up(Material({}), PLACE)[1])
    assert len(empty.text()) < 250
