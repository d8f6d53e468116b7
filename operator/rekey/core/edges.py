"""Every way in which a version may go, as one table; the picture in `docs/states.md` is drawn from it.

A pair that is not in the table is an error and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from rekey.core.ledger import ENDED
from rekey.core.status import State, Version


class Verb(StrEnum):
    """What can happen to a version."""

    RESERVE = "Reserve"
    ISSUE = "Issue"
    PUBLISH = "Publish"
    ADOPT = "Adopt"
    RECALL = "Recall"
    ACTIVATE = "Activate"
    SUPERSEDE = "Supersede"
    WITHDRAW = "Withdraw"
    REINSTATE = "Reinstate"
    COMMIT = "Commit"
    REVOKE = "Revoke"
    DISCARD = "Discard"


EDGES: Final[Mapping[tuple[State | None, Verb], State]] = {
    (None, Verb.RESERVE): State.RESERVED,
    (State.RESERVED, Verb.ISSUE): State.ISSUED,
    (State.RESERVED, Verb.DISCARD): State.DISCARDED,
    (None, Verb.ISSUE): State.ISSUED,
    (None, Verb.ADOPT): State.ACTIVE,
    (None, Verb.RECALL): State.RETIRING,
    (State.ISSUED, Verb.ACTIVATE): State.ACTIVE,
    (State.ISSUED, Verb.DISCARD): State.DISCARDED,
    (State.ISSUED, Verb.PUBLISH): State.PUBLISHED,
    (State.PUBLISHED, Verb.ACTIVATE): State.ACTIVE,
    (State.PUBLISHED, Verb.DISCARD): State.DISCARDED,
    (State.ACTIVE, Verb.SUPERSEDE): State.RETIRING,
    (State.ACTIVE, Verb.WITHDRAW): State.RETIRING,
    (State.RETIRING, Verb.REINSTATE): State.ACTIVE,
    (State.RETIRING, Verb.COMMIT): State.REVOKING,
    (State.REVOKING, Verb.REVOKE): State.REVOKED,
    (State.REVOKING, Verb.DISCARD): State.DISCARDED,
}


class IllegalTransition(Exception):
    """A pair that is not in `EDGES`: nothing was changed."""


def go(version: Version, verb: Verb, **changes: object) -> Version:
    """Return the version after the verb.

    Raises:
        IllegalTransition: the table has no such edge.
    """
    try:
        state = EDGES[version.state, verb]
    except KeyError:
        raise IllegalTransition(f"version {version.number} is {version.state}: it cannot {verb}") from None
    return version.model_copy(update={"state": state, **changes})


def drawing() -> str:
    """Return the state picture as Mermaid text, drawn from `EDGES`."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {state or '[*]'} --> {after}: {verb}" for (state, verb), after in EDGES.items()]
    lines += [f"    {state} --> [*]" for state in sorted(ENDED)]
    return "\n".join(lines) + "\n"
