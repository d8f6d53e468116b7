"""The only place that chooses: `decide(facts)` answers what to do next, or why nothing is to be done until when.

1. Rules are asked in order; the first that answers wins. What was begun is finished before anything is begun.
2. A rule that needs to see more answers `Look`; nothing is read that no rule asked for.
3. The answer depends on the facts alone: the same facts give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable

from rekey.core import answering, finish, leave, ledger, providing, publish, start
from rekey.core.effects import (
    Act,
    Adopt,
    Decision,
    Finalize,
    Hold,
    Issue,
    Look,
    Restore,
    What,
)
from rekey.core.facts import BundleState, Facts
from rekey.core.reasons import Reason
from rekey.core.spec import Adopt as Adoption
from rekey.core.status import Cause

FINALIZER = "rekey.dev/finalizer"
Rule = Callable[[Facts], Decision | None]


def take_leave(facts: Facts) -> Decision | None:
    """A credential that is being deleted is only taken leave of."""
    return leave.decide(facts, FINALIZER) if facts.credential.deleting is not None else None


def refuse(facts: Facts) -> Decision | None:
    """A spec that cannot be carried out stops before any effect; what is under way is finished first."""
    if not facts.problems or any(version.state in ledger.LIVE for version in facts.status.versions):
        return None
    return start.stalled(facts)


def hold_on(facts: Facts) -> Decision | None:
    """Our finalizer comes before the first effect, so that nothing is ever left without a record."""
    if FINALIZER not in facts.credential.finalizers:
        return Act(Finalize(), "the finalizer comes before the first effect")
    return None


def begin(facts: Facts) -> Decision | None:
    """A credential without a ledger is issued, adopted, or rebuilt from its bundle."""
    if any(version.state in ledger.LIVE for version in facts.status.versions):
        return None
    match facts.bundle:
        case None:
            return Look(frozenset({What.BUNDLE}))
        case BundleState.MISSING:
            return start.first(facts)
        case BundleState.UNOWNED if facts.spec.target.adopt is Adoption.UNOWNED:
            return Act(Adopt(), "the Secret exists, nobody owns it, and target.adopt is Unowned")
        case BundleState.UNOWNED | BundleState.FOREIGN:
            return _taken(facts)
        case _:
            return Act(Adopt(), "the status was lost: the ledger is rebuilt from the bundle")


def _taken(facts: Facts) -> Hold:
    name = facts.spec.target.secret_name or facts.credential.key.name
    hint = "give the credential another target.secretName, or delete that Secret"
    if facts.bundle is BundleState.UNOWNED:
        hint = "set target.adopt: Unowned to take its value over as version 1, or delete it"
    return Hold(None, Reason.NAME_TAKEN, f"Secret {name} exists and is not ours: {hint}", stalled=True)


def inspect(facts: Facts) -> Decision | None:
    """Drift is repaired by restoring; a bundle that is ahead of the ledger is caught up with."""
    if not facts.check or facts.status.bundle is None:
        return None
    match facts.bundle:
        case None:
            return Look(frozenset({What.BUNDLE}))
        case BundleState.FOREIGN | BundleState.UNOWNED:
            return _taken(facts)
        case BundleState.MISSING | BundleState.CHANGED:
            return Act(Restore(), "a Secret was changed or deleted by somebody else, or its template changed")
        case BundleState.AHEAD | BundleState.LOST if not _is_coming(facts):
            return _replace(facts)
        case _:
            return None


def _is_coming(facts: Facts) -> bool:
    return ledger.pending(facts.status) is not None or ledger.reserved(facts.status) is not None


def _replace(facts: Facts) -> Decision | None:
    """What the bundle shows is not what the ledger says: a later version of ours, or a value that is lost."""
    if facts.bundle is BundleState.LOST:
        effect = Issue(ledger.next_number(facts.status), Cause.VALUE_LOST, start.answered_by_issue(facts))
        return Act(effect, "no copy of the value is left")
    if facts.bundle_version is None:
        return None
    # Its Secret says for whom it was made.
    effect = Issue(facts.bundle_version, Cause.REBUILT, start.answered_by_issue(facts))
    return Act(effect, "the bundle is ahead of the ledger: catch up")


RULES: tuple[Rule, ...] = (
    take_leave,
    refuse,
    hold_on,
    begin,
    inspect,
    publish.carry_on,
    answering.reply,
    finish.revoke_asked,
    providing.carry_on,
    answering.compromise,
    finish.revoke_committed,
    publish.keep_up,
    publish.introduce,
    publish.take_back,
    answering.go_back,
    finish.roll_back,
    answering.revoke_compromised,
    finish.roll_out,
    finish.revoke_again,
    finish.retire_old,
    answering.make_room,
    start.rotate,
)


def decide(facts: Facts) -> Decision:
    """Return what to do next for one credential, always with a reason."""
    for rule in RULES:
        decision = rule(facts)
        if decision is not None:
            return providing.at_backend(facts, decision)
    return Hold(None, Reason.ACTIVE, "nothing to do")
