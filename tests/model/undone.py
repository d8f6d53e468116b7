"""A history across a restore of etcd: what the copy holds, and what followed; what was undone in between never was.

1. etcd counts on from the revision of the copy, so the order by resourceVersion is that of the joined history.
2. What stored the undone part is put back: Secrets, ledgers, templates, pods. So nothing excuses the operator: whatever
   it still knows of the undone part, it must keep every promise as one who never saw it.
3. What the API server does not store cannot be put back: see docs/promises.md, "What is not promised".
"""

import http.client
from collections.abc import Mapping

from tests.cluster.waiting import until
from tests.e2e.history import WATCHED, Change, Hands, History, Recorder
from tests.e2e.reader import Reader, folder

NOT_YET = (AssertionError, OSError, http.client.HTTPException)
PATIENCE = 120.0


def joined(kept: History, since: History, listed: Mapping[str, int]) -> History:
    """Return what was kept and what followed as one history; `listed`: at which version each kind was first seen."""
    known = {_key(change) for change in kept.changes}
    there = {change.body["metadata"]["uid"] for change in since.changes}
    last = {change.body["metadata"]["uid"]: change for change in kept.changes}
    lost = [
        Change(listed[one.resource], one.resource, gone=True, body=one.body, seen=one.seen)
        for uid, one in last.items()
        if not one.gone and uid not in there
    ]
    hands = Hands(kept.hands.versions | since.hands.versions, kept.hands.deleted | since.hands.deleted)
    return History([*kept.changes, *lost, *(one for one in since.changes if _key(one) not in known)], hands)


def _key(change: Change) -> tuple[str, int, bool]:
    return change.body["metadata"]["uid"], change.version, change.gone


def from_the_first_answer(reader: Reader, namespace: str) -> Recorder:
    """Write down what happens from the moment at which an API server answers that is about to start."""
    # As often as can be, so that no operator is faster: what happens before is seen by its outcome only.
    until(lambda: _answers(reader, namespace), "the API server to answer again", seconds=PATIENCE, every=0.01)
    return Recorder(reader, namespace)


def _answers(reader: Reader, namespace: str) -> bool:
    try:
        return all(reader.get(folder(resource, namespace)) is not None for resource in WATCHED)
    except NOT_YET:
        return False
