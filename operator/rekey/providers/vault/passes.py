"""What is kept in memory between two calls: for each provider the token that we are let in with at Vault."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from rekey.core.material import Material
from rekey.core.spec_vault import VaultServer
from rekey.errors import Rejected


@dataclass(frozen=True, slots=True)
class Token:
    """What we are let in with; `due`: when it is to be renewed, or got anew (None: never)."""

    value: str = field(repr=False)
    due: datetime | None
    renewable: bool


@dataclass
class Pass:
    """The token of one provider, as long as it is declared as `means` says; `refused`: the last log-in that was."""

    means: str
    token: Token | None = None
    refused: Rejected | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Passes:
    """One for each provider, by whatever tells it from others."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Pass] = {}

    def of(self, provider: tuple[str, ...], server: VaultServer, login: Material) -> Pass:
        """Return that of a provider; another one when it is declared, or logs in, in another way."""
        told = [server.model_dump_json().encode(), *(login.reveal().get(key, b"") for key in server.LOGIN)]
        means = sha256(b"".join(sha256(part).digest() for part in told)).hexdigest()
        known = self._known.get(provider)
        if known is None or known.means != means:
            known = self._known[provider] = Pass(means)
        return known
