"""What administrators declare of backends: read when one is used, so that a change counts at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rekey.core.spec_backend import CredentialProviderSpec
from rekey.core.spec_provide import ProviderRef


@dataclass(frozen=True, slots=True)
class Declared:
    """A CredentialProvider or ClusterCredentialProvider as stored; `home`: the namespace of the Secrets it names."""

    uid: str
    generation: int
    home: str
    spec: CredentialProviderSpec


class Declarations(Protocol):
    """Providers, by name."""

    async def read(self, namespace: str, ref: ProviderRef) -> Declared | None:
        """Return what a credential of that namespace refers to, by an uncached read; None if there is none.

        Raises:
            Rejected: it is of a shape that this version of Rekey does not know.
        """
        ...

    async def labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace, by an uncached read."""
        ...
