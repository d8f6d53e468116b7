"""What the port `Meter` promises, as a suite: the adapter with a real server and the simulated metrics pass it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rekey.core.usage import Reading
from rekey.ports.meter import Meter, Query
from tests.sim.conformance_of_probers import FORBIDDEN

EXPRESSION = 'sum(increase(uses{credential="orders/api",version="7"}[30m])) > 0 or a+b&c%20'


class Office(ABC):
    """A server of metrics in the namespace `orders`, and a meter that may ask it."""

    meter: Meter
    url: str

    @abstractmethod
    def answers(self, *samples: float, partial: bool = False) -> None:
        """Let it answer so from now on."""

    @abstractmethod
    def away(self) -> None:
        """Let nobody listen."""

    @abstractmethod
    def asked(self) -> list[str]:
        """Return the expressions that it was asked."""

    async def ask(self, url: str = "", expression: str = EXPRESSION, **more: Any) -> Reading:
        """Ask it, or what is at another URL."""
        return await self.meter.read(Query("orders", url or self.url, expression, **{"seconds": 10.0, **more}))


Call = Callable[[Callable[[Office], Coroutine[Any, Any, None]]], None]
"""What the fixture `call` gives: it opens a fresh office, plays the scene at it, and closes it."""


class MeterConformance:
    """The port `Meter`."""

    @pytest.mark.parametrize("samples", [(), (0.0,), (3.0, 0.5), (float("inf"),)], ids=str)
    @pytest.mark.parametrize("partial", [False, True])
    def test_the_samples_are_returned(self, call: Call, samples: tuple[float, ...], *, partial: bool) -> None:
        """As they are, after one question, which arrives as it was put."""

        async def scene(office: Office) -> None:
            office.answers(*samples, partial=partial)
            assert await office.ask() == Reading(samples, partial=partial)
            assert office.asked() == [EXPRESSION]

        call(scene)

    def test_no_answer_is_kept(self, call: Call) -> None:
        """What is said a moment later is another answer."""

        async def scene(office: Office) -> None:
            office.answers(1.0)
            await office.ask()
            office.answers()
            assert await office.ask() == Reading(())

        call(scene)

    def test_nobody_listens(self, call: Call) -> None:
        """It is said in words."""

        async def scene(office: Office) -> None:
            office.away()
            reading = await office.ask()
            assert reading.samples is None
            assert reading.trouble

        call(scene)

    @pytest.mark.parametrize("case", FORBIDDEN)
    def test_nothing_is_sent_where_it_is_not_allowed(self, call: Call, case: str) -> None:
        """The way out is said; the server saw nothing."""

        async def scene(office: Office) -> None:
            office.answers()
            reading = await office.ask(FORBIDDEN[case])
            assert reading.samples is None
            assert "REKEY_PROBE_ALLOWED" in reading.trouble
            assert office.asked() == []

        call(scene)
