"""Verifiers come first: a version is published, they are moved to it, and only then it may become current.

1. Nobody is given a version that a verifier might refuse: those that are restarted must all have started since it was
   published, the others have `overlap.propagation` to read it.
   Then the version is proved (`proving`), if a service is named that can do so; one without verifiers is as well.
2. While verifiers are moved nothing but that changes: the version before is accepted all the time.
3. A version that verifiers fail with is taken back like any other; nobody used it.
"""

from __future__ import annotations

from rekey.core import ledger, moving, probing, proving, replying, retire, rollout, schedule, start, verifying
from rekey.core.effects import Act, Activate, Decision, Discard, Hold, Look, Publish, Tell, What
from rekey.core.facts import BundleState, Facts
from rekey.core.reasons import Reason
from rekey.core.spec import Refresh, Role
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import State, Version


def carry_on(facts: Facts) -> Decision | None:
    """A version that was made but not recorded as shown is shown, if it is what the spec still asks for.

    One that was found after a crash may have been shown already: then the spec comes too late for it.
    """
    pending = ledger.pending(facts.status)
    if pending is not None and (later := ledger.pending(facts.status, above=pending.number)):
        return _followed(facts, pending, later)
    if pending is None or pending.rolled_back:
        return _given_up(facts, pending)
    unwanted = _unwanted(facts, pending)
    if (unwanted or facts.check) and facts.bundle is None:
        return Look(frozenset({What.BUNDLE}))
    number, shown = pending.number, facts.bundle_version == pending.number
    if unwanted and not shown:
        return Act(Discard(number), unwanted)
    if facts.pending_gone and not shown:
        return Act(Discard(number), f"version {number} was deleted before anybody saw it")
    if facts.spec.verifier is not None and pending.state is State.ISSUED:
        return Act(Publish(number), f"version {number} is stored and proved: verifiers come first")
    if shown or (facts.spec.verifier is None and not probing.wanted(facts)):
        return Act(Activate(number), f"version {number} is stored and proved{', and shown already' if shown else ''}")
    return None


def _followed(facts: Facts, pending: Version, later: Version) -> Decision:
    """A version that another one follows already is discarded, unless a crash came after it was shown."""
    if facts.bundle is None:
        return Look(frozenset({What.BUNDLE}))
    if facts.bundle_version == pending.number:
        return Act(Activate(pending.number), f"version {pending.number} is shown already")
    text = f"version {pending.number} ended before it was accepted; version {later.number} was got by what it kept"
    return Act(Discard(pending.number), text)


def _given_up(facts: Facts, pending: Version | None) -> Decision | None:
    """A version that is being taken back goes at once when what is leaked asks for another: two are never pending."""
    leak = start.unanswered(facts, RequestReason.COMPROMISE)
    if pending is None or not leak or ledger.active(facts.status) is None:
        return None
    return Act(Discard(pending.number), f"version {pending.number} is discarded at once: {leak[0]} asks for another")


def _unwanted(facts: Facts, pending: Version) -> str:
    """Return why a version is not to become current after all; empty if it is.

    One in which stands what the next is got with becomes current whatever has changed; another one follows it.
    """
    if facts.chained:
        return ""
    expires = pending.expiration_time
    if expires is not None and probing.wanted(facts) and facts.now >= expires - schedule.needed(facts.spec):
        return f"version {pending.number} would have to be replaced at once: it waited until it is about to expire"
    if pending.digest != start.wanted_digest(facts.spec):
        return f"version {pending.number} was made by an older spec"
    leak = start.unanswered(facts, RequestReason.COMPROMISE)
    waits = pending.state is State.PUBLISHED or probing.wanted(facts)
    if waits and leak and ledger.active(facts.status) is not None:
        return f"version {pending.number} was made before {leak[0]}, which asks for another one"
    return ""


def keep_up(facts: Facts) -> Decision | None:
    """The verifier's Secret says what the ledger says; what somebody else did to it is undone."""
    verifier = facts.spec.verifier
    entries = verifying.accepted(facts.status) if verifier is not None else ()
    if verifier is None or not entries:
        return None
    if facts.verifier is BundleState.FOREIGN:
        text = f"Secret {verifier.secret_name} is not ours: delete it, so that verifiers can be told what is accepted"
        return Hold(None, Reason.NAME_TAKEN, text, stalled=True)
    known = facts.status.verifier
    if facts.verifier is BundleState.CHANGED:
        return Act(Tell(), "the verifier's Secret was changed or deleted by somebody else")
    if known is None or known.digest != verifying.recipe(facts.credential.key, verifier, entries):
        return Act(Tell(), "the verifier's Secret is to say what is accepted now")
    return None


def introduce(facts: Facts) -> Decision | None:
    """Verifiers are moved to a published version; when all know it and it is proved, it becomes current."""
    pending = ledger.pending(facts.status)
    if pending is None or pending.rolled_back:
        return None
    at_once = replying.compromised_by(facts.status, pending.number) is RevokeWhen.IMMEDIATELY
    told = pending.state is State.PUBLISHED
    if told and facts.spec.verifier is not None and not at_once and (wait := _move(facts, pending)):
        return wait
    if not at_once and (wait := proving.prove(facts, pending)):
        return _outlive(facts, pending) or wait
    if told and facts.verifier is None:
        return Look(frozenset({What.VERIFIER}))
    return Act(Activate(pending.number), f"version {pending.number} is proved, and known to every verifier")


def _outlive(facts: Facts, pending: Version) -> Decision | None:
    """One that ended before it was accepted is followed by another, and given up when that is there.

    Not before: in it stands what the next is got with, and nowhere else.
    """
    ended = pending.expiration_time is not None and facts.now >= pending.expiration_time
    if not facts.chained or not ended or facts.spec.suspend or facts.problems:
        return None
    if facts.bundle is None:
        return Look(frozenset({What.BUNDLE}))  # a crash may have come after it was shown
    return start.begin(facts, start.routine(facts))


def _move(facts: Facts, pending: Version) -> Decision | None:
    since = pending.published_time or facts.now
    verifiers = [item for item in facts.spec.consumers if item.role is Role.VERIFIER]
    if any(item.refresh is Refresh.RESTART for item in verifiers) and (wait := _restart(facts, pending)):
        return wait
    until = since + facts.spec.overlap.propagation
    if facts.now < until:
        text = f"version {pending.number} is published: verifiers that are not restarted know it by {until:%F %T}Z"
        return Hold(until, Reason.AWAITING_VERIFIERS, text)
    return None


def _restart(facts: Facts, pending: Version) -> Decision | None:
    since = pending.published_time or facts.now
    readable = since + facts.timing.cache_lag + moving.SECOND
    if facts.now < readable:
        text = f"a verifier that starts now may read its Secret as it was before version {pending.number}"
        return Hold(readable, Reason.AWAITING_CACHES, text)
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    progress = tuple(item for item in rollout.assess(facts) if item.verifies)
    if late := rollout.condemned_by(facts, progress):
        return _failed(facts, pending, late)
    if item := rollout.next_restart(facts, progress):
        return moving.restart(facts, item)
    behind = [item for item in progress if not item.moved]
    if not behind:
        return None
    stuck = rollout.stuck(facts, behind)
    return Hold(retire.poll(facts, since), Reason.AWAITING_VERIFIERS, moving.waiting(behind), stalled=stuck)


def _failed(facts: Facts, pending: Version, late: rollout.Progress) -> Decision:
    """Take the version back, unless it must replace what others know, or there is none before it."""
    if facts.bundle is None:
        return Look(frozenset({What.BUNDLE}))  # a crash may have come after it was shown
    leaked = replying.compromised_by(facts.status, pending.number) is not None
    return moving.failed(
        facts, late, pending.published_time or facts.now, final=leaked or ledger.active(facts.status) is None
    )


def take_back(facts: Facts) -> Decision | None:
    """Verifiers that had moved to a version that is not to be used are moved back, then it is discarded."""
    failed = ledger.pending(facts.status)
    if failed is None or not failed.rolled_back:
        return None
    if failed.state is State.ISSUED:
        return Act(Discard(failed.number), f"version {failed.number} was refused, and nobody knew it")
    if facts.pods is None or facts.workloads is None:
        return Look(retire.USERS)
    progress = tuple(item for item in rollout.assess(facts) if item.verifies)
    if item := rollout.to_undo(progress, failed.number):
        return moving.back(item, failed.number)
    late = [item for item in progress if not item.moved]
    if not late:
        return Act(Discard(failed.number), f"every verifier is back from version {failed.number}")
    since = failed.published_time or facts.now
    return Hold(retire.poll(facts, since), Reason.ROLLING_BACK, moving.waiting(late))
