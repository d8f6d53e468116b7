"""What the port `TellsUse` promises, as a suite: AWS' adapter and the backend in memory pass it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rekey.core.reasons import Reason
from rekey.errors import NotAccepted, Rejected, Retryable
from rekey.ports.backend import Backend, Held, TellsUse
from tests.sim.conformance_of_backends import Bench, Play

CLOCKS = timedelta(seconds=2)
"""By how much a backend's clock may differ, and round."""


class TellingConformance:
    """The port `TellsUse`, where the backend knows when its versions were last used."""

    def test_last_used(self, play: Play) -> None:
        """Never, until it is used; then when that was, without its value too, and nothing of the other version."""

        async def scene(bench: Bench) -> None:
            one, other = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
            assert await last_used(bench, one) is None
            before = datetime.now(UTC) - CLOCKS
            await bench.backend.prove(one)
            found = await last_used(bench, replace(one, material=None))
            assert found is not None
            assert before <= found <= datetime.now(UTC) + CLOCKS
            assert await last_used(bench, other) is None

        play(scene)

    def test_last_used_what_is_gone(self, play: Play) -> None:
        """Nobody can use what is not there."""

        async def scene(bench: Bench) -> None:
            one, _ = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
            await bench.backend.revoke(one)
            with pytest.raises(NotAccepted):
                await last_used(bench, one)

        play(scene)

    def test_last_used_where_nobody_tells(self, play: Play) -> None:
        """A backend that is away, or does not let us in, has not said that nobody used it."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            with pytest.raises(Retryable):
                await last_used(bench, one, bench.away())
            with pytest.raises(Rejected) as refused:
                await last_used(bench, one, bench.locked_out())
            assert refused.value.reason == Reason.NEEDS_REAUTH

        play(scene)


async def last_used(bench: Bench, held: Held, backend: Backend | None = None) -> datetime | None:
    """Ask the bench's backend, or that one, when the version was last used."""
    asked = backend or bench.backend
    assert isinstance(asked, TellsUse)
    assert asked.traits.tells_use
    return await asked.last_used(held)
