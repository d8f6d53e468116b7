"""What the port `Prober` promises, as a suite: the adapter with a real server and the simulated service pass it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.probing import Reply
from rekey.ports.prober import Prober, Question

VALUE = b"Bearer canary-0123456789abcdef"


class Desk(ABC):
    """A service of the namespace `orders`, and a prober that may ask it."""

    prober: Prober
    url: str

    @abstractmethod
    def answers(self, status: int | None) -> None:
        """Let it answer so from now on, who shows it `VALUE`, and 401 anybody else; None: let nobody listen."""

    @abstractmethod
    def shown(self) -> list[bytes]:
        """Return the values that it was shown."""

    async def ask(self, url: str = "", value: bytes = VALUE, header: str = "Authorization", **more: Any) -> Reply:
        """Ask it, or what is at another URL."""
        sealed = Material({header: value})
        return await self.prober.ask(Question("orders", url or self.url, sealed, **{"seconds": 10.0, **more}))


Visit = Callable[[Callable[[Desk], Coroutine[Any, Any, None]]], None]
"""What the fixture `visit` gives: it opens a fresh desk, plays the scene at it, and closes it."""

FORBIDDEN = {
    "a host that nobody allowed": "https://elsewhere.example.com/",
    "a service of another namespace": "https://till.other.svc/",
    "the API server": "https://kubernetes.default.svc/",
    "a name that only looks like ours": "https://till.orders.svc.example.com/",
    "a service that is no name of ours alone": "https://a.till.orders.svc/",
    "a bare name": "https://till/",
    "an address": "https://10.0.0.1/",
    "anything without TLS": "http://elsewhere.example.com/",
}


class ProberConformance:
    """The port `Prober`."""

    @pytest.mark.parametrize("status", [200, 204, 302, 403, 404, 429, 500, 503])
    def test_the_status_is_returned(self, visit: Visit, status: int) -> None:
        """Whatever the service answers is returned as it is, and it is asked once."""

        async def scene(desk: Desk) -> None:
            desk.answers(status)
            assert await desk.ask() == Reply(status)
            assert desk.shown() == [VALUE]

        visit(scene)

    def test_another_value_is_refused(self, visit: Visit) -> None:
        """The service sees the value that it is to judge."""

        async def scene(desk: Desk) -> None:
            desk.answers(200)
            assert await desk.ask(value=b"Bearer other") == Reply(401)

        visit(scene)

    def test_nobody_listens(self, visit: Visit) -> None:
        """No answer is no refusal, and it is said in words."""

        async def scene(desk: Desk) -> None:
            desk.answers(None)
            reply = await desk.ask()
            assert (reply.status, reply.forbidden) == (None, False)
            assert reply.trouble

        visit(scene)

    @pytest.mark.parametrize("case", FORBIDDEN)
    def test_nothing_is_sent_where_it_is_not_allowed(self, visit: Visit, case: str) -> None:
        """The way out is said; the service saw nothing."""

        async def scene(desk: Desk) -> None:
            desk.answers(200)
            reply = await desk.ask(FORBIDDEN[case])
            assert (reply.status, reply.forbidden) == (None, True)
            assert "REKEY_PROBE_ALLOWED" in reply.trouble
            assert desk.shown() == []

        visit(scene)
