"""Who makes values: for generated credentials that is Rekey itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rekey.core.material import Material
from rekey.core.spec import Generate


class Issued(Protocol):
    """A value that was made, and what may be known of it."""

    @property
    def material(self) -> Material:
        """The value, by plain key."""
        ...

    @property
    def public(self) -> Mapping[str, str]:
        """What may be written beside it in clear: an id, an owner; never part of the secret."""
        ...


class Issuer(Protocol):
    """Makes values."""

    def issue(self, generate: Generate) -> Issued:
        """Return a new value.

        Raises:
            Rejected: the spec asks for something too weak to be made.
        """
        ...
