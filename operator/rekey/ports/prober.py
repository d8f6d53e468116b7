"""A service that accepts a credential or not: it is asked once, with a version that nobody uses yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rekey.core.material import Material
from rekey.core.probing import Reply


@dataclass(frozen=True, slots=True)
class Question:
    """One GET request.

    `namespace`: of the credential, whose own services may be asked. `header`: the value, by the name of the header in
    which it is sent. `authority`: with `ca.crt`, by which the server is known (None: by those that are trusted anyway).
    """

    namespace: str
    url: str
    header: Material
    seconds: float
    authority: Material | None = None


class Prober(Protocol):
    """Asks services."""

    async def ask(self, question: Question) -> Reply:
        """Send the request to an address that is allowed, once, and return the status of the answer.

        It ends within `seconds`, and before our lead in the namespace does. Whatever goes wrong is a Reply too, in
        words in which no part of the value, of the URL's path or of an answer stands.

        Raises:
            NotLeading: it is not ours to act there; nothing was sent.
        """
        ...
