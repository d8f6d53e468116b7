"""Versions that live at a backend: written down first, announced shortly before, renewed where they end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from rekey.core import answering, effects, expiry, providing, publish, renewal, retire, start
from rekey.core.answer import AnswerState
from rekey.core.decide import decide
from rekey.core.demand import Demand
from rekey.core.effects import Act, Decision, Hold, What
from rekey.core.facts import BundleState, Facts
from rekey.core.reasons import Reason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import Cause, State, Status, Step, Version
from rekey.core.status_probe import Finding, Probe, Refusal
from rekey.errors import BackendAway
from tests.core.situations import MINUTE, NOON, active, after, facts, gist, retiring, rotation, status, version

ROLE = {"ref": {"name": "db"}, "postgresql": {"role": "orders"}}
WISH = RotatedCredentialSpec.model_validate(
    {"provider": ROLE, "rotation": {"interval": "240h", "jitterPercent": 0}, "overlap": {"duration": "10m"}}
)
TOKEN = RotatedCredentialSpec.model_validate({"provider": {"ref": {"name": "idp"}, "oauth2": {}}})
BY = start.wanted_digest(WISH)
REFUSAL = Refusal(reason="NeedsReauth", message="put a good password into Secret login", by="then")
INTACT: dict[str, Any] = {"bundle": BundleState.INTACT, "bundle_version": 1}
ACCEPTED = Probe(by=BY, time=NOON, finding=Finding.ACCEPTED, message="so it was")


def held(*versions: Version, cause: Cause = Cause.TRIGGER, step: Step = Step.ISSUING) -> Status:
    """Return a ledger in which version 1 is current, and those follow."""
    last = versions[-1].number if versions else 1
    under_way = rotation(step, last, cause=cause) if versions else None
    return status(active(1, digest=BY, intent_time=NOON - MINUTE), *versions, rotation=under_way)


def reserved(**fields: Any) -> Version:
    """Return version 2, written down at noon."""
    return version(2, State.RESERVED, **{"digest": BY, "handle": None, "intent_time": NOON, **fields})


def issued(**fields: Any) -> Version:
    """Return version 2, made at its backend just after noon."""
    return version(2, State.ISSUED, **{"digest": BY, "issued_time": after(1), "intent_time": NOON, **fields})


OLD = retiring(1, digest=BY, intent_time=NOON - MINUTE, overlap_start_time=NOON)
GOING = version(1, State.REVOKING, digest=BY, intent_time=after(700), revocation_time=after(700))


def decided(found: Status, seconds: float = 1, **more: Any) -> Decision:
    """Return what is decided so many seconds after noon."""
    return decide(facts(found, after(seconds), WISH, **{**INTACT, **more}))


def effect_of(decision: Decision) -> effects.Effect:
    """Return what is done."""
    assert isinstance(decision, Act), decision
    return decision.effect


EFFECTS: dict[str, tuple[Status, float, effects.Effect]] = {
    "a rotation begins by reserving a number": (held(), 11 * 86_400, effects.Reserve(2, Cause.SCHEDULE)),
    "a reserved version is made": (held(reserved()), 1, effects.Obtain(2)),
    "one that was reserved long ago is announced anew": (held(reserved()), 8, effects.Announce(2)),
    "one that was announced anew is made": (held(reserved(intent_time=after(60), tries=1)), 61, effects.Obtain(2)),
    "one that is for an older spec is taken away": (held(reserved(digest="other")), 1, effects.Discard(2)),
    "what was made is proved": (held(issued()), 2, effects.Prove(2)),
    "what was made long ago is announced before it is proved": (held(issued()), 60, effects.Announce(2)),
    "what was proved is shown, without an announcement": (
        held(issued(probe=ACCEPTED), step=Step.VALIDATING),
        60,
        effects.Activate(2),
    ),
    "what was committed just now is revoked": (status(GOING, active(digest=BY)), 701, effects.Revoke(1)),
    "what was committed before a crash is announced anew": (status(GOING, active(digest=BY)), 800, effects.Announce(1)),
}


@pytest.mark.parametrize("situation", EFFECTS)
def test_what_is_done(situation: str) -> None:
    """Intent first, and never long before."""
    found, seconds, wanted = EFFECTS[situation]
    assert effect_of(decided(found, seconds)) == wanted


def test_what_is_shown_already_is_not_taken_away_for_an_older_spec() -> None:
    """A crash may come between showing a token and saying so: nothing is taken away before a look."""
    older = held(reserved(digest="other"))
    assert gist(decided(older, bundle=None)) == frozenset({What.BUNDLE})
    assert effect_of(decided(older, bundle=BundleState.AHEAD, bundle_version=2)) == effects.Obtain(2)


def test_a_refusal_is_remembered() -> None:
    """Who must be mended by a person is looked at now and then, and asked again when he is another."""
    refused = held(reserved(refusal=REFUSAL))
    assert gist(decided(refused)) == gist(effects.Look(frozenset({What.PROVIDER})))
    hold = decided(refused, means="then")
    assert isinstance(hold, Hold)
    assert (hold.reason, hold.stalled, hold.until) == (Reason.NEEDS_REAUTH, True, after(31))
    assert effect_of(decided(refused, means="now")) == effects.Obtain(2)


def test_a_refusal_is_remembered_of_a_revocation() -> None:
    """By the same log-in nothing is revoked; by another one it is."""
    shut = status(GOING.model_copy(update={"refusal": REFUSAL}), active(digest=BY))
    assert gist(decided(shut, 701)) == gist(effects.Look(frozenset({What.PROVIDER})))
    hold = decided(shut, 701, means="then")
    assert isinstance(hold, Hold)
    assert (hold.reason, hold.stalled) == (Reason.NEEDS_REAUTH, True)
    assert effect_of(decided(shut, 701, means="now")) == effects.Revoke(1)


@pytest.mark.parametrize("bundle", [BundleState.LOST, BundleState.AHEAD])
def test_nothing_more_is_made_while_a_version_is_reserved(bundle: BundleState) -> None:
    """Whatever became of the bundle: two are never under way."""
    found = decide(facts(held(reserved()), after(1), WISH, check=True, bundle=bundle, bundle_version=3))
    assert effect_of(found) == effects.Obtain(2)


def test_pauses_grow() -> None:
    """A backend that does not answer is asked rarer each time, and it is said loudly after the fifth time."""
    act, away = Act(effects.Obtain(2), "…"), BackendAway("no connection")
    holds = [
        providing.later(facts(held(reserved(tries=tries)), NOON, WISH), act, away) for tries in (None, 1, 2, 3, 4, 20)
    ]
    pauses = [hold.until - NOON for hold in holds if hold.until is not None]
    assert all(before < then for before, then in pairwise(pauses))
    assert pauses[-1] <= renewal.LONGEST_BEFORE
    assert [hold.stalled for hold in holds] == [False, False, True, True, True, True]
    asked = providing.later(facts(held(reserved()), NOON, WISH), act, BackendAway("busy", retry_after=600.0))
    assert asked.until == after(600)


def renewed(*versions: Version, now: float = 0, **more: Any) -> Facts:
    """Return the facts of a token so many seconds after noon."""
    return facts(status(*versions), after(now), TOKEN, **more)


def test_a_token_is_renewed_before_it_ends() -> None:
    """Between three minutes and one; nobody is waited for, and nothing is said but that."""
    token = active(1, digest=start.wanted_digest(TOKEN), expiration_time=after(1800))
    waits = decide(renewed(token))
    assert isinstance(waits, Hold)
    assert waits.until is not None
    assert after(1800 - 180) <= waits.until <= after(1800 - 60)
    assert effect_of(decide(renewed(token, now=1741))) == effects.Reserve(2, Cause.RENEWAL)
    late = renewed(token, now=1799)
    assert expiry.verdict(late) is not None
    assert expiry.verdict(renewed(token, now=1000)) == (False, Reason.NONE, "")


def test_the_token_before_ends_by_itself() -> None:
    """It is accepted until then, whoever holds it, and however long an overlap is."""
    before = retiring(1, overlap_start_time=NOON, expiration_time=after(90))
    pending = renewed(before, active(expiration_time=after(1800)), now=60)
    assert retire.overlap_end(before, pending) == after(90)
    waits = retire.judge(before, pending)
    assert isinstance(waits, Hold)
    assert (waits.until, waits.reason) == (after(90), Reason.OVERLAP_OPEN)
    over = renewed(before, active(expiration_time=after(1800)), now=91)
    assert effect_of(retire.judge(before, over)) == effects.Commit(1)


def test_what_has_ended_may_wait_for_what_is_due() -> None:
    """A token that is due is renewed before the one before is put away; until then that may wait behind others."""
    token = active(2, digest=start.wanted_digest(TOKEN), expiration_time=after(1800))
    before = retiring(1, overlap_start_time=NOON, expiration_time=after(90))
    waits, alone = (decide(renewed(*versions, now=60)) for versions in ((before, token), (token,)))
    assert isinstance(waits, Hold)
    assert isinstance(alone, Hold)
    assert (waits.until, waits.latest, alone.latest) == (after(90), alone.until, None)
    assert effect_of(decide(renewed(before, token, now=91))) == effects.Commit(1)
    assert effect_of(decide(renewed(before, token, now=1741))) == effects.Reserve(3, Cause.RENEWAL)


def test_a_token_is_not_taken_back() -> None:
    """The one before ends soon, and what the next is got with stands in the newest: another one is to be asked for."""
    before = retiring(1, digest=start.wanted_digest(TOKEN), expiration_time=after(900))
    demand = Demand("uid-back", "back", RequestReason.ROLLBACK, after(10))
    current = active(digest=start.wanted_digest(TOKEN), expiration_time=after(1800))
    decision = answering.reply(renewed(before, current, now=11, demands=(demand,)))
    assert isinstance(decision, Act)
    assert isinstance(decision.effect, effects.Reply)
    (answer,) = decision.effect.answers
    assert (answer.state, "`reason: Manual`" in answer.message) == (AnswerState.REFUSED, True)


CHAIN = RotatedCredentialSpec.model_validate(
    {"provider": {"ref": {"name": "idp"}, "oauth2": {"grantSecretName": "consent"}}}
)


def test_what_the_next_is_got_with_is_not_given_away() -> None:
    """A token of a consent becomes current though it was asked for otherwise meanwhile; another one follows it."""
    got = version(2, State.ISSUED, issued_time=NOON, intent_time=NOON, digest="older", probe=ACCEPTED)
    found = status(active(1), got, rotation=rotation(Step.ISSUING, 2))
    assert publish.carry_on(facts(found, after(1), CHAIN, **INTACT)) is None
    waiting = status(active(1), reserved(digest="older"), rotation=rotation(Step.ISSUING, 2))
    assert effect_of(decide(facts(waiting, after(1), CHAIN, **INTACT))) == effects.Obtain(2)


def test_who_leaked_a_token_waits_for_no_pod_when_it_has_ended() -> None:
    """Past its end it goes, whoever may hold it."""
    leaked = retiring(1, overlap_start_time=NOON, expiration_time=after(90), compromised=RevokeWhen.AFTER_ROLLOUT)
    over = renewed(leaked, active(expiration_time=after(1800)), now=91)
    assert effect_of(retire.judge(leaked, over)) == effects.Commit(1)
