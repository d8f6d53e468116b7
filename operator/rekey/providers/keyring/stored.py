"""A key ring as a Secret: the bytes of each key under its id, and in an annotation what may be done with it.

1. The annotation is no secret: a person sees in `kubectl describe` which keys there are and what was done to them.
2. By two more annotations a person has the ring rotated: a text that is new, and who he is. They are only read.
3. Keys and annotation are read together and must fit: a Secret that says something else is not used, and not touched.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rekey.core.keyring import Did, Entry, Key, Ring, State, Wish
from rekey.core.outside import is_outside
from rekey.core.reasons import Reason
from rekey.errors import Rejected
from rekey.ports.secrets import SecretView

ANNOTATION: Final = "rekey.dev/keyring"
ROTATE: Final = "rekey.dev/rotate"
ROTATE_BY: Final = "rekey.dev/rotate-by"
_LONGEST: Final = 128
LABELS: Final = {"app.kubernetes.io/managed-by": "rekey", "rekey.dev/role": "keyring"}


def notes(scope: str, ring: Ring) -> dict[str, str]:
    """Return what is said of a ring."""
    said = {
        "scope": scope,
        "trigger": ring.trigger,
        "keys": [asdict(key) for key in ring.keys],
        "history": [asdict(entry) for entry in ring.history],
    }
    return {ANNOTATION: json.dumps(said, default=datetime.isoformat, separators=(",", ":"))}


def ring_of(scope: str, view: SecretView, where: str) -> Ring:
    """Return the ring that a Secret holds.

    Raises:
        Rejected: it is not the ring of that scope, or something of it is missing.
    """
    try:
        said = json.loads(view.annotations[ANNOTATION])
        keys = tuple(_key(one) for one in said["keys"])
        ring = Ring(
            keys,
            said["trigger"],
            tuple(_entry(one) for one in said["history"]),
            (view.uid, view.resource_version),
            _asked(view.annotations),
        )
        whole = said["scope"] == scope and len(ring.in_state(State.ENABLED)) == 1
        fits = sorted(key.id for key in keys if not is_outside(key.id)) == list(view.material.keys())
    except (KeyError, TypeError, ValueError) as error:
        raise strange(where) from error
    if not (whole and fits):
        raise strange(where)
    return ring


def _asked(annotations: Mapping[str, str]) -> Wish | None:
    trigger, who = (annotations.get(note, "")[:_LONGEST] for note in (ROTATE, ROTATE_BY))
    return Wish(trigger, who or "who did not say so") if trigger else None


def strange(where: str) -> Rejected:
    """Return the refusal of a Secret that is no ring of ours."""
    what = f"its keys and its annotation {ANNOTATION} do not fit together"
    advice = "put it back as it was; if it is not Rekey's, give the ring another name (docs/keys.md)"
    return Rejected(Reason.STATE_UNREADABLE, f"{where} is no key ring: {what}; {advice}")


def _key(said: Mapping[str, Any]) -> Key:
    return Key(said["id"], State(said["state"]), _instant(said["created"]), _instant(said["since"]))


def _entry(said: Mapping[str, Any]) -> Entry:
    return Entry(_instant(said["at"]), said["by"], Did(said["did"]), said["key"], said["records"])


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found
