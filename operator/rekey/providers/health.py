"""A backend whose calls are told to who keeps account of how its provider is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rekey.core.provider_health import Health, Provider
from rekey.errors import RekeyError
from rekey.ports.backend import Backend, Held
from rekey.providers.limits import Passing

T = TypeVar("T")
Tell = Callable[[Provider, Health], None]


def nobody(provider: Provider, health: Health) -> None:
    """Tell nobody."""
    del provider, health


async def heard(call: Callable[[], Awaitable[T]], told: Callable[[RekeyError | None], None]) -> T:
    """Make a call, and tell how it ended."""
    try:
        found = await call()
    except RekeyError as error:
        told(error)
        raise
    told(None)
    return found


class Told(Passing):
    """A backend whose every call is told of: with its error, or None when it went well."""

    def __init__(self, backend: Backend, told: Callable[[RekeyError | None], None]) -> None:
        super().__init__(backend)
        self._told = told

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call."""
        return await heard(call, self._told)

    async def revoke(self, held: Held) -> None:
        """See that the version is not accepted any more; that goes well, too, where there is nothing to ask."""
        await heard(lambda: self._backend.revoke(held), lambda error: None if error is None else self._told(error))
