"""Who makes values: for generated credentials that is Rekey itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rekey.core.material import Material
from rekey.core.spec import Generate


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made, and at what time.

    `lifetime`: how long it is to be good for (None: until it is revoked). `before`: the current version, for a kind
    that builds on it; None where there is none, or none that may be trusted.
    """

    generate: Generate
    now: datetime
    lifetime: timedelta | None = None
    before: Material | None = None


class Issued(Protocol):
    """A value that was made, and what may be known of it."""

    @property
    def material(self) -> Material:
        """The value, by plain key; what stands under `issuer.` is for the next version only and is never shown."""
        ...

    @property
    def public(self) -> Mapping[str, str]:
        """What may be written beside it in clear: an id, an owner; never part of the secret."""
        ...


class Issuer(Protocol):
    """Makes values."""

    def builds_on(self, generate: Generate) -> bool:
        """Tell whether a new value of that kind needs the one before; it is read for no other."""
        ...

    async def issue(self, order: Order) -> Issued:
        """Return a new value. May take seconds, in which others work; may be asked twice for one version.

        Raises:
            Rejected: the spec asks for something too weak to be made.
        """
        ...
