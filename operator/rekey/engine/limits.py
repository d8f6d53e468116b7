"""What one credential must know of what is around it: shared limits, claimed names, who asks and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rekey.core.demand import Demand
from rekey.core.facts import Credential, Key, Problem
from rekey.core.spec_notify import Notify
from rekey.ports.cluster import Credentials


class Claims(Protocol):
    """Names that other credentials use already."""

    def others(self, credential: Credential) -> tuple[Problem, ...]:
        """Return a problem for each older credential whose target has the same name."""
        ...

    def shares(self, key: Key, secret: str) -> bool:
        """Return whether that credential was heard of and shares this verifier's Secret; it may all the same if not."""
        ...


class Pacing(Protocol):
    """Rollouts in progress, counted by namespace and in the whole cluster."""

    def free(self, credential: Credential) -> int:
        """Return how many rollouts this credential may start now (never negative)."""
        ...

    def note(self, credential: Credential, rolling: int) -> None:
        """Remember how many rollouts of this credential are in progress."""
        ...


class Demands(Protocol):
    """RotationRequests, as last heard."""

    def of(self, credential: Credential) -> tuple[Demand, ...] | None:
        """Return what is asked of this credential, the oldest first; None while that is not known yet."""
        ...


class Peers(Protocol):
    """The credentials, as last heard."""

    def peer(self, key: Key) -> Credential | None:
        """Return another credential; None if there is none, or it cannot be parsed."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All of it. `storage`: where credentials are asked for that are not worked on; nobody takes note of it.

    `audience`: who is told of every credential, whatever it says itself.
    """

    claims: Claims
    pacing: Pacing
    demands: Demands
    storage: Credentials
    peers: Peers
    audience: tuple[Notify, ...] = ()
