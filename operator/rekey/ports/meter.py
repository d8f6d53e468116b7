"""Whoever counts what is used: it is asked before an old version is revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rekey.core.material import Material
from rekey.core.usage import Reading


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    `namespace`: of the credential, whose own services may be asked. `url`: of the server; `expression`: what is asked.
    `authority`: with `ca.crt`, by which the server is known (None: by those that are trusted anyway). `token`: with
    `token`, which is sent as bearer, and `url`, the only one it is sent to (None: nothing is sent).
    """

    namespace: str
    url: str
    expression: str
    seconds: float
    authority: Material | None = None
    token: Material | None = None


class Meter(Protocol):
    """Asks servers that keep metrics."""

    async def read(self, query: Query) -> Reading:
        """Return the samples of the answer, as of an instant after the call.

        Only an address that is allowed is asked, once. It ends within `seconds`, and before our lead in the namespace
        does. Whatever goes wrong, and an answer that is no vector of numbers, is a Reading without samples, in words in
        which no part of the token, of the expression or of an answer stands.

        Raises:
            NotLeading: it is not ours to act there; nothing was sent.
        """
        ...
