"""Events: what changed is said once, under a name that a repeated step would use again."""

from __future__ import annotations

import hashlib

from rekey.core import gate, health, ledger, notices
from rekey.core.effects import Adopt, Effect, Hold, Issue, LetGo, Restart, Restore, Tell
from rekey.core.facts import BundleState, Credential, Facts
from rekey.core.notices import Said
from rekey.core.reasons import Notice
from rekey.core.spec import DeletionPolicy
from rekey.core.status import Cause, Status
from rekey.ports.cluster import News, Ports

_BEGUN = frozenset({Cause.SCHEDULE, Cause.TRIGGER, Cause.GENERATION_CHANGED, Cause.MANUAL, Cause.COMPROMISE})
"""Why a rotation begins; the other causes of a version repair something."""


def changes(ports: Ports, credential: Credential, before: Status, after: Status) -> None:
    """Announce what differs between two saved statuses."""
    rotation = after.rotation or before.rotation
    scope = rotation.id if rotation is not None else f"{credential.uid[:8]}-g{credential.generation}"
    for said in notices.between(before, after):
        ports.announcer.announce(credential, _news(credential, scope, said))


def effect(ports: Ports, before: Facts, after: Facts, done: Effect) -> None:
    """Announce an effect that the status does not tell of."""
    said: Said | None = None
    bundle = after.status.bundle.resource_version if after.status.bundle else ""
    match done:
        case Restart():
            said = notices.of_restart(done)
        case Restore() if before.bundle is not None and not _redrawn(before, after):
            said = (
                Notice.DRIFT_REPAIRED,
                bundle,
                "a Secret of this credential was changed or deleted: it was restored",
            )
        case Tell() if before.verifier is BundleState.CHANGED:
            told = after.status.verifier.resource_version if after.status.verifier else ""
            said = (Notice.DRIFT_REPAIRED, told, "what verifiers read was changed or deleted: it was restored")
        case Issue():
            said = _of_issue(before, done)
        case Adopt():
            number = after.status.current_version
            adopted = before.bundle is not None and before.bundle.value == "Unowned" and number == 1
            notice = Notice.ADOPTED if adopted else Notice.REBUILT
            text = f"version {number} was found in the bundle and is current"
            if adopted:
                text = f"the value of Secret {gate.target_name(after)} was taken over as version {number}"
            said = (notice, str(number), text)
        case _:
            return
    if said is not None:
        rotation = after.status.rotation
        scope = rotation.id if rotation is not None else f"{after.credential.uid[:8]}-g{after.credential.generation}"
        ports.announcer.announce(after.credential, _news(after.credential, scope, said))


def _of_issue(before: Facts, done: Issue) -> Said | None:
    """Say that a value was lost, or that what a rotation should have waited for is not so."""
    if done.cause is Cause.VALUE_LOST:
        text = "no copy of the current value was left: a new version is made, and the old one cannot be read any more"
        return Notice.VALUE_LOST, str(done.number), text
    if done.cause not in _BEGUN or (why := health.despite(before)) is None:
        return None
    return Notice.NOT_POSTPONED, str(done.number), f"version {done.number} is made all the same: {why}"


def _redrawn(before: Facts, after: Facts) -> bool:
    """Say whether the bundle was written because its template changed."""
    old, new = before.status.bundle, after.status.bundle
    return old is not None and new is not None and old.render != new.render


def left(ports: Ports, facts: Facts, done: LetGo) -> None:
    """Announce how a deletion ended."""
    credential = facts.credential
    live = (version.secret_name for version in facts.status.versions if version.state not in ledger.ENDED)
    told = {facts.spec.verifier.secret_name} if facts.spec.verifier is not None else set()
    names = ", ".join(sorted({gate.target_name(facts), *live, *told}))
    if done.orphaned:
        said: Said = (Notice.ORPHANED, "", f"let go without cleaning up; left: {names}")
    elif facts.spec.deletion_policy is DeletionPolicy.REVOKE:
        said = (Notice.DESTROYED, "", "every version and the bundle were deleted")
    else:
        said = (Notice.RELEASED, "", f"left behind, owned by nobody: {names}")
    ports.announcer.announce(credential, _news(credential, credential.uid[:8], said))


def stalled(ports: Ports, facts: Facts, hold: Hold) -> None:
    """Announce that a deletion does not get on: there is no status to say so."""
    credential = facts.credential
    said: Said = (Notice.STALLED, hold.reason, f"{hold.reason}: {hold.message}")
    ports.announcer.announce(credential, _news(credential, credential.uid[:8], said))


def _news(credential: Credential, scope: str, said: Said) -> News:
    notice, detail, note = said
    tail = hashlib.sha256(detail.encode()).hexdigest()[:8]
    return News(f"{credential.key.name}.{scope}.{notice.lower()}.{tail}", notice, note)
