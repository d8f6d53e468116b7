"""What happens when a credential is deleted: its policy is carried out, then it is let go."""

from __future__ import annotations

from rekey.core.effects import Act, Decision, Destroy, Hold, LetGo, Release
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.spec import DeletionPolicy


def decide(facts: Facts, finalizer: str) -> Decision:
    """Return the next step of a deletion.

    Under `Revoke` the finalizer goes after `timing.grace` of trying all the same: the garbage collector then deletes
    what still names the credential as its owner. Under `Retain` that would delete what is to stay, so that is tried for
    as long as it takes.
    """
    deleting = facts.credential.deleting
    if deleting is None or finalizer not in facts.credential.finalizers:
        return Hold(None, Reason.DELETING, "the finalizer is off: the API server does the rest")
    if facts.cleared is True:
        return Act(LetGo(), "the deletion policy is carried out")
    revoke = facts.spec.deletion_policy is DeletionPolicy.REVOKE
    if facts.cleared is None:
        return Act(Destroy(), "deletionPolicy is Revoke") if revoke else Act(Release(), "deletionPolicy is Retain")
    late = facts.now > max(deleting, facts.started) + facts.timing.grace
    if late and revoke:
        return Act(LetGo(orphaned=True), f"could not be cleaned up for {facts.timing.grace}")
    text = "the Secrets could not be cleaned up: is the operator allowed to get, patch and delete them?"
    return Hold(facts.now + facts.timing.slowest_poll, Reason.DELETING, text, stalled=late)
