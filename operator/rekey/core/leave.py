"""What happens when a credential is deleted: its policy is carried out, then it is let go."""

from __future__ import annotations

from rekey.core.effects import Act, Decision, Destroy, Hold, LetGo, Release
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.spec import DeletionPolicy


def decide(facts: Facts, finalizer: str) -> Decision:
    """Return the next step of a deletion; after `timing.grace` of trying the finalizer goes all the same."""
    deleting = facts.credential.deleting
    if deleting is None or finalizer not in facts.credential.finalizers:
        return Hold(None, Reason.DELETING, "the finalizer is off: the API server does the rest")
    if facts.cleared is True:
        return Act(LetGo(), "the deletion policy is carried out")
    if facts.cleared is False:
        if facts.now > deleting + facts.timing.grace:
            return Act(LetGo(orphaned=True), f"could not be cleaned up for {facts.timing.grace}")
        return Hold(facts.now + facts.timing.slowest_poll, Reason.DELETING, "cleaning up did not succeed yet")
    if facts.spec.deletion_policy is DeletionPolicy.REVOKE:
        return Act(Destroy(), "deletionPolicy is Revoke")
    return Act(Release(), "deletionPolicy is Retain")
