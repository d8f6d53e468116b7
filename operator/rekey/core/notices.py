"""Which Events a step deserves: read off the status before and after it, so that a repeated step says nothing new."""

from __future__ import annotations

from collections.abc import Iterator

from rekey.core import health, ledger, probing, report, rollout
from rekey.core.answer import AnswerState
from rekey.core.effects import Restart
from rekey.core.reasons import Notice, Reason
from rekey.core.status import Cause, Condition, State, Status, Step, Version

Said = tuple[Notice, str, str]


def of_restart(effect: Restart) -> Said:
    """Return the Event of one restart."""
    where = f"{effect.kind}/{effect.name}"
    detail = f"{where}={effect.value or 'none'}"
    if effect.reapplied:
        return (
            Notice.CONSUMER_REVERTED,
            detail,
            f"{where} had been put back; version {effect.value} was written again",
        )
    version = f"version {effect.value}" if effect.value else "the version it had at first"
    return Notice.CONSUMER_RESTARTED, detail, f"{where} is restarted for {version}"


def between(before: Status, after: Status) -> Iterator[Said]:
    """Yield the Events of what changed between two saved statuses, in the order in which it happened.

    Each is a notice, a detail that makes its name unique within the rotation, and a note. Of a renewal nothing is said:
    it goes by itself every few minutes.
    """
    yield from _requests(before, after)
    old = {version.number: version for version in before.versions}
    rotation = after.rotation or before.rotation
    if rotation is None or rotation.cause is not Cause.RENEWAL:
        for version in after.versions:
            yield from _version(old.get(version.number), version, after)
    yield from _consumers(before, after)
    yield from _conditions(before, after)


def _requests(before: Status, after: Status) -> Iterator[Said]:
    """What became of requests: that one was taken up, that it was refused, that it came to nothing."""
    known = {item.uid: item.state for item in before.requests}
    for item in after.requests:
        if known.get(item.uid) is item.state:
            continue
        who = f"RotationRequest {item.name}" + (f" ({item.requested_by})" if item.requested_by else "")
        note = f"{who}: {item.reason}: {item.message}"
        if item.state in _TROUBLE:
            yield _TROUBLE[item.state], item.uid, note
        elif item.uid not in known:
            yield Notice.REQUEST_ACCEPTED, item.uid, note


_TROUBLE = {AnswerState.REFUSED: Notice.REQUEST_REFUSED, AnswerState.FAILED: Notice.REQUEST_FAILED}


def _consumers(before: Status, after: Status) -> Iterator[Said]:
    """A consumer that waits for a person, or that was taken from the spec while a rotation was under way."""
    was = {(entry.kind, entry.name): entry.message or "" for entry in before.consumers}
    now = {(entry.kind, entry.name): entry.message or "" for entry in after.consumers}
    for (kind, name), message in now.items():
        if message.startswith(rollout.WAITING) and not was.get((kind, name), "").startswith(rollout.WAITING):
            yield Notice.CONSUMER_WAITING, f"{kind}/{name}", f"{kind}/{name} is {message}"
    if before.rotation is not None and after.rotation is not None:
        for kind, name in sorted(was.keys() - now.keys()):
            yield (
                Notice.CONSUMER_REMOVED,
                f"{kind}/{name}",
                f"{kind}/{name} is no longer declared: it gates no more",
            )


def _version(before: Version | None, after: Version, status: Status) -> Iterator[Said]:
    number = str(after.number)
    if (before is None or before.state is not after.state) and after.state in _STATES:
        yield from _STATES[after.state](before, after, status)
    started = after.overlap_start_time is not None and (before is None or before.overlap_start_time is None)
    if started and not after.rolled_back and after.state is State.RETIRING:
        end = f" until {status.overlap_end_time:%F %T}Z at least" if status.overlap_end_time else ""
        text = f"version {status.current_version} is active; version {number} is accepted{end}"
        yield Notice.OVERLAP_STARTED, number, text
    taken_back = after.rolled_back and not (before is not None and before.rolled_back)
    if taken_back and after.probe is not None and probing.is_refused(status.rotation):
        note = f"version {number} is discarded, nobody used it: {after.probe.message}"
        yield Notice.VALIDATION_REFUSED, number, note
    elif taken_back:
        failed = [item for item in status.consumers if False in {item.moved, item.healthy}]
        late = [f"{item.kind}/{item.name}: {item.message}" for item in failed]
        yield Notice.ROLLOUT_FAILED, number, f"version {number} is taken back: {'; '.join(late)}"


def _now_published(_: Version | None, after: Version, __: Status) -> Iterator[Said]:
    text = f"version {after.number} is in the verifier's Secret; it is used when verifiers know it"
    yield Notice.PUBLISHED, str(after.number), text


def _now_active(before: Version | None, after: Version, status: Status) -> Iterator[Said]:
    number = after.number
    if before is not None and before.state is State.RETIRING:
        yield Notice.ROLLED_BACK, str(number), f"version {number} is current again"
    elif after.activated_time is None:
        return  # it was current before we knew it: the step that took it over says so itself
    elif not any(version.state in {State.RETIRING, State.REVOKING} for version in status.versions):
        yield Notice.ISSUED, str(number), f"version {number} is the first and is current"
    elif not any(version.overlap_start_time for version in ledger.retiring(status)):
        yield Notice.ACTIVATED, str(number), f"version {number} is current; consumers are moved to it now"


def _now_revoking(_: Version | None, after: Version, __: Status) -> Iterator[Said]:
    if after.forced:
        why = "is compromised" if after.compromised else "is past overlap.deadline"
        text = f"version {after.number} {why}: it is revoked although pods may hold it"
        yield Notice.REVOCATION_FORCED, str(after.number), text
    elif not after.rolled_back:
        yield Notice.OVERLAP_EXPIRED, str(after.number), f"the overlap of version {after.number} is over"


def _now_revoked(_: Version | None, after: Version, __: Status) -> Iterator[Said]:
    yield Notice.REVOKED, str(after.number), f"version {after.number} is gone"


def _now_discarded(_: Version | None, after: Version, __: Status) -> Iterator[Said]:
    yield Notice.DISCARDED, str(after.number), f"version {after.number} was discarded"


_STATES = {
    State.PUBLISHED: _now_published,
    State.ACTIVE: _now_active,
    State.REVOKING: _now_revoking,
    State.REVOKED: _now_revoked,
    State.DISCARDED: _now_discarded,
}


def _conditions(before: Status, after: Status) -> Iterator[Said]:
    for kind, notice in (
        (report.BLOCKED, Notice.REVOCATION_BLOCKED),
        (report.UNDECLARED, Notice.UNDECLARED_CONSUMER),
        (report.EXPIRING, Notice.EXPIRING),
        (health.POSTPONED, Notice.POSTPONED),
        (report.STALLED, Notice.STALLED),
    ):
        was, now = _find(before, kind), _find(after, kind)
        if (
            now is None
            or now.status != "True"
            or (was is not None and (was.status, was.reason) == ("True", now.reason))
        ):
            continue
        if now.reason != Reason.ROLLOUT_FAILED:
            yield notice, f"{now.reason} {now.last_transition_time}", f"{now.reason}: {now.message}"
        elif after.rotation is not None and after.rotation.step is not Step.ROLLED_BACK:
            yield Notice.ROLLOUT_FAILED, now.reason.lower(), now.message


def _find(status: Status, kind: str) -> Condition | None:
    return next((item for item in status.conditions if item.type == kind), None)
