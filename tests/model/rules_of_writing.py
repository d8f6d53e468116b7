"""S5, S6, S8 and S10 over a history: what is written is whole, ours, due, and in its own namespace."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rekey.core import duration
from tests.e2e.history import Change, shown
from tests.e2e.manifests import ANNOTATION
from tests.model.moment import Body, Moment, owner, split, target

PREFIXES = ("", "previous.")
ISSUER = "issuer."
"""What stands behind it in a version is for the next version only."""


def a_bundle_is_whole(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S5: each half of a bundle is of one version, all of it but what is never shown."""
    if change.resource != "secrets" or change.gone or moment.hands.did(change) or change.name not in moment.bundles:
        return
    if owner(change.body) not in moment.owners or (before or {}).get("data") == change.body.get("data"):
        return
    template = (moment.owners[owner(change.body)]["spec"].get("target") or {}).get("template") or {}
    data = change.body.get("data") or {}
    yield from (f"{key} is shown" for key in sorted(data) if key.removeprefix("previous.").startswith(ISSUER))
    for prefix in PREFIXES:
        number = shown(change.body, prefix)
        stored = moment.find("secrets", f"{change.name}-v{number}")
        if number is None or stored is None or template.get("mergePolicy") == "Replace":
            continue
        rendered = template.get("data") or {}
        own = {key: text for key, text in stored["data"].items() if key not in rendered and not key.startswith(ISSUER)}
        for key in sorted(own):
            if data.get(prefix + key) != own[key]:
                yield f"{prefix}{key} is not of version {number}"


def a_stranger_is_left_alone(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S6: what is nobody's, or somebody else's, is neither written nor deleted."""
    if change.resource != "secrets" or before is None or moment.hands.did(change):
        return
    if moment.was_ours and not owner(before):
        return
    if owner(before) in moment.owners or (not owner(before) and _is_to_be_adopted(change, moment)):
        return
    yield f"{change.name} is a stranger's and was {'deleted' if change.gone else 'written'}"


def _is_to_be_adopted(change: Change, moment: Moment) -> bool:
    """Tell whether a credential may take the Secret over; version Secrets of an earlier life come with their bundle."""
    wishes = [one for one in moment.owners.values() if (one["spec"].get("target") or {}).get("adopt") == "Unowned"]
    names = {target(one) for one in wishes}
    mine = any(split(change.name, name) for name in names) and change.body["metadata"].get("labels")
    return not change.gone and (change.name in names or bool(mine))


def a_restart_is_the_only_one(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S8: a version is written into a template once, and once more if somebody put it back."""
    if change.resource != "deployments" or change.gone or before is None or moment.hands.did(change):
        return
    old, new = named(before), named(change.body)
    for credential, value in sorted(new.items()):
        if old.get(credential) == value:
            continue
        allowed = 1 + _reverts(change, credential, value, moment) + _rollbacks(credential, moment)
        times = sum(_writes(moment, change.name, credential, value))
        if times > allowed:
            yield f"{credential} wrote version {value} into {change.name} for the {times}th time"


def named(deployment: Body) -> dict[str, str]:
    """Return the versions that a pod template names, by credential."""
    notes = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    return {key.removeprefix(ANNOTATION): text for key, text in notes.items() if key.startswith(ANNOTATION)}


def _steps(moment: Moment, deployment: str) -> Iterator[tuple[Change, Body]]:
    """Yield every change of a Deployment, with what it was before."""
    last: Body | None = None
    for change in moment.past:
        if (change.resource, change.name) == ("deployments", deployment):
            if last is not None and not change.gone:
                yield change, last
            last = None if change.gone else change.body


def _writes(moment: Moment, deployment: str, credential: str, value: str) -> Iterator[bool]:
    """Yield True for each time that the operator wrote this version into the template."""
    for change, last in _steps(moment, deployment):
        if not moment.hands.did(change):
            yield named(last).get(credential) != named(change.body).get(credential) == value


def _reverts(change: Change, credential: str, value: str, moment: Moment) -> int:
    """Return 1 if somebody took this version out of the template: it is written once more, and no oftener."""
    steps = _steps(moment, change.name)
    return int(any(moment.hands.did(one) and named(last).get(credential) == value for one, last in steps))


def _rollbacks(credential: str, moment: Moment) -> int:
    """Return how many versions of the credential failed: each may put the one before it back."""
    failed = set()
    for change in moment.past:
        if (change.resource, change.name) == ("rotatedcredentials", credential):
            versions = (change.body.get("status") or {}).get("versions") or ()
            failed |= {(change.body["metadata"]["uid"], one["number"]) for one in versions if one.get("rolledBack")}
    return len(failed)


def a_version_has_a_cause(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S8: a version is made on schedule, on request, for another `generate`, after a failure, or for a lost value."""
    if change.resource != "secrets" or change.gone or before is not None or moment.hands.did(change):
        return
    credential = moment.credential_of(change.body)
    number = split(change.name, target(credential)) if credential else None
    if credential is None or number is None:
        return
    uid, bundle = credential["metadata"]["uid"], target(credential)
    made = [one for one in moment.past[:-1] if _is_made(one, uid, bundle, moment)]
    if len(made) > _causes(uid, bundle, moment) and not _is_due(credential, made[-1], change):
        yield f"version {number} was made without a cause, after {made[-1].name}"


def what_is_shown_has_a_cause(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S8, where what is made may be lost: another version is shown only for a cause."""
    if change.resource != "secrets" or change.gone or moment.hands.did(change) or change.name not in moment.bundles:
        return
    uid = owner(change.body)
    bodies = [one for one in moment.past if one.name == change.name and one.resource == "secrets" and not one.gone]
    numbers = {shown(one.body, "") for one in bodies if not moment.hands.did(one)}
    is_new = before is None or shown(before, "") != shown(change.body, "")
    if uid in moment.owners and is_new and len(numbers - {None}) > 1 + _causes(uid, change.name, moment):
        yield f"version {shown(change.body, '')} is shown without a cause"


def _is_made(change: Change, uid: str, bundle: str, moment: Moment) -> bool:
    """Tell whether a version was made by this change."""
    made = change.resource == "secrets" and not change.gone and split(change.name, bundle)
    return bool(made) and owner(change.body) == uid and not moment.hands.did(change)


def _causes(uid: str, bundle: str, moment: Moment) -> int:
    """Return how many versions after the first may have been made: one for each wish, loss and failure."""
    found, last, failed = 0, None, set()
    for change in moment.past:
        if change.resource == "rotatedcredentials" and change.body["metadata"]["uid"] == uid:
            versions = (change.body.get("status") or {}).get("versions") or ()
            failed |= {one["number"] for one in versions if one.get("rolledBack")}
            wish = _wish(change.body)
            found += last is not None and (wish != last or (moment.hands.did(change) and not versions))
            last = wish
        elif change.resource == "secrets" and (change.name == bundle or split(change.name, bundle)):
            found += moment.hands.did(change)
    return found + len(failed)


def _wish(credential: Body) -> tuple[object, object]:
    spec = credential["spec"]
    return spec.get("generate"), (spec.get("rotation") or {}).get("trigger")


def _is_due(credential: Body, last: Change, change: Change) -> bool:
    """Tell whether the interval has passed; when a cron schedule fires is not judged here."""
    rotation = credential["spec"].get("rotation") or {}
    if "interval" not in rotation:
        return True
    early = rotation.get("jitterPercent", 10) / 100
    since = datetime.fromisoformat(last.body["metadata"]["creationTimestamp"])
    wait = duration.parse(rotation["interval"]) * (1 - early) - timedelta(seconds=1)
    return change.seen is None or change.seen >= since + wait


def a_namespace_is_its_own(change: Change, before: Body | None, moment: Moment) -> Iterator[str]:
    """S10: nothing of another namespace's credential is written here."""
    if change.gone or moment.hands.did(change):
        return
    if change.resource == "secrets":
        labels = change.body["metadata"].get("labels") or {}
        if before is None and "rekey.dev/credential" in labels and owner(change.body) not in moment.owners:
            yield f"{change.name} was made for a credential that never was in this namespace"
    if change.resource == "deployments" and before is not None:
        old, new = named(before), named(change.body)
        ever = {one["metadata"]["name"] for one in moment.owners.values()}
        for credential in sorted(new.keys() - old.keys() - ever):
            yield f"{change.name} names a version of {credential}, which never was in this namespace"
