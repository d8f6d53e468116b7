"""The way to the Vault server whose transit engine wraps data keys: the one that a ClusterCredentialProvider declares.

A log-in that was refused is not tried again for a while, for Vault locks out who tries too often; another is at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from rekey.app.backends import vault_of, vault_server
from rekey.core.reasons import Reason
from rekey.core.spec_provide import ProviderKind, ProviderRef
from rekey.errors import Rejected
from rekey.kube.client import Client
from rekey.ports.cluster import Clock
from rekey.providers.backends import DeclaredBackends
from rekey.providers.http.allowed import Allowed
from rekey.providers.parts import Parts
from rekey.providers.vault.passes import Passes

if TYPE_CHECKING:
    from rekey.providers.vault.login import Vault

CLOSED: Final = timedelta(minutes=5)
"""Three times in the quarter of an hour in which Vault allows five, by all processes together."""
T = TypeVar("T")


class TransitReach:
    """The server, as it is declared when it is asked; `home`: the operator's namespace, which must be allowed to.

    `shards`: as many processes may ask it.
    """

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        backends: DeclaredBackends,
        client: Client,
        clock: Clock,
        allowed: Allowed,
        home: str,
        name: str,
        *,
        shards: int,
    ) -> None:
        self._backends = backends
        self._client = client
        self._clock = clock
        self._allowed = allowed
        self._home = home
        self._ref = ProviderRef(kind=ProviderKind.CLUSTER, name=name)
        self._closed = CLOSED * shards
        self._passes = Passes()
        self._shut: datetime | None = None

    async def __call__(self, call: Callable[[Vault], Awaitable[T]]) -> T:
        """Return what comes of a call at the server; see `transit.Reach`."""
        return await self._backends.use(self._home, self._ref, "vault", lambda parts: self._made(call, parts))

    async def _made(self, call: Callable[[Vault], Awaitable[T]], parts: Parts) -> T:
        known, now = self._passes.of(("transit",), vault_server(parts), parts.login), self._clock.now()
        # Another log-in is another pass, which was not refused.
        if known.refused is not None and self._shut is not None and now < self._shut:
            raise Rejected(known.refused.reason, str(known.refused))
        try:
            return await call(vault_of(self._client, self._clock, self._allowed, known, parts))
        except Rejected as refused:
            if refused.reason == Reason.NEEDS_REAUTH:
                self._shut = now + self._closed
            raise
