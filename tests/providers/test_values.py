"""Passwords, tokens and HMAC keys are well formed, cannot be guessed, and tell nothing of themselves."""

import base64
import json
import re
from collections import Counter
from itertools import product
from math import log2
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core.material import Issued
from rekey.core.spec import CharacterClass, Generate, Password
from rekey.errors import Rejected
from rekey.ports.issuer import Order
from rekey.providers.generated.values import DIGITS, SCANNER_PATTERN, possible_passwords, verify_checksum
from tests.providers.making import GENERATED, LOOP, NOW, make


def issue(kind: str, **rules: Any) -> Issued:
    """Make a value of that kind under these rules, written as in a manifest."""
    return make(kind, **rules)


def value(kind: str, **rules: Any) -> str:
    """Return the one text such a value consists of."""
    (only,) = issue(kind, **rules).material.reveal().values()
    return only.decode()


def number(digits: str) -> int:
    """Return the number that base 62 digits name."""
    found = 0
    for digit in digits:
        found = found * 62 + DIGITS.index(digit)
    return found


def checksum(body: str) -> str:
    """Return the six digits that must follow, computed in another way than the program does."""
    rest, found = crc32(body.encode()), ""
    while rest:
        found, rest = DIGITS[rest % 62] + found, rest // 62
    return found.rjust(6, "0")


KEYS = {"password": "password", "token": "token", "hmacKey": "key"}


@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_has_its_key(kind: str) -> None:
    """Applications find the value under the documented key, and no other is there."""
    assert issue(kind).material.keys() == (KEYS[kind],)


@pytest.mark.parametrize("kind", KEYS)
def test_no_two_values_are_alike(kind: str) -> None:
    """A thousand values are a thousand different ones."""
    assert len({value(kind) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_public_tells_nothing_of_the_value(kind: str) -> None:
    """Public facts hold no part of the secret, and the text of the result holds none either."""
    issued = issue(kind, **({"owner": "shop", "metadata": {"a": "b"}} if kind == "token" else {}))
    (only,) = issued.material.reveal().values()
    secret = only.decode().partition(".")[2] if kind == "token" else only.decode()
    shown = repr(issued) + json.dumps(dict(issued.public))
    assert not [secret[at : at + 6] for at in range(len(secret) - 5) if secret[at : at + 6] in shown]


CLASSES = st.lists(st.sampled_from(CharacterClass), min_size=1, unique=True).map(tuple)


@given(CLASSES, st.integers(43, 256), st.text("Il1O0!abcXYZ", max_size=8))
def test_a_password_keeps_its_rules(classes: tuple[CharacterClass, ...], length: int, exclude: str) -> None:
    """It has its length, only allowed characters, none excluded, and at least one of each class."""
    rules: dict[str, Any] = {"length": length, "classes": classes, "exclude": exclude}
    alphabets = Password.model_validate(rules).alphabets()
    text = value("password", **rules)
    assert len(text) == length
    assert set(text) <= set("".join(alphabets)) - set(exclude)
    assert all(set(text) & set(alphabet) for alphabet in alphabets)


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "20 characters of upper, lower and digits have 119 bits": (
        {"length": 20},
        "password.length: 20 characters of these classes give 119 bits, at least 128 are needed",
    ),
    "38 digits have 126 bits": ({"length": 38, "classes": ["Digit"]}, "give 126 bits"),
    "nothing but 0 and 1 of 127": (
        {"length": 127, "classes": ["Digit"], "exclude": "23456789"},
        "give 127 bits",
    ),
    "a class of which nothing is left": (
        {"length": 256, "classes": ["Lower", "Digit"], "exclude": "0123456789"},
        "spec.generate.password.exclude: no character of class Digit is left",
    ),
    "only one character is left in all": (
        {"length": 256, "classes": ["Digit"], "exclude": "012345678"},
        "give 0 bits",
    ),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_a_weak_password_is_refused(situation: str) -> None:
    """Rules that leave less than 128 bits are refused with the field and the figure; a person must act."""
    rules, message = REFUSED[situation]
    with pytest.raises(Rejected, match=re.escape(message)) as caught:
        issue("password", **rules)
    assert caught.value.reason == "InvalidSpec"


ACCEPTED: dict[str, dict[str, object]] = {
    "the default": {},
    "22 characters of upper, lower and digits": {"length": 22},
    "20 characters of all classes": {"length": 20, "classes": ["Upper", "Lower", "Digit", "Symbol"]},
    "39 digits": {"length": 39, "classes": ["Digit"]},
    "129 of two digits": {"length": 129, "classes": ["Digit"], "exclude": "23456789"},
}


@pytest.mark.parametrize("situation", ACCEPTED)
def test_a_strong_password_is_made(situation: str) -> None:
    """Rules that leave 128 bits or a little more are accepted."""
    assert value("password", **ACCEPTED[situation])


@pytest.mark.parametrize("sizes", [(2,), (1, 1), (2, 1), (3, 2), (1, 1, 1), (2, 2, 1)])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_the_count_of_passwords_is_exact(length: int, sizes: tuple[int, ...]) -> None:
    """The formula agrees with counting every text one by one."""
    signs = [(kind, number) for kind, size in enumerate(sizes) for number in range(size)]
    counted = sum(len({kind for kind, _ in text}) == len(sizes) for text in product(signs, repeat=length))
    assert possible_passwords(length, sizes) == counted


def test_every_character_of_a_password_is_equally_likely() -> None:
    """In 200,000 characters of three classes each comes as often as its class and chance allow, at any place.

    The bound is six standard deviations for each of 62 × 2 counts: chance fails it once in four million runs.
    """
    texts = [value("password", length=100) for _ in range(2000)]
    for half in (slice(0, 50), slice(50, 100)):
        counts = Counter("".join(text[half] for text in texts))
        expected = 2000 * 50 / 62
        assert len(counts) == 62
        assert max(abs(count - expected) for count in counts.values()) < 6 * expected**0.5


def test_a_class_of_one_character_always_appears() -> None:
    """Where two passwords in five would have no digit by chance, each of a thousand has one."""
    rules = {"length": 28, "classes": ["Lower", "Digit"], "exclude": "123456789"}
    assert all("0" in value("password", **rules) for _ in range(1000))


def test_a_class_that_must_appear_stands_at_no_special_place() -> None:
    """A class with one character left appears at every place alike, not at the first or the last."""
    rules = {"length": 40, "classes": ["Lower", "Digit"], "exclude": "123456789"}
    places = Counter(place for _ in range(4000) for place, sign in enumerate(value("password", **rules)) if sign == "0")
    assert set(places) == set(range(40))
    expected = sum(places.values()) / 40
    assert max(abs(count - expected) for count in places.values()) < 6 * expected**0.5


TOKENS = st.builds(
    lambda prefix, size: (prefix, size, value("token", prefix=prefix, bytes=size)),
    st.sampled_from(["", "a_", "rk_", "ord_", "abcdefghijklmnop_"]),
    st.integers(32, 512),
)


@given(TOKENS)
def test_a_token_is_recognised(made: tuple[str, int, str]) -> None:
    """It begins with its prefix, has the documented shape, its checksum holds, a scanner finds it in text."""
    prefix, size, token = made
    assert token.startswith(prefix)
    token_id, _, rest = token.removeprefix(prefix).partition(".")
    assert len(token_id) == 22
    assert (len(rest) - 6) * log2(62) >= size * 8 > (len(rest) - 7) * log2(62)
    assert verify_checksum(token)
    assert re.findall(SCANNER_PATTERN, f"curl -H 'Authorization: Bearer {token}' # x.y") == [token]


@given(TOKENS, st.data())
def test_a_changed_token_is_not(made: tuple[str, int, str], data: st.DataObject) -> None:
    """Any one character replaced by another, or two neighbours exchanged, breaks the checksum."""
    token = made[2]
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from(DIGITS).filter(lambda digit: digit != token[place]))
    assert not verify_checksum(token[:place] + other + token[place + 1 :])
    exchanged = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert verify_checksum(exchanged) is (exchanged == token)


def test_a_checksum_alone_makes_no_token() -> None:
    """A text of another shape is no token, although a checksum that fits stands at its end."""
    for body in ("short", "rk_" + "0" * 22 + "." + "0" * 42, "RK_" + "0" * 22 + "." + "0" * 43):
        assert not verify_checksum(body + checksum(body))
    body = "rk_" + "0" * 22 + "." + "0" * 43
    assert verify_checksum(body + checksum(body))


@pytest.mark.parametrize("text", ["", ".", "rk_", "rk_abc.def", "ghp_" + "a" * 36, "é" * 80])
def test_other_texts_are_no_tokens(text: str) -> None:
    """Texts of other shapes are told apart without an error."""
    assert not verify_checksum(text)


def test_known_tokens_keep_their_checksum() -> None:
    """Tokens made once are recognised for ever: the format is API."""
    body = "rk_0000000000000000000000.0000000000000000000000000000000000000000000"
    assert verify_checksum(body + "3TQrVI")
    assert not verify_checksum(body + "000000")


def test_the_record_of_a_token() -> None:
    """The id in the record is the one in the token; owner and metadata stand beside it, only where given."""
    issued = issue("token", prefix="ord_", owner="team-shop", metadata={"b": "2", "a": "1"})
    token = issued.material.reveal()["token"].decode()
    assert issued.public == {
        "token-id": token.removeprefix("ord_").partition(".")[0],
        "owner": "team-shop",
        "metadata": '{"a":"1","b":"2"}',
    }
    assert issue("token").public.keys() == {"token-id"}


@pytest.mark.parametrize("size", [32, 64, 128])
def test_an_hmac_key_has_its_length_in_each_encoding(size: int) -> None:
    """Raw, hex and base64 decode to as many bytes as were asked for."""
    made = {
        encoding: issue("hmacKey", bytes=size, encoding=encoding).material.reveal()["key"]
        for encoding in ("Raw", "Hex", "Base64")
    }
    assert len(made["Raw"]) == size
    assert len(bytes.fromhex(made["Hex"].decode())) == size
    assert made["Hex"] == made["Hex"].lower()
    assert len(base64.b64decode(made["Base64"], validate=True)) == size


def hmac_bits() -> int:
    """Return the bits of a new key."""
    return int.from_bytes(issue("hmacKey", encoding="Raw").material.reveal()["key"])


def id_bits() -> int:
    """Return the bits of a new token's id."""
    return number(issue("token").public["token-id"])


def secret_bits() -> int:
    """Return the bits of a new token's secret."""
    return number(value("token").partition(".")[2][:-6])


BITS = {
    "an HMAC key": (256, hmac_bits),
    "a token's id": (128, id_bits),
    "a token's secret": (256, secret_bits),
}


@pytest.mark.parametrize("what", BITS)
def test_every_bit_is_drawn(what: str) -> None:
    """Over 4,000 values each bit is set in about half of them: within six standard deviations."""
    size, draw = BITS[what]
    drawn = [draw() for _ in range(4000)]
    counts = [sum(bits >> place & 1 for bits in drawn) for place in range(size)]
    assert max(abs(count - 2000) for count in counts) < 6 * 1000**0.5
    assert max(drawn) < 2**size


def test_no_kind_is_refused() -> None:
    """A spec without a kind, which admission refuses, is refused here too and makes nothing."""
    with pytest.raises(Rejected, match=r"spec\.generate"):
        LOOP.run_until_complete(GENERATED.issue(Order(Generate(), NOW)))
