"""Versions that are made at a backend: written down before anything is there, and announced before anything is done.

1. A number is reserved in the ledger, and that is saved, before the backend hears of it: whatever is there under a
   number was written down (promises S3 and S9).
2. An effect at a backend cannot be fenced by the API server. It follows a write of this ledger, which only the leader
   can make, within `timing.intent`; an older one is announced anew first.
3. A backend that does not let us in is not asked again about that version before what we log in with has changed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import log2
from typing import Final

from rekey.core import ledger, renewal, start
from rekey.core.effects import (
    AT_BACKEND,
    Act,
    Announce,
    Decision,
    Discard,
    Hold,
    Issue,
    Look,
    Obtain,
    Prove,
    Reserve,
    Revoke,
    What,
)
from rekey.core.facts import Facts
from rekey.core.reasons import Reason
from rekey.core.record import ceil
from rekey.core.status import Version
from rekey.errors import BackendAway, KeysAway

PATIENCE: Final = 5
"""How often a backend may leave something unanswered before that is said loudly."""
_OF_ONE: Final = 3
"""How often a pause doubles while the first announcement holds."""


def carry_on(facts: Facts) -> Decision | None:
    """A reserved version is made, if it is still what the spec asks for; else whatever was made of it is taken away."""
    reserved = ledger.reserved(facts.status)
    if reserved is None:
        return None
    number = reserved.number
    if reserved.digest != start.wanted_digest(facts.spec) and not facts.chained:
        if facts.bundle is None:
            return Look(frozenset({What.BUNDLE}))  # a crash may have come after it was shown
        if facts.bundle_version != number:
            return Act(Discard(number), f"version {number} was reserved for an older spec")
    return Act(Obtain(number), f"version {number} is reserved: it is made at its backend now")


def at_backend(facts: Facts, decision: Decision) -> Decision:
    """Return the decision as it is for a credential that lives at a backend: intent first, and not long before."""
    if facts.spec.provider is None or not isinstance(decision, Act):
        return decision
    effect = decision.effect
    if isinstance(effect, Issue):
        return replace(decision, effect=Reserve(effect.number, effect.cause, effect.asked, again=effect.again))
    if not isinstance(effect, AT_BACKEND):
        return decision
    if wait := _shut_out(facts, effect):
        return wait
    if not is_announced(facts, effect.number, facts.now):
        return Act(Announce(effect.number), f"about to do: {decision.message}")
    return decision


def _shut_out(facts: Facts, effect: Obtain | Prove | Revoke | Discard) -> Look | Hold | None:
    """Return that the backend did not let us in, and that there is nothing new to log in with."""
    version = ledger.find(facts.status, effect.number)
    refusal, end = version.refusal, version.expiration_time
    ended = facts.spec.renews and end is not None and facts.now >= end
    if refusal is None or (ended and isinstance(effect, Revoke | Discard)):  # of what has ended nobody is asked
        return None
    if facts.means is None:
        return Look(frozenset({What.PROVIDER}))
    if facts.means != refusal.by:
        return None
    return Hold(facts.now + facts.timing.remake, Reason(refusal.reason), refusal.message, stalled=True)


def later(facts: Facts, decision: Decision, away: BackendAway) -> Hold:
    """Return when a backend that does not answer is asked again: rarer as it takes longer, or as it says."""
    number = getattr(decision.effect, "number", 0) if isinstance(decision, Act) else 0
    version = next((item for item in facts.status.versions if item.number == number), None)
    tries = _failures(version, facts.now) if version is not None else 1
    active = ledger.active(facts.status)
    expires = active.expiration_time if active is not None and facts.spec.renews else None
    until = renewal.try_again_at(facts.now, expires, tries, f"{facts.credential.uid}:{number}", away.retry_after)
    keys = isinstance(away, KeysAway)
    whom, reason = (
        ("the key that seals", Reason.KEY_UNAVAILABLE) if keys else ("its backend", Reason.BACKEND_UNREACHABLE)
    )
    text = f"version {number} waits for {whom}: {away}; asked again {ceil(until):%F %T}Z"
    return Hold(until, reason, text, stalled=tries > PATIENCE)


def _failures(version: Version, now: datetime) -> int:
    """Return how often in a row it failed, this time included.

    On record are announcements, and after the first several tries fit in: as many as pauses that doubled so far.
    """
    if version.tries is not None:
        return _OF_ONE + 1 + version.tries
    waited = (now - version.intent_time).total_seconds() if version.intent_time is not None else 0.0
    return 1 + min(_OF_ONE, int(log2(1 + max(waited, 0.0))))


def is_announced(facts: Facts, number: int, now: datetime) -> bool:
    """Say whether the version is announced, and not so long ago that nothing may follow it any more."""
    at = ledger.find(facts.status, number).intent_time
    return at is not None and now < at + facts.timing.intent
