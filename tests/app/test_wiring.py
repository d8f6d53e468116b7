"""What the parts of the operator are given when they are put together; nothing is asked of any API server."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rekey.app import contact
from rekey.app.settings import Settings, read
from rekey.app.wiring import Operator, wired
from rekey.kube.config import Access

NOWHERE = Access(server="http://127.0.0.1:1", tls=None, login=None, namespace="rekey-system")
LATER = timedelta(hours=1)


def put_together(settings: Settings, look: Callable[[Operator], None]) -> None:
    """Look at an operator that was put together and not started."""

    async def play() -> None:
        async with wired(settings, NOWHERE) as operator:
            look(operator)

    asyncio.run(play())


DEADLINES = {
    "as shipped, with time to spare": ({}, timedelta(seconds=8)),
    "a quick Lease": ({"REKEY_LEASE_RENEW_DEADLINE": "5s"}, timedelta(seconds=5)),
    "a slow Lease": ({"REKEY_LEASE_RENEW_DEADLINE": "20s", "REKEY_LEASE_DURATION": "30s"}, timedelta(seconds=8)),
}


@pytest.mark.parametrize("title", DEADLINES)
def test_no_intent_is_older_than_a_renewal_lasts(title: str) -> None:
    """What is done at a backend follows an intent that the same leader wrote: by then no other can have acted."""
    variables, oldest = DEADLINES[title]
    found: list[timedelta] = []
    put_together(read({}, variables), lambda operator: found.append(operator.engine.timing.intent))
    assert found == [oldest]


def test_the_engine_goes_by_the_servers_clock() -> None:
    """An answer that is dated later is heard: this machine is an hour behind."""
    found: list[timedelta] = []

    def look(operator: Operator) -> None:
        operator.client.dated(format_datetime(datetime.now(UTC) + LATER, usegmt=True))
        found.append(operator.engine.ports.clock.now() - datetime.now(UTC))

    put_together(read({}, {}), look)
    assert abs(found[0] - LATER) < timedelta(minutes=1)


def test_the_engine_is_told_that_the_api_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollouts that could not get on meanwhile are judged from then on."""
    monkeypatch.setattr(contact, "PATIENCE", 0.0)

    def look(operator: Operator) -> None:
        operator.preflight.contact.missed()
        operator.preflight.contact.missed()
        assert operator.engine.answering is None
        operator.preflight.contact.heard()
        assert operator.engine.answering is not None

    put_together(read({}, {}), look)
