"""A data key is overwritten when its use ends, and nothing makes text or data of it."""

import copy
import json
import logging
import pickle
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from rekey.core.data_key import LENGTH, DataKey
from tests.e2e import leaks

VALUE = b"0123456789abcdef-a-data-key-32-b"


def logged(key: DataKey) -> str:
    """Log it."""
    stream = StringIO()
    logger, handler = logging.getLogger("rekey.tests.data_key"), logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.warning("%s %r", key, {"key": key})
    logger.removeHandler(handler)
    return stream.getvalue()


TEXTS: dict[str, Callable[[DataKey], object]] = {
    "repr": repr,
    "an f-string": lambda key: f"{key} {key!r} {key!s}",
    "logging": logged,
    "json with default=str": lambda key: json.dumps(key, default=str),
    "dir": dir,
}

REFUSED: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "a copy": copy.copy,
    "a deep copy": copy.deepcopy,
    "json": json.dumps,
    "bytes()": bytes,
    "hash()": hash,
    "vars()": vars,
}


@pytest.mark.parametrize("way", TEXTS)
def test_text_never_shows_a_byte(way: str) -> None:
    """Each way of making text of a data key shows no form of it."""
    assert leaks.find({way: str(TEXTS[way](DataKey(bytearray(VALUE))))}, [VALUE]) == []


@pytest.mark.parametrize("way", REFUSED)
def test_data_is_refused(way: str) -> None:
    """Each way of making data of a data key, or a second one of it, fails."""
    with pytest.raises(TypeError):
        REFUSED[way](DataKey(bytearray(VALUE)))


def test_it_is_overwritten_when_its_use_ends() -> None:
    """After the `with` the very bytes that were used are zero."""
    with DataKey(bytearray(VALUE)) as key:
        used = key.reveal()
        assert used == VALUE
    assert used == bytes(LENGTH)


def test_it_is_overwritten_when_its_use_fails() -> None:
    """An error in the `with` spares nothing."""
    key = DataKey.fresh()
    used = key.reveal()
    with pytest.raises(KeyError), key:
        raise KeyError
    assert used == bytes(LENGTH)


def test_it_is_of_no_use_after_that() -> None:
    """It refuses, so that nothing is ever encrypted by a key of zeros."""
    with DataKey.fresh() as key:
        assert key.reveal()
    with pytest.raises(ValueError, match="used once"):
        key.reveal()


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_another_length_is_refused(length: int) -> None:
    """Only AES-256 is used."""
    with pytest.raises(ValueError, match=f"32 bytes, not {length}$"):
        DataKey(bytearray(length))
