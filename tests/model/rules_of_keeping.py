"""S3 and S4 over a history: every version is accounted for, and the only valid one is never lost."""

from collections.abc import Iterator

from tests.e2e.history import Change, shown
from tests.model.moment import Body, Moment, owner, policy, split, state_in, target
from tests.model.rules_of_writing import ISSUER


def _number(change: Change, moment: Moment) -> tuple[Body | None, int | None]:
    """Return the credential and the number of a version's Secret."""
    credential = moment.credential_of(change.body) if change.resource == "secrets" else None
    return credential, split(change.name, target(credential)) if credential else None


def one_number_one_value(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S3: a number stands for one value, in every Secret that ever had it."""
    credential, number = _number(change, moment)
    if credential is None or number is None or change.gone or before is not None:
        return
    lives = [one for one in moment.past[:-1] if (one.resource, one.name) == ("secrets", change.name)]
    ours = [one for one in lives if one.body["metadata"]["uid"] in moment.ours]
    uids = {one.body["metadata"]["uid"] for one in ours} - {change.body["metadata"]["uid"]}
    same = all(_shown(one.body) == _shown(change.body) for one in ours)
    # Where the test deleted a version that was not on record yet, its number is free again.
    if uids and not same and state_in(credential, number):
        yield f"version {number} was made again, with another value"
    if not uids <= moment.hands.deleted:
        yield f"version {number} was made twice"


def _shown(secret: Body) -> Body:
    """Return what a bundle shows of a version: of that it can be made again."""
    return {key: text for key, text in (secret.get("data") or {}).items() if not key.startswith(ISSUER)}


def one_is_pending(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S3: at most one version is made and not shown yet."""
    credential, number = _number(change, moment)
    if credential is None or number is None or change.gone or before is not None or not moment.is_there(credential):
        return
    now, states = moment.bundles[target(credential)], (credential.get("status") or {}).get("versions") or ()
    known = {one["number"] for one in states if one["state"] not in {"Issued", "Published"}}
    pending = {one for one in _owned(credential, moment) if not now.was_shown(one)} - known
    if len(pending) > 1:
        yield f"versions {sorted(pending)} are pending at once"


def _owned(credential: Body, moment: Moment) -> set[int]:
    """Return the numbers of the version Secrets that a credential owns."""
    uid, bundle = credential["metadata"]["uid"], target(credential)
    secrets = moment.objects.get("secrets", {}).values()
    numbers = {split(one["metadata"]["name"], bundle) for one in secrets if owner(one) == uid}
    return {number for number in numbers if number}


def the_current_version_exists(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S4: what the operator shows is stored."""
    if change.resource != "secrets" or change.gone or moment.hands.did(change):
        return
    credential = moment.credential_of(change.body)
    if credential is None or change.name != target(credential) or not owner(change.body):
        return
    if before is not None and before.get("data") == change.body.get("data"):
        return  # What it shows was not touched.
    now, number = moment.bundles[change.name], shown(change.body, "")
    if number is None:
        # A Secret that is just being adopted has no number yet.
        if before is None or shown(before, "") is not None:
            yield "the bundle shows no version"
    elif number not in now.stored | now.excused:
        yield f"the bundle shows version {number}, which is not stored"


def the_current_version_stays(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S4: the operator never deletes the current version, nor the bundle."""
    if change.resource != "secrets" or not change.gone or moment.hands.did(change):
        return
    credential = moment.credential_of(change.body)
    if credential is None or (moment.leaves(credential) and policy(credential) == "Revoke"):
        return
    bundle = moment.find("secrets", target(credential))
    if change.name == target(credential):
        yield "the bundle was deleted"
    elif bundle is not None and split(change.name, target(credential)) == shown(bundle, ""):
        yield f"{change.name} was deleted although it is current"
