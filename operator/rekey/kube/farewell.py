"""What the end of a credential needs to know, taken from one that this version of Rekey cannot parse.

1. That is the deletion policy and the names of Secrets. Whose a Secret is, its owner says, so a name too many is none.
2. What is not of a known form even there is refused: nothing is released, deleted or left behind on a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rekey.core.spec_verifier import Format
from rekey.core.status import State

_STATES = frozenset(State)


def spec(written: Any) -> Any:  # noqa: ANN401  whatever the API server gave
    """Return a spec that says what is to become of the Secrets, and nothing else of the one that was written."""
    if not isinstance(written, dict):
        return written
    found: dict[str, Any] = {"generate": {"token": {}}, "rotation": {"interval": "720h"}}
    if "provider" in written:
        found = {"provider": written["provider"], "rotation": {"interval": "720h"}}
    if "deletionPolicy" in written:
        found["deletionPolicy"] = written["deletionPolicy"]
    target = written.get("target")
    if isinstance(target, dict) and "secretName" in target:
        found["target"] = {"secretName": target["secretName"]}
    verifier = written.get("verifier")
    if isinstance(verifier, dict):
        found["verifier"] = {"secretName": verifier.get("secretName"), "format": Format.SHA256}
    return found


def status(written: Any) -> Any:  # noqa: ANN401  whatever the API server gave
    """Return a status that names the same versions; one in a state that is not known may still have its Secret."""
    if not isinstance(written, dict):
        return written
    return {"versions": [_version(one) for one in _items(written.get("versions"))]}


def _items(written: Any) -> Iterable[Any]:  # noqa: ANN401  whatever the API server gave
    return written if isinstance(written, list) else ()


def _version(written: Any) -> Any:  # noqa: ANN401  whatever the API server gave
    if not isinstance(written, dict):
        return written
    state = written.get("state")
    return {
        "number": written.get("number"),
        "secretName": written.get("secretName"),
        "state": state if state in _STATES else State.ISSUED,
    }
