"""What must be so when nothing more happens: S3, L1, L2 and L3 at the end of a history."""

from collections.abc import Iterator

from tests.e2e.history import shown
from tests.model.moment import Body, Moment, is_true, owner, split, state_in, target

LIVE = {"Issued", "Published", "Active", "Retiring", "Revoking"}


def _credentials(moment: Moment) -> list[Body]:
    return list(moment.objects.get("rotatedcredentials", {}).values())


def _name(credential: Body) -> str:
    return str(credential["metadata"]["name"])


def nothing_is_unowned(moment: Moment) -> Iterator[str]:
    """S3: every Secret of ours is on record, what is on record exists, and nothing belongs to who is gone."""
    alive = {one["metadata"]["uid"]: one for one in _credentials(moment)}
    for name, secret in moment.objects.get("secrets", {}).items():
        credential = alive.get(owner(secret))
        if credential is None:
            if owner(secret) in moment.owners:
                yield f"{name} belongs to a credential that is gone"
            continue
        number = split(name, target(credential))
        told = (credential["spec"].get("verifier") or {}).get("secretName")
        if name not in {target(credential), told} and (number is None or state_in(credential, number) not in LIVE):
            yield f"{name} belongs to {_name(credential)}, whose ledger does not know it"
    for credential in alive.values():
        yield from _missing(credential, moment)


def _missing(credential: Body, moment: Moment) -> Iterator[str]:
    for version in (credential.get("status") or {}).get("versions") or ():
        lost = moment.find("secrets", version["secretName"]) is None
        # Of an older version the test may have deleted the only copy: what it deletes it has revoked.
        excused = version["state"] == "Retiring" and version.get("handle") in moment.hands.deleted
        if version["state"] in {"Active", "Retiring"} and lost and not excused and not is_true(credential, "Stalled"):
            yield f"version {version['number']} of {_name(credential)} is {version['state']}, its Secret is gone"


def unfinished(credential: Body, moment: Moment) -> str:
    """Return what is still to be done for a credential; empty if nothing is."""
    status, spec = credential.get("status") or {}, credential["spec"]
    bundle = moment.find("secrets", target(credential))
    step = (status.get("rotation") or {}).get("step")
    trigger = (spec.get("rotation") or {}).get("trigger")
    asked = trigger not in {None, status.get("observedTrigger")} and not spec.get("suspend")
    faults = {
        "it is still there although it was deleted": bool(credential["metadata"].get("deletionTimestamp")),
        "the spec was not looked at": status.get("observedGeneration") != credential["metadata"]["generation"],
        "there is no bundle": bundle is None,
        f"the bundle shows another version than {status.get('currentVersion')}": bundle is not None
        and shown(bundle, "") != status.get("currentVersion"),
        f"a rotation is {step}": step not in {None, "RolledBack"},
        "a rotation that was asked for did not begin": asked,
        "it is not ready": not is_true(credential, "Ready"),
    }
    return "; ".join(text for text, wrong in faults.items() if wrong)


def explained(credential: Body) -> bool:
    """Tell whether the credential says why it stands still."""
    return any(is_true(credential, kind) for kind in ("Stalled", "RevocationBlocked", "Postponed"))


def _waiting(moment: Moment) -> dict[str, str]:
    """Return what is unfinished and says nothing of a reason, by name of the credential."""
    found = {_name(one): unfinished(one, moment) for one in _credentials(moment) if not explained(one)}
    return {name: text for name, text in found.items() if text}


def _somebody_is_stuck(moment: Moment) -> bool:
    return any(is_true(one, "Stalled") for one in _credentials(moment))


def everything_is_done(moment: Moment) -> Iterator[str]:
    """L1: whatever can be done was done."""
    if not _somebody_is_stuck(moment):
        yield from (f"{name}: {text}" for name, text in sorted(_waiting(moment).items()))


def a_standstill_is_explained(moment: Moment) -> Iterator[str]:
    """L2: who stands still says so: with a reason, and with a message that says what to do."""
    for credential in _credentials(moment):
        for one in (credential.get("status") or {}).get("conditions") or ():
            silent = not one.get("message") or one["reason"] in {"", "None"}
            if one["type"] in {"Stalled", "RevocationBlocked"} and one["status"] == "True" and silent:
                yield f"{_name(credential)}: {one['type']} without a reason"


def nobody_waits_for_another(moment: Moment) -> Iterator[str]:
    """L3: while one credential is stuck all others get done."""
    if _somebody_is_stuck(moment):
        yield from (f"{name}: {text}" for name, text in sorted(_waiting(moment).items()))
