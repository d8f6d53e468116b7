"""Histories as files: kept when a promise was broken, and judged again: `python -m tests.model.recorded <file>`.

Values are kept as digests: equal ones stay equal, and no secret is written anywhere.
"""

import hashlib
import json
import sys
from base64 import b64encode
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.history import Change, Hands, History
from tests.model.checker import judge

PLAIN = ("version", "previous.version")


def keep(history: History, path: Path) -> Path:
    """Write a history into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hands = {"versions": sorted(history.hands.versions), "deleted": sorted(history.hands.deleted)}
    changes = [asdict(change) | {"body": _hashed(change)} for change in history.changes]
    path.write_text(json.dumps({"hands": hands, "changes": changes}, default=str))
    return path


def _hashed(change: Change) -> dict[str, Any]:
    if change.resource != "secrets":
        return change.body
    data = {key: text if key in PLAIN else _digest(text) for key, text in (change.body.get("data") or {}).items()}
    return change.body | {"data": data}


def _digest(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()[:12]).decode()


def read(path: Path) -> History:
    """Return the history that a file tells."""
    told = json.loads(path.read_text())
    hands = Hands(set(told["hands"]["versions"]), set(told["hands"]["deleted"]))
    return History([_change(one) for one in told["changes"]], hands)


def _change(told: dict[str, Any]) -> Change:
    seen = datetime.fromisoformat(told["seen"]) if told["seen"] else None
    return Change(told["version"], told["resource"], told["gone"], told["body"], seen)


if __name__ == "__main__":
    for each in judge(read(Path(sys.argv[1])), resting=True):
        print(each)
