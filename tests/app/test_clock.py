"""The operator's time is the API server's: its `Date` is heard, and carried on by a clock that nobody sets."""

import ast
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

import rekey
from rekey.app.clock import ServerClock

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HEARD: dict[str, tuple[list[tuple[float, timedelta]], float, timedelta]] = {
    "it goes on by itself": ([(0, 0 * SECOND)], 5, 5 * SECOND),
    "a later instant is taken": ([(0, 0 * SECOND), (1, 3 * SECOND)], 2, 4 * SECOND),
    "a slow answer takes nothing back": ([(0, 0 * SECOND), (20, 1 * SECOND)], 20, 20 * SECOND),
    "the server's clock is set back": ([(0, 0 * SECOND), (1, -3600 * SECOND)], 1, -3600 * SECOND),
    "the server's clock is set ahead": ([(0, 0 * SECOND), (1, 3600 * SECOND)], 1, 3600 * SECOND),
}


@pytest.mark.parametrize("title", HEARD)
def test_the_servers_time_is_told(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers at moments of the steady clock, the moment of the question, and what time it is then after noon."""
    answers, asked, after_noon = HEARD[title]
    steady, heard = [0.0], ServerClock()
    monkeypatch.setattr("rekey.app.clock.ticks", lambda: steady[0])
    for at, told in answers:
        steady[0] = at
        heard.hear(format_datetime(NOON + told, usegmt=True))
    steady[0] = asked
    assert heard.now() == NOON + after_noon


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_what_is_no_date_changes_nothing(date: str) -> None:
    """Until an instant is heard the machine's clock counts."""
    heard = ServerClock()
    heard.hear(date)
    assert abs(heard.now() - datetime.now(UTC)) < timedelta(minutes=1)


MACHINES_OWN = {
    "app/authorize.py": "a person's browser waits for some minutes of this machine",
    "app/cli.py": "`rekey plan` may be asked about a file, without an API server",
    "app/electing.py": "what a Lease says of time is compared for equality only",
    "app/publish/running.py": "a certificate of our own is looked at when its file is another one",
    "app/scope.py": "which credentials are looked at first when a term begins",
    "app/sharding.py": "which credentials are looked at first when a shard becomes ours",
    "app/wiring.py": "the turns at which Secrets are compared: by which clock is all the same",
}


def test_nothing_else_goes_by_the_machines_clock() -> None:
    """Whoever compares with instants of the API server, or waits for what another part names, must go by its clock."""
    (root,) = (Path(place) for place in rekey.__path__)
    found = [str(path.relative_to(root)) for path in sorted(root.rglob("*.py")) for _ in _machines(path)]
    assert found == sorted(MACHINES_OWN)


def _machines(path: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "SystemClock"]
