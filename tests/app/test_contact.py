"""An API server that does not answer is said once, and once more when it does again."""

import asyncio
import logging

import pytest

from rekey.app.contact import PATIENCE, Contact
from rekey.errors import NoAnswer, RekeyError
from tests.app.bench import KEY, Bench
from tests.app.credentials import manifest
from tests.app.eventually import eventually

AWAY = "the API server does not answer; everything waits"
BACK = "the API server answers again"
STORIES: dict[str, tuple[list[tuple[float, int]], list[str]]] = {
    "it always answers": ([(0, 200), (9, 404), (20, 200)], []),
    "one request fails": ([(0, 0), (1, 200), (9, 0)], []),
    "several fail in a moment": ([(0, 0), (1, 0), (2, 0)], []),
    "nothing is answered for a while": ([(0, 0), (PATIENCE, 0), (9, 0)], [AWAY]),
    "it answers again, be it a refusal": ([(0, 0), (PATIENCE, 0), (9, 403), (10, 200)], [AWAY, BACK]),
    "it is away twice": ([(0, 0), (6, 0), (7, 200), (8, 0), (14, 0)], [AWAY, BACK, AWAY]),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_state_is_said_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """These answers (0: none) at these seconds make these lines; the probe says what holds at the end."""
    story, lines = STORIES[name]
    now = 0.0
    contact = Contact(lambda: now)
    passed: list[int] = []
    told: list[str] = []
    contact.tell = lambda: told.append(BACK)
    observe = contact.beside(lambda _verb, _resource, code: passed.append(code))
    with caplog.at_level(logging.INFO):
        for now, code in story:  # noqa: B007  the clock reads it
            observe("get", "secrets", code)
    assert [record.message for record in caplog.records] == lines
    assert passed == [code for _, code in story]
    assert told == [line for line in lines if line == BACK]
    assert (contact.trouble() is not None) == (lines[-1:] == [AWAY])


LEVELS: dict[str, tuple[bool, RekeyError, int]] = {
    "it is known to be away": (True, NoAnswer("no answer"), logging.DEBUG),
    "one request had no answer": (False, NoAnswer("no answer"), logging.INFO),
}


@pytest.mark.parametrize("name", LEVELS)
def test_a_credential_is_silent_while_the_server_is_known_to_be_away(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was said for all is said of each credential at debug only."""
    is_lost, error, level = LEVELS[name]

    async def play() -> None:
        async def fail(bench: Bench, _: object) -> object:
            raise error

        bench = Bench(fail)  # type: ignore[arg-type]  # it never returns
        bench.is_lost = is_lost
        bench.workers.start(1)
        bench.hear(manifest(KEY.name))
        await eventually(lambda: bool(bench.failures))
        await bench.quiet()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(play())
    (line,) = [record for record in caplog.records if "tried again" in record.message]
    assert line.levelno == level
