"""Nothing turns a Material into text or data that holds its bytes, except reveal()."""

import base64
import copy
import io
import json
import logging
import pickle
import pprint
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from typing import Any

import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from rekey.core.material import Material

VALUE = b"s3cr3t-v4lue\x00\xff-that-nobody-sees"
MATERIAL = Material({"token": VALUE, "password": VALUE[::-1]})


@dataclass(frozen=True)
class Holder:
    """A dataclass that carries a material."""

    material: Material


class Model(pydantic.BaseModel):
    """A pydantic model that carries a material."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    material: Material


def logged(material: Material) -> str:
    """Log it in every way people log things."""
    stream = io.StringIO()
    logger = logging.getLogger("rekey.tests.material")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.warning("%s", material)
    logger.warning("%r", material)
    logger.warning({"material": material})
    logger.removeHandler(handler)
    return stream.getvalue()


def traced(material: Material) -> str:
    """Fail with it in a local variable and print the traceback with its locals."""
    try:
        held = material
        assert held is None
    except AssertionError:
        kind, error, trace = sys.exc_info()
        assert kind is not None
        assert error is not None
        assert trace is not None
        plain = "".join(traceback.TracebackException(kind, error, trace, capture_locals=True).format())
        drawn = io.StringIO()
        console = Console(file=drawn, width=200)
        console.print(Traceback.from_exception(kind, error, trace, show_locals=True))
        return plain + drawn.getvalue()
    raise AssertionError("unreachable")


def pydantic_error(material: Material) -> str:
    """Give it to a model that wants something else."""
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(int).validate_python(material)
    return str(caught.value)


TEXTS: dict[str, Callable[[Material], object]] = {
    "repr": repr,
    "str": str,
    "an f-string": lambda m: f"{m} {m!r} {m!s} {m:>80}",
    "percent formatting": lambda m: "%s %r" % (m, m),  # noqa: UP031  # the old way is the point
    "str.format": "{0} {0!r} {0:<90}".format,
    "pprint": lambda m: pprint.pformat({"material": m}),
    "rich": lambda m: pretty_repr([m]),
    "logging": logged,
    "a traceback with locals": traced,
    "a copy": copy.copy,
    "a deep copy": lambda m: copy.deepcopy([m]),
    "dataclasses.asdict": lambda m: asdict(Holder(m)),
    "dataclasses.astuple": lambda m: astuple(Holder(m)),
    "the repr of a dataclass": Holder,
    "the repr of a pydantic model": lambda m: Model(material=m),
    "a pydantic dump": lambda m: Model(material=m).model_dump(),
    "a pydantic validation error": pydantic_error,
    "json with default=str": lambda m: json.dumps(m, default=str),
    "orjson with default=repr": lambda m: orjson.dumps(m, default=repr),
    "dir": dir,
    "its keys": lambda m: m.keys(),
}

REFUSED: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "every protocol of pickle": lambda m: [pickle.dumps(m, protocol) for protocol in range(6)],
    "__getstate__": lambda m: m.__getstate__(),
    "__reduce__": lambda m: m.__reduce__(),
    "json": json.dumps,
    "orjson": orjson.dumps,
    "a pydantic JSON dump": lambda m: Model(material=m).model_dump_json(),
    "bytes()": bytes,
    "dict()": dict,
    "iteration": list,
    "vars()": vars,
    "hash()": hash,
    "a set": lambda m: {m},
}


def forms(value: bytes) -> list[str]:
    """Return the value as it would look in a text: raw, escaped, base64, hex; and a piece of each."""
    raw = value.decode("latin-1")
    whole = [raw, repr(value)[2:-1], base64.b64encode(value).decode(), value.hex()]
    return [piece for form in whole for piece in (form, form[:8])]


@pytest.mark.parametrize("way", TEXTS)
def test_text_never_shows_a_byte(way: str) -> None:
    """Each way of making text of a material shows no form of a value."""
    shown = TEXTS[way](MATERIAL)
    text = shown if isinstance(shown, str) else repr(shown)
    for value in MATERIAL.reveal().values():
        assert not [form for form in forms(value) if form in text]


@pytest.mark.parametrize("way", REFUSED)
def test_data_is_refused(way: str) -> None:
    """Each way of making data of a material fails, and its message shows no form of a value."""
    with pytest.raises((TypeError, pydantic.PydanticUserError, ValueError)) as caught:
        REFUSED[way](MATERIAL)
    text = "".join(traceback.format_exception(caught.value))
    assert not [form for form in forms(VALUE) if form in text]


def test_the_search_would_find_a_leak() -> None:
    """The test's own search finds a value in each of its forms (or the tests above prove nothing)."""
    for leak in (repr(VALUE), VALUE.hex(), base64.b64encode(VALUE).decode(), VALUE.decode("latin-1")):
        assert [form for form in forms(VALUE) if form in f"... {leak} ..."]


def test_the_repr_names_the_keys_and_depends_on_nothing_else() -> None:
    """Two materials with the same keys look the same."""
    assert repr(Material({"token": b"a", "id": b"b"})) == "Material(<id, token>)"
    assert repr(Material({"id": b"xxxxxxxx", "token": b""})) == "Material(<id, token>)"


def test_reveal_gives_exactly_what_was_put_in_and_cannot_be_written() -> None:
    """The one exit is exact, and read-only."""
    given_values = {"token": VALUE}
    material = Material(given_values)
    given_values["token"] = b"changed later"
    revealed: Any = material.reveal()
    assert revealed == {"token": VALUE}
    with pytest.raises(TypeError):
        revealed["token"] = b"other"


def test_a_material_never_changes() -> None:
    """No attribute can be set or deleted, the hidden one included."""
    for name in ("anything", "_Material__values"):
        with pytest.raises(AttributeError):
            setattr(MATERIAL, name, {})
        with pytest.raises(AttributeError):
            delattr(MATERIAL, name)


def test_a_value_that_is_not_bytes_is_refused_without_being_shown() -> None:
    """Text instead of bytes is a mistake whose message names the key and the type only."""
    with pytest.raises(TypeError, match=r"^the value of 'token' must be bytes, not str$"):
        Material({"token": "plain"})  # type: ignore[dict-item]  # the mistake


UNEQUAL = {
    "another value": Material({"token": b"b"}),
    "another key": Material({"password": b"a"}),
    "one key more": Material({"token": b"a", "id": b""}),
    "a longer value": Material({"token": b"aa"}),
    "a mapping with the same content": {"token": b"a"},
    "nothing": None,
}


@pytest.mark.parametrize("other", UNEQUAL)
def test_a_material_differs_from(other: str) -> None:
    """Equality looks at every key and value."""
    assert Material({"token": b"a"}) != UNEQUAL[other]


@given(st.dictionaries(st.text(min_size=1), st.binary()), st.dictionaries(st.text(min_size=1), st.binary()))
def test_equality_is_that_of_the_values(one: dict[str, bytes], two: dict[str, bytes]) -> None:
    """Materials are equal exactly when what was put in is equal."""
    assert (Material(one) == Material(two)) == (one == two)
    assert Material(one) == Material(dict(reversed(one.items())))


def test_equality_compares_every_value_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference in the first value does not spare the comparison of the others."""
    compared: list[bytes] = []

    def compare(one: bytes, two: bytes) -> bool:
        compared.append(one)
        return one == two

    monkeypatch.setattr("rekey.core.material.compare_digest", compare)
    assert Material({"a": b"1", "b": b"2", "c": b"3"}) != Material({"a": b"x", "b": b"2", "c": b"3"})
    assert compared == [b"1", b"2", b"3"]
