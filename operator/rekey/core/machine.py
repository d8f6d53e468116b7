"""The only place that changes a version's state.

1. `advance` is pure and total over the effects: the same status, effect and outcome give the same status.
2. A version goes only where `edges.EDGES` lets it.
"""

from __future__ import annotations

from rekey.core import demand, effects, entering, ledger, proof, replying
from rekey.core.changing import at, put
from rekey.core.edges import Verb, go
from rekey.core.outcome import Outcome
from rekey.core.record import ceil, floor
from rekey.core.status import Cause, ConsumerStatus, Rotation, Status, Step


def _as_written(status: Status, out: Outcome) -> dict[str, object]:
    return {"bundle": out.bundle or status.bundle, "verifier": out.verifier or status.verifier}


def published(status: Status, effect: effects.Publish, out: Outcome) -> Status:
    """Verifiers can read the version from now on; nobody uses it yet."""
    status = put(status, *out.versions, verifier=out.verifier, rotation=at(status, Step.PUBLISHING))
    return put(status, go(ledger.find(status, effect.number), Verb.PUBLISH, published_time=ceil(out.after)))


def activated(status: Status, effect: effects.Activate, out: Outcome) -> Status:
    """The bundle shows the version; the one before it is accepted until its overlap is over."""
    issued = ledger.find(status, effect.number)
    # A lost reply may have shown it before: nobody can have read it before it was made.
    since = floor(min(issued.issued_time or out.before, out.before))
    version = go(issued, Verb.ACTIVATE, activated_time=since)
    old = ledger.active(status)
    changed = [] if old is None else [go(old, Verb.SUPERSEDE, retire_time=ceil(out.after))]
    if (leak := replying.compromised_by(status, version.number)) is not None:
        # One that was being taken back is no better than the rest now: it goes with them.
        marks = {"compromised": leak, "rolled_back": None}
        changed = [item.model_copy(update=marks) for item in (*changed, *ledger.retiring(status))]
    return put(
        status,
        version,
        *changed,
        bundle=out.bundle,
        current_version=version.number,
        last_rotation_time=floor(out.before),
        overlap_end_time=None,
        rotation=at(status, Step.ROLLING_OUT) if old is not None else None,
    )


def overlapping(status: Status, effect: effects.StartOverlap) -> Status:
    """Every consumer has moved: the overlap clock of the superseded version runs."""
    version = ledger.find(status, effect.number).model_copy(update={"overlap_start_time": ceil(effect.at)})
    rolled_back = version.rolled_back
    return put(status, version, rotation=status.rotation if rolled_back else at(status, Step.OVERLAP))


def condemned(status: Status, effect: effects.Condemn, out: Outcome) -> Status:
    """The rollout failed, or somebody asked: the intent to go back is on record."""
    version = ledger.find(status, effect.number).model_copy(update={"rolled_back": True})
    rotation, answers, before = status.rotation, status.requests, ledger.previous(status)
    if effect.asked:
        rotation = Rotation(
            id=f"{effect.asked[0].uid[:8]}-{version.number}",
            number=version.number,
            cause=Cause.ROLLBACK,
            requested_by=demand.credit(effect.asked),
            step=Step.ROLLING_BACK,
            started_time=out.before,
            spec=rotation.spec if rotation else None,
        )
        target = before.number if before is not None else None
        answers = replying.begun(status, effect.asked, out.after, version.number, target)
    step = {"step": Step.ROLLING_BACK, "next_attempt_time": ceil(effect.next_attempt), "refused": effect.refused}
    return put(status, version, rotation=rotation and rotation.model_copy(update=step), requests=answers)


def reinstated(status: Status, effect: effects.Reinstate, out: Outcome) -> Status:
    """The version before is current again; the failed one passes the gate like any other."""
    version = go(ledger.find(status, effect.number), Verb.REINSTATE, retire_time=None, overlap_start_time=None)
    failed = go(ledger.find(status, effect.failed), Verb.WITHDRAW, retire_time=ceil(out.after))
    return put(
        status,
        version,
        failed,
        bundle=out.bundle,
        current_version=version.number,
        last_rotation_time=ledger.current_since(version),
        overlap_end_time=None,
    )


def ended(status: Status, number: int, verb: Verb, out: Outcome) -> Status:
    """The version is gone; records beyond the history limit are dropped, never the highest number."""
    gone = go(ledger.find(status, number), verb, proof=proof.remains(ledger.find(status, number).proof), refusal=None)
    status = put(status, gone, **_as_written(status, out))
    over = [version for version in status.versions if version.state in ledger.ENDED]
    highest = max(version.number for version in status.versions)
    dropped = {version.number for version in over[: max(0, len(over) - out.history)]} - {highest}
    kept = tuple(version for version in status.versions if version.number not in dropped)
    return status.model_copy(update={"versions": kept})


def unused(status: Status, effect: effects.Discard, out: Outcome) -> Status:
    """A version that nobody used is gone; whoever asked for it had no answer yet, so the trigger counts again.

    But if verifiers failed with it, or a service refused it: the same again at once would fail again.
    """
    if not ledger.find(status, effect.number).rolled_back:
        pinned = (status.rotation.spec if status.rotation else None) or {}
        requests = replying.without(status, effect.number)
        status = status.model_copy(update={"observed_trigger": pinned.get(entering.OBSERVED), "requests": requests})
    return ended(status, effect.number, Verb.DISCARD, out)


def restarted(status: Status, effect: effects.Restart, out: Outcome) -> Status:
    """A consumer's pod template names another version now."""
    key = (effect.kind, effect.name)
    others = tuple(entry for entry in status.consumers if (entry.kind, entry.name) != key)
    entry = ConsumerStatus(
        kind=effect.kind,
        name=effect.name,
        wanted=int(effect.value) if effect.value else None,
        replaced=out.replaced,
        restarted_time=out.after,
        reapplied=True if effect.reapplied else None,
        moved=False,
    )
    return status.model_copy(update={"consumers": (*others, entry)})


def concluded(status: Status) -> Status:
    """Nothing of the rotation is left; a failed one stays on record for its next attempt."""
    failed = status.rotation is not None and status.rotation.step is Step.ROLLING_BACK
    rotation = at(status, Step.ROLLED_BACK, spec=None) if failed else None
    return status.model_copy(update={"rotation": rotation, "overlap_end_time": None})


def committed(status: Status, effect: effects.Commit, out: Outcome) -> Status:
    """From here there is no way back for this version."""
    before = ledger.find(status, effect.number)
    changes: dict[str, object] = {"forced": effect.forced or None, "revocation_time": floor(out.before)}
    if before.intent_time is not None:
        changes |= {"intent_time": floor(out.before), "tries": None}  # what follows at its backend is announced by this
    version = go(before, Verb.COMMIT, **changes)
    # What is committed beside a rotation that is elsewhere, such as a token that has ended, is none of its steps.
    rotation = status.rotation
    follows = rotation is not None and rotation.step in {Step.ROLLING_OUT, Step.OVERLAP}
    waits = version.rolled_back or effect.forced or not follows
    return put(status, version, rotation=rotation if waits else at(status, Step.REVOKING))


def refused(status: Status, number: int, out: Outcome) -> Status:
    """Its backend does not let us in: the version is where it was, and it is on record by what we tried."""
    version = ledger.find(status, number).model_copy(update={"refusal": out.refusal})
    return put(status, version, **_as_written(status, out))


def advance(status: Status, effect: effects.Effect, out: Outcome) -> Status:  # noqa: C901, PLR0911, PLR0912  one arm an effect
    """Return the status after the effect was done with that outcome.

    Raises:
        IllegalTransition: the ledger does not allow it; nothing was changed.
    """
    if out.refusal is not None and isinstance(effect, effects.AT_BACKEND):
        return refused(status, effect.number, out)
    match effect:
        case effects.Issue() | effects.Reserve() | effects.Announce() | effects.Obtain() | effects.Adopt():
            return entering.enter(status, effect, out)
        case effects.Publish():
            return published(status, effect, out)
        case effects.Tell() | effects.Restore():
            return put(status, *out.versions, **_as_written(status, out))
        case effects.Prove():
            return put(status, *out.versions, rotation=at(status, Step.VALIDATING))
        case effects.Activate():
            return activated(status, effect, out)
        case effects.StartOverlap():
            return overlapping(status, effect)
        case effects.Condemn():
            return condemned(status, effect, out)
        case effects.Reinstate():
            return reinstated(status, effect, out)
        case effects.Commit():
            return committed(status, effect, out)
        case effects.Revoke():
            failed = ledger.find(status, effect.number).rolled_back
            return ended(status, effect.number, Verb.DISCARD if failed else Verb.REVOKE, out)
        case effects.Discard():
            return unused(status, effect, out)
        case effects.Restart():
            return restarted(status, effect, out)
        case effects.Reply():
            return replying.replied(status, effect)
        case effects.Conclude():
            return concluded(status)
        case effects.Finalize() | effects.Release() | effects.Destroy() | effects.LetGo():
            return status
