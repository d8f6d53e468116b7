"""V1 and V2 over a history: verifiers learn of a version before anybody uses it, and keep it while somebody may."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime, timedelta

from rekey.core import duration
from tests.e2e.history import Change, shown
from tests.model.moment import Body, Moment, owner, target, version_in


def listed(secret: Body | None) -> set[int]:
    """Return the versions that a verifier's Secret lists."""
    text = ((secret or {}).get("data") or {}).get("verifier.json")
    try:
        return {one["version"] for one in json.loads(b64decode(text))["entries"]} if text else set()
    except (KeyError, ValueError):
        return set()  # somebody else wrote there


def verifier(credential: Body) -> str:
    """Return the name of the Secret that verifiers of a credential read; empty if there is none."""
    return str((credential["spec"].get("verifier") or {}).get("secretName", ""))


def what_is_shown_is_known(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """V1: a bundle shows a version only when verifiers have had it for `overlap.propagation`."""
    if change.resource != "secrets" or change.gone or moment.hands.did(change):
        return
    credential, number = moment.owners.get(owner(change.body)), shown(change.body, "")
    last = shown(before, "") if before is not None else None
    if credential is None or target(credential) != change.name or number in {None, last}:
        return
    known = (credential.get("status") or {}).get("verifier")
    if not known or not verifier(credential) or _is_hurried(credential, number):
        return
    secret = moment.find("secrets", verifier(credential))
    if number not in listed(secret) and not moment.hands.did(_last(moment, verifier(credential))):
        yield f"version {number} is current, and verifiers know {sorted(listed(secret))}"
    told = version_in(credential, number).get("publishedTime")
    wait = duration.parse((credential["spec"].get("overlap") or {}).get("propagation", "0s"))
    if told and change.seen and change.seen < datetime.fromisoformat(told) + wait - timedelta(seconds=1):
        yield f"version {number} is current at {change.seen:%T}, it was published at {told}, and {wait} had to pass"


def what_is_held_is_known(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """V2: no version leaves the verifier's Secret while a user may hold it."""
    if change.resource != "secrets" or moment.hands.did(change) or not listed(before):
        return
    credential = moment.credential_of(change.body)
    if credential is None or verifier(credential) != change.name or moment.leaves(credential):
        return
    left = listed(before) - (set() if change.gone else listed(change.body))
    for number in sorted(left):
        holders = moment.bundles[target(credential)].holders(number)
        if holders and not version_in(credential, number).get("forced"):
            yield f"version {number} is taken from verifiers, and {', '.join(sorted(holders))} may hold it"


def _is_hurried(credential: Body, number: int) -> bool:
    """Tell whether the version was made for a leak that waits for nobody."""
    answers = (credential.get("status") or {}).get("requests") or ()
    return any(one.get("revoke") == "Immediately" and one.get("toVersion") == number for one in answers)


def _last(moment: Moment, name: str) -> Change:
    """Return the last change of a Secret, or, where there was none, the last of all."""
    found = [one for one in moment.past if (one.resource, one.name) == ("secrets", name)]
    return found[-1] if found else moment.past[-1]
