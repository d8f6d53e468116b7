"""What one credential must know of the others: shared limits and claimed names."""

from __future__ import annotations

from typing import Protocol

from rekey.core.facts import Credential, Problem


class Claims(Protocol):
    """Names that other credentials use already."""

    def others(self, credential: Credential) -> tuple[Problem, ...]:
        """Return a problem for each older credential whose target has the same name."""
        ...


class Pacing(Protocol):
    """Rollouts in progress, counted by namespace and in the whole cluster."""

    def free(self, credential: Credential) -> int:
        """Return how many rollouts this credential may start now (never negative)."""
        ...

    def note(self, credential: Credential, rolling: int) -> None:
        """Remember how many rollouts of this credential are in progress."""
        ...
