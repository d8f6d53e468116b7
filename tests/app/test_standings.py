"""How providers are is written when it changes, and what cannot be written is let go; and the figures of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from rekey.app.metrics_of_providers import MOST, ProviderGauges
from rekey.app.standings import Standings
from rekey.core.provider_health import Health, Provider
from rekey.core.rate import Rate
from rekey.core.reasons import ProviderWhy
from rekey.errors import Conflict, Forbidden, NoAnswer, NotFound, NotLeading, RekeyError

IDP = Provider("orders", "idp", "uid-1", 1)
WELL, DOWN = Health(ProviderWhy.ANSWERS), Health(ProviderWhy.BACKEND_UNREACHABLE, "away")


@dataclass
class Written:
    """What was written, with an error for the next writes."""

    said: list[tuple[str, ProviderWhy]] = field(default_factory=list)
    errors: list[RekeyError] = field(default_factory=list)

    async def write(self, provider: Provider, health: Health) -> None:
        """Note it."""
        self.said.append((provider.uid, health.why))
        if self.errors:
            raise self.errors.pop(0)


def play(scene: Callable[[Standings, Written], Coroutine[Any, Any, None]], every: float = 0.0) -> Written:
    """Play a scene while it is written; return what was."""

    async def played() -> Written:
        standings, written = Standings(every), Written()
        task = asyncio.create_task(standings.run(written))
        await scene(standings, written)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return written

    return asyncio.run(played())


async def turns() -> None:
    """Let what is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_changes_is_written_once() -> None:
    """However often it is told."""

    async def scene(standings: Standings, _: Written) -> None:
        for health in (WELL, WELL, DOWN, DOWN, Health(DOWN.why, "other words"), WELL):
            standings.tell(IDP, health)
            await turns()

    assert [why for _, why in play(scene).said] == [WELL.why, DOWN.why, WELL.why]


def test_between_two_writes_the_last_counts() -> None:
    """What comes meanwhile waits; what is as it was written by then is not written."""

    async def scene(standings: Standings, written: Written) -> None:
        standings.tell(IDP, WELL)
        await turns()
        for health in (DOWN, WELL, DOWN):
            standings.tell(IDP, health)
            await turns()
        assert len(written.said) == 1
        standings.tell(IDP, WELL)
        standings.tell(Provider("", "idp", "uid-2", 1), DOWN)
        await turns()

    assert play(scene, every=3600.0).said == [("uid-1", WELL.why)]


@pytest.mark.parametrize(
    "error", [NotLeading(""), Conflict(""), NoAnswer(""), NotFound(""), Forbidden("patch", "x")], ids=repr
)
def test_what_cannot_be_written_is_let_go(error: RekeyError) -> None:
    """It ends nothing, others are written, and the next call tells it again."""

    async def scene(standings: Standings, written: Written) -> None:
        written.errors.append(error)
        standings.tell(IDP, WELL)
        standings.tell(Provider("", "idp", "uid-2", 1), DOWN)
        await turns()
        assert len(written.said) == 2
        standings.tell(IDP, WELL)
        await turns()
        standings.tell(IDP, WELL)
        await turns()

    assert play(scene).said == [("uid-1", WELL.why), ("uid-2", DOWN.why), ("uid-1", WELL.why)]


def test_what_may_have_been_written_is_written_again() -> None:
    """An answer was lost, and by then it is as it was before: the status may say otherwise."""

    async def scene(standings: Standings, written: Written) -> None:
        for health, error in ((WELL, None), (DOWN, NoAnswer("")), (WELL, None)):
            written.errors = [error] if error is not None else []
            standings.tell(IDP, health)
            await turns()

    assert [why for _, why in play(scene).said] == [WELL.why, DOWN.why, WELL.why]


def figures(known: dict[str, tuple[Provider, Health]]) -> str:
    """Return what is given at /metrics."""
    registry = CollectorRegistry()
    registry.register(ProviderGauges(known))
    return generate_latest(registry).decode()


def test_the_figures() -> None:
    """Providers are counted by how they are; limits are given as they were told, of those that have the least left."""
    rate = Rate(100, 7, None)
    text = figures({"a": (IDP, Health(ProviderWhy.ANSWERS, rate=rate)), "b": (IDP, DOWN)})
    assert 'rekey_providers{reason="Answers"} 1.0' in text
    assert 'rekey_providers{reason="BackendUnreachable"} 1.0' in text
    assert 'rekey_providers{reason="RateLimited"} 0.0' in text
    assert 'rekey_provider_limit{namespace="orders",provider="idp"} 100.0' in text
    assert 'rekey_provider_remaining{namespace="orders",provider="idp"} 7.0' in text
    assert "rekey_provider_reset_timestamp_seconds{" not in text
    many = {
        f"{number}": (Provider("", f"p-{number}", "", 1), Health(ProviderWhy.ANSWERS, rate=Rate(1000, number, None)))
        for number in range(2 * MOST)
    }
    text = figures(many)
    assert text.count("rekey_provider_remaining{") == MOST
    assert 'provider="p-0"' in text
    assert f'provider="p-{MOST}"' not in text
