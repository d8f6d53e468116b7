"""Logs: fixed sentences, a closed list of fields, and nothing that may be a secret."""

import io
import json
import logging
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest

from rekey.app import logs
from rekey.app.settings import LogFormat, LogLevel
from rekey.errors import Retryable

SECRET = "ord_7mUoSXhAqV0cY3bNfT9kLw.Zx1QpR8sEw5HgJ2kMn4vBt6yUi0oPaSdFgHjKlZxCvBnM"
FORMS = [SECRET, b64encode(SECRET.encode()).decode(), SECRET.encode().hex()]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Log as JSON into a buffer, and put logging back as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in logs.LIBRARIES}
    buffer = io.StringIO()
    monkeypatch.setattr(sys, "stderr", buffer)
    logs.start(LogLevel.DEBUG, LogFormat.JSON)
    yield buffer
    root.handlers[:], root.level, logging.raiseExceptions = before
    logging.captureWarnings(capture=False)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(buffer: io.StringIO) -> list[dict[str, object]]:
    """Return what was logged."""
    return [json.loads(line) for line in buffer.getvalue().splitlines()]


def planted(text: str) -> None:
    """Raise an error that quotes what it was given."""
    raise ValueError(f"cannot use {text!r}")


def by_error(logger: str) -> None:
    """Log an error that quotes the value."""
    try:
        planted(SECRET)
    except ValueError:
        logging.getLogger(logger).exception("it failed")


def by_argument(logger: str) -> None:
    """Log a library's message with every form of the value as an argument."""
    for form in FORMS:
        logging.getLogger(logger).warning("request with body %s failed", form)


def by_field(logger: str) -> None:
    """Log the value in a field that is not in the list."""
    logging.getLogger(logger).warning("a request", extra={"body": SECRET, "material": SECRET})


def by_further_line(logger: str) -> None:
    """Log the value in the second line of a message, as asyncio does."""
    logging.getLogger(logger).error("Task exception was never retrieved\nfuture: <Task exception=%r>", SECRET)


LEAKS: dict[str, tuple[Callable[[str], None], str]] = {
    "an error of ours that quotes": (by_error, "rekey.app.workers"),
    "an error of kopf that quotes": (by_error, "kopf.objects"),
    "an argument of aiohttp": (by_argument, "aiohttp.client"),
    "a field that is not in the list": (by_field, "rekey.app.workers"),
    "the report of asyncio": (by_further_line, "asyncio"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_no_value_gets_into_the_log(name: str, written: io.StringIO) -> None:
    """Something is logged, and no form of the value is in it."""
    leak, logger = LEAKS[name]
    leak(logger)
    text = written.getvalue()
    assert text.strip()
    assert not [form for form in FORMS if form in text]
    assert SECRET.partition(".")[2] not in text


def test_a_leak_would_be_found(written: io.StringIO) -> None:
    """The search above does find a value that is logged as a plain message of ours: it can fail."""
    logging.getLogger("rekey.app").warning(SECRET)
    assert SECRET in written.getvalue()


def test_our_own_errors_speak(written: io.StringIO) -> None:
    """The message of an error of ours is safe by construction and is shown, as are the listed fields."""
    error = Retryable("get secrets in namespace shop: failed (503)")
    logging.getLogger("rekey.app").warning("again", exc_info=error, extra={"credential": "shop/orders", "seconds": 2})
    (line,) = lines(written)
    assert line["error"] == "Retryable: get secrets in namespace shop: failed (503)"
    assert (line["credential"], line["seconds"], line["level"]) == ("shop/orders", 2, "warning")


def test_of_other_errors_the_type_and_our_places_are_shown() -> None:
    """An unforeseen error is told by its type and the places in our code it passed through."""
    with pytest.raises(TypeError) as caught:
        logs.fields(None)  # type: ignore[arg-type]  # the mistake is the point
    text = logs.describe(caught.value)
    assert text.startswith("TypeError at app/logs.py:")
    assert text.endswith(" fields")


@pytest.mark.parametrize("library", logs.LIBRARIES)
def test_libraries_are_heard_from_warning_on(library: str, written: io.StringIO) -> None:
    """Whatever our level is, chatter of libraries (which may show requests) is not logged."""
    logging.getLogger(f"{library}.x").info("chatter")
    logging.getLogger(f"{library}.x").warning("trouble")
    assert [line["message"] for line in lines(written)] == ["trouble"]


def test_text_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text form has time, level, sentence and fields in one line."""
    record = logging.LogRecord("rekey", logging.INFO, "", 0, "working", None, None)
    record.workers = 32
    record.created = 1_790_000_000.5
    logs.Plain().filter(record)
    assert logs.Text().format(record) == "14:13:20.500 info    working workers=32"


RETRIES: dict[str, tuple[str, bool]] = {
    "the first try met a server that starts": (
        "#1 failed; will retry: GET u -> APITooManyRequestsError('starting')",
        False,
    ),
    "no answer, however often": ("#40 failed; will retry: GET u -> ClientConnectorError('refused')", False),
    "a refusal, time and again": ("#4 failed; will retry: GET u -> APIForbiddenError('no')", True),
    "giving up": ("#1 failed; escalating: GET u -> APIServerError('no')", True),
}


@pytest.mark.parametrize("name", RETRIES)
def test_that_kopf_tries_again_is_no_error_yet(name: str, written: io.StringIO) -> None:
    """What passes by itself, or is said by others, is logged at debug only."""
    text, is_said = RETRIES[name]
    for level, expected in ((logging.INFO, is_said), (logging.DEBUG, True)):
        logging.getLogger().setLevel(level)
        logging.getLogger("kopf.x").error("Request attempt %s", text)
        assert bool(lines(written)) is expected
        written.truncate(0)
        written.seek(0)
