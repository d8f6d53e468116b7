"""The credential that rotates first: who it is, and whether it has finished a rotation since our last one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rekey.core import ledger
from rekey.core.facts import Credential, Facts, Staging

READY = "Ready"


def seen(credential: Credential, find: Callable[[str], Credential | None]) -> Staging | None:
    """Return the credential that this one waits for, as it is now; None if it waits for none.

    `find` gives a credential of the namespace by its name. One that is being deleted counts as gone.
    """
    name = credential.spec.health.after
    if name is None:
        return None
    first = find(name)
    status = first.status if first is not None and first.deleting is None else None
    return Staging(name, status, circular=_leads_to(credential.key.name, name, find))


def _leads_to(goal: str, name: str | None, find: Callable[[str], Credential | None]) -> bool:
    """Say whether those that one waits for, one after the other, come to the goal."""
    passed: set[str] = set()
    while name is not None and name not in passed:
        if name == goal:
            return True
        passed.add(name)
        found = find(name)
        name = found.spec.health.after if found is not None else None
    return False


def fault(facts: Facts) -> str | None:
    """Return why nothing can ever be waited for; None if it can."""
    first = facts.staging
    if first is None:
        return None
    where = f"spec.validation.after: RotatedCredential {first.name}"
    if first.circular:
        return f"{where} waits for this one in turn: take `after` from one of them"
    if first.status is None:
        return f"{where} does not exist in this namespace: make it, or take `after` away"
    return None


def lacks(facts: Facts, last: datetime | None) -> str | None:
    """Return what the other credential has yet to do before ours, that rotated `last`, may follow; None: nothing."""
    wanted, first = facts.spec.health.after, facts.staging
    if wanted is None:
        return None
    if first is None or first.status is None:
        return f"how far RotatedCredential {wanted} is, which goes first, is not known"
    status, who = first.status, f"RotatedCredential {first.name}, which goes first,"
    if status.rotation is not None:
        return f"{who} has not finished its rotation: {status.rotation.step}"
    ready = next((one for one in status.conditions if one.type == READY), None)
    if ledger.active(status) is None or ready is None or ready.status != "True":
        return f"{who} is not Ready"
    if status.last_rotation_time is None or (last is not None and status.last_rotation_time <= last):
        return f"{who} has not rotated since this one did"
    return None
