"""A new version is used once before anybody is given it: when it is tried, tried again, or given up.

1. A refusal that is repeated takes the version back; a service that cannot be asked never does.
2. One that keeps what the next is got with is never taken back: it is tried for as long as it is good (`publish`).
3. The version before stays current and accepted all the while; nothing waits that is not of this rotation.
"""

from __future__ import annotations

from datetime import datetime

from rekey.core import probing, replying
from rekey.core.effects import Act, Condemn, Decision, Hold, Look, Prove, What
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.record import ceil
from rekey.core.spec import Validation
from rekey.core.status import Version
from rekey.core.status_probe import Finding, Probe


def prove(facts: Facts, pending: Version) -> Decision | None:
    """Return what is next until the version has been accepted; None: it has, or is not to be proved."""
    if not probing.wanted(facts) or probing.is_accepted(pending, facts):
        return None
    probe = probing.of(pending, probing.digest(facts))
    # From what others know there is no way back: another version would be refused as well.
    final = facts.chained or replying.compromised_by(facts.status, pending.number) is not None
    over = probe is not None and probe.refused >= _threshold(facts)
    if probe is not None and (final or not over) and (wait := _pause(facts, pending, probe)):
        return wait
    if facts.bundle is None:
        return Look(frozenset({What.BUNDLE}))  # a crash may have come after it was shown
    if probe is not None and over and not final:
        return _give_up(facts, pending, probe)
    return Act(Prove(pending.number), f"version {pending.number} is used once before anybody is given it")


def _give_up(facts: Facts, pending: Version, probe: Probe) -> Act:
    tried = facts.status.rotation.attempts if facts.status.rotation else 1
    until = facts.now + facts.timing.remake * 2 ** min(tried - 1, probing.MAX_REFUSED)
    text = f"version {pending.number} was refused: {probe.message}"
    return Act(Condemn(pending.number, until, refused=probe.by), text)


def _pause(facts: Facts, pending: Version, probe: Probe) -> Hold | None:
    """Return that the next try is later; each pause is twice as long as the one before."""
    tries = probe.unreachable or probe.refused
    longest = facts.timing.slowest_probe
    until = ceil(probe.time) + min(longest, facts.timing.poll * 2 ** min(tries - 1, 16))
    if facts.now >= until:
        return None
    return _hold(facts, pending, probe, until)


def _hold(facts: Facts, pending: Version, probe: Probe, until: datetime) -> Hold:
    limit = _threshold(facts)
    text = f"version {pending.number} is not used yet: {probe.message}; asked again {until:%F %T}Z"
    match probe.finding:
        case Finding.FORBIDDEN:
            return Hold(until, Reason.VALIDATION_FORBIDDEN, text, stalled=True)
        case Finding.UNREACHABLE if probe.unreachable >= limit:
            return Hold(until, Reason.VALIDATION_UNREACHABLE, text, stalled=True)
        case Finding.REFUSED if probe.refused >= limit:
            return Hold(until, Reason.VALIDATION_REFUSED, text, stalled=True)
        case _:
            return Hold(until, Reason.VALIDATING, text)


def _threshold(facts: Facts) -> int:
    return (facts.spec.validation or Validation()).failure_threshold


def back_off(facts: Facts) -> Hold | None:
    """Return that after a refusal another version is not made yet, or not before somebody mends what is wrong."""
    last = facts.status.rotation
    if last is None or last.refused is None or last.next_attempt_time is None or mended(facts):
        return None
    if last.attempts >= probing.MAX_REFUSED:
        text = (
            f"{_asked(facts)} refused {last.attempts} versions in a row, the last was {last.number}:"
            " mend it, or how it is asked, then set a new rotation.trigger"
        )
        return Hold(None, Reason.VALIDATION_REFUSED, text, stalled=True)
    if facts.now >= last.next_attempt_time:
        return None
    when = f"{last.next_attempt_time:%F %T}Z"
    text = f"{_asked(facts)} refused version {last.number}; another is made {when}"
    return Hold(last.next_attempt_time, Reason.VALIDATION_REFUSED, text, stalled=True)


def _asked(facts: Facts) -> str:
    return "the service of spec.validation" if facts.spec.provider is None else "the backend"


def mended(facts: Facts) -> bool:
    """Say whether the service is asked in another way than when it refused the last version, or no more."""
    last = facts.status.rotation
    return last is not None and last.refused is not None and last.refused != probing.digest(facts)
