"""S1 and S2 over a history: nobody holds what is refused, and a version goes only when all that must be is so."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from rekey.core import duration
from tests.e2e.history import Change, Now, shown
from tests.model.moment import Body, Moment, split, state_in, target, version_in

GOING = {"Revoking", "Revoked", "Discarded"}


def nobody_is_locked_out(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S1: no user holds a version that is refused."""
    for bundle, now in moment.bundles.items():
        owners = [one for one in moment.owners.values() if target(one) == bundle]
        if any(moment.leaves(one) or _is_forced(one) for one in owners):
            continue
        yield from (f"{bundle}: {text}" for text in now.locked_out())


def _is_forced(credential: Body) -> bool:
    """Tell whether a version was revoked at its deadline, which the status says; S2 judges whether rightly."""
    return any(one.get("forced") for one in (credential.get("status") or {}).get("versions") or ())


def a_commitment_is_due(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S2: the ledger commits to a revocation only if it may."""
    if change.resource != "rotatedcredentials" or change.gone or moment.hands.did(change):
        return
    for version in (change.body.get("status") or {}).get("versions") or ():
        number = version["number"]
        known = before if before and before["metadata"]["uid"] == change.body["metadata"]["uid"] else None
        if version["state"] in GOING and state_in(known, number) not in GOING:
            yield from (f"version {number} {text}" for text in _faults(change, number, moment))


def _faults(change: Change, number: int, moment: Moment) -> Iterator[str]:
    credential, bundle = change.body, target(change.body)
    now = moment.bundles[bundle]
    if not now.was_shown(number):
        return
    version, spec = version_in(credential, number), credential["spec"]
    current = next((one["number"] for one in credential["status"]["versions"] if one["state"] == "Active"), None)
    kept = spec.get("revocationPolicy", "AfterOverlap") != "AfterOverlap" and not version.get("rolledBack")
    faults = {
        "goes although no other version is active": current not in now.stored | now.excused,
        "goes although it is on hold": _moment(spec.get("hold") or {}, "until", change.seen),
        "goes although the policy keeps it": kept,
        "was forced although overlap.atDeadline is Hold": version.get("forced")
        and (spec.get("overlap") or {}).get("atDeadline") != "Revoke",
    }
    yield from (text for text, wrong in faults.items() if wrong)
    yield from _time_and_users(change, number, now, forced=bool(version.get("forced")))


def _time_and_users(change: Change, number: int, now: Now, *, forced: bool) -> Iterator[str]:
    """Yield what is wrong about the moment: too early, or with users left."""
    since = now.superseded(number)
    if since is None:
        if not now.tampered:
            yield "goes although the bundle shows it as current"
        return
    spec = change.body["spec"]
    wait = _length(spec, "deadline", "72h") if forced else _length(spec, "duration", "1h")
    if change.seen is not None and change.seen < since + wait:
        yield f"goes at {change.seen:%T}, it was replaced at {since:%T}, and {wait} had to pass"
    if not forced and (holders := now.holders(number)):
        yield f"goes although {', '.join(sorted(holders))} may hold it"


def _moment(part: dict[str, Any], key: str, now: datetime | None) -> bool:
    """Tell whether an instant of the spec is still to come."""
    text = part.get(key)
    return bool(text and now and datetime.fromisoformat(re.sub(r"\.\d+", "", text)) > now)


def _length(spec: Body, key: str, default: str) -> timedelta:
    return duration.parse((spec.get("overlap") or {}).get(key, default))


def shown_now(moment: Moment, bundle: str) -> set[int | None]:
    """Return what the bundle shows as current."""
    found = moment.find("secrets", bundle)
    return {shown(found, "")} if found else set()


def a_deletion_was_committed(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S2: the Secret of a version that was shown is deleted only after the ledger said so."""
    if change.resource != "secrets" or not change.gone or moment.hands.did(change):
        return
    credential = moment.credential_of(change.body)
    if credential is None or moment.leaves(credential):
        return
    bundle = target(credential)
    number = split(change.name, bundle)
    if number in shown_now(moment, bundle):
        return  # Promise S4 speaks of it.
    if number and moment.bundles[bundle].was_shown(number) and state_in(credential, number) not in GOING:
        yield f"version {number} was deleted while the ledger calls it {state_in(credential, number) or 'nothing'}"
