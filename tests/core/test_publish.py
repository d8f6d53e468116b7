"""Verifiers come first: what is decided from the moment a version is stored to that at which it becomes current."""

from __future__ import annotations

from typing import Any

import pytest

from rekey.core import ledger, verifying
from rekey.core.decide import decide
from rekey.core.demand import Demand
from rekey.core.effects import Activate, Commit, Condemn, Discard, Publish, Restart, StartOverlap, Tell, What
from rekey.core.facts import BundleState, Facts
from rekey.core.machine import advance
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import State, Status, Step, VerifierRef, Version
from tests.core.situations import (
    JOBS,
    NOON,
    WEB,
    Gist,
    active,
    after,
    entry,
    facts,
    gist,
    pod,
    retiring,
    rotation,
    spec,
    status,
    version,
    waits,
    workload,
)

GATE = {"kind": "Deployment", "name": "gate", "role": "Verifier"}
RELOADS = {"kind": "Deployment", "name": "reloads", "role": "Verifier", "refresh": "None"}
WISH = {
    "verifier": {"secretName": "api-verifier", "format": "SHA256"},
    "overlap": {"duration": "10m", "propagation": "30s"},
}
USERS = frozenset({What.PODS, What.WORKLOADS})
VERIFIER, BUNDLE = frozenset({What.VERIFIER}), frozenset({What.BUNDLE})
INTACT: dict[str, Any] = {"verifier": BundleState.INTACT}
LEAK = Demand("uid-leak", "leak", RequestReason.COMPROMISE, NOON, RevokeWhen.AFTER_ROLLOUT)


def known(found: Status, **changes: Any) -> Status:
    """Return the ledger as it is when verifiers have been told of all that it accepts."""
    here = facts(found, wish=spec(**(WISH | changes)))
    asked = here.spec.verifier
    assert asked is not None
    digest = verifying.recipe(here.credential.key, asked, verifying.accepted(found))
    return found.model_copy(update={"verifier": VerifierRef(uid="u", resource_version="1", digest=digest)})


def pending(state: State, **fields: Any) -> Version:
    """Return version 2, which nobody uses yet."""
    told = {"published_time": NOON} if state is State.PUBLISHED else {}
    return version(2, state, issued_time=NOON, **(told | fields))


STORED = known(status(active(1))).model_copy(
    update={"versions": (active(1), pending(State.ISSUED)), "rotation": rotation(Step.ISSUING)}
)
PUBLISHED = known(status(active(1), pending(State.PUBLISHED), rotation=rotation(Step.PUBLISHING)))
FIRST = known(status(version(1, State.PUBLISHED, published_time=NOON), rotation=rotation(Step.PUBLISHING, 1)))
CONDEMNED = known(
    status(
        active(1), pending(State.PUBLISHED, rolled_back=True), rotation=rotation(Step.ROLLING_BACK), observed_trigger=""
    )
)


def at(seconds: float, found: Status = PUBLISHED, *consumers: Any, **more: Any) -> Facts:
    """Return the facts so many seconds after version 2 was published."""
    return facts(found, after(seconds), spec(consumers=list(consumers), **WISH), **more)


def moving(seconds: float, annotation: str | None, start: float, found: Status = PUBLISHED, **more: Any) -> Facts:
    """Return the facts with one verifier and its pod, that started so many seconds after the publishing."""
    entries = (entry("gate", 2, 7),) if annotation in {"1", "2"} else ()
    ledger = found.model_copy(update={"consumers": entries})
    view = workload("gate", annotation, complete=more.pop("complete", True), progress="1 of 2")
    return at(seconds, ledger, GATE, WEB, workloads=(view,), pods=(pod("gate-1", start, ()),), **more)


SITUATIONS: dict[str, tuple[Facts, Gist]] = {
    "a stored version is published": (at(0, STORED), Publish(2)),
    "without verifiers it becomes current at once": (facts(STORED), Activate(2)),
    "nobody uses it for as long as verifiers may take": (
        at(29, PUBLISHED, RELOADS),
        waits(after(30), Reason.AWAITING_VERIFIERS),
    ),
    "nor where no verifier is declared": (at(29), waits(after(30), Reason.AWAITING_VERIFIERS)),
    "then it is made sure that they can read it": (at(30), VERIFIER),
    "and it becomes current": (at(30, **INTACT), Activate(2)),
    "unless somebody has changed what they read": (at(30, verifier=BundleState.CHANGED), Tell()),
    "or has put another Secret there": (
        at(30, verifier=BundleState.FOREIGN),
        waits(None, Reason.NAME_TAKEN, stalled=True),
    ),
    "a verifier is not restarted while it may read what was before": (
        at(5, PUBLISHED, GATE),
        waits(after(6), Reason.AWAITING_CACHES),
    ),
    "before it is, its pods are looked at": (at(6, PUBLISHED, GATE), USERS),
    "a verifier is restarted": (moving(6, None, -60), Restart("Deployment", "gate", "2")),
    "a verifier that was put back is restarted again": (
        moving(9, "1", 8),
        Restart("Deployment", "gate", "2", reapplied=True),
    ),
    "a pod of it that is older is waited for": (moving(9, "2", 4), waits(after(10), Reason.AWAITING_VERIFIERS)),
    "a pod that started in the second of the lag is older": (
        moving(9, "2", 5),
        waits(after(10), Reason.AWAITING_VERIFIERS),
    ),
    "with none that is older the others have the rest of their time": (
        moving(9, "2", 6),
        waits(after(30), Reason.AWAITING_VERIFIERS),
    ),
    "a verifier that is late after all of it is waited for": (
        moving(40, "2", 6, complete=False),
        waits(after(44), Reason.AWAITING_VERIFIERS),
    ),
    "with one that has failed the bundle is looked at": (moving(608, "2", 9, complete=False), BUNDLE),
    "and the version is taken back": (
        moving(608, "2", 9, complete=False, bundle=BundleState.INTACT, bundle_version=1),
        Condemn(2, after(608 + 3600)),
    ),
    "but not if it is shown already": (
        moving(608, "2", 9, complete=False, bundle=BundleState.AHEAD, bundle_version=2),
        Activate(2),
    ),
    "a version that is taken back leaves the templates": (
        moving(700, "2", 9, CONDEMNED),
        Restart("Deployment", "gate", None),
    ),
    "and is discarded": (moving(700, None, -60, CONDEMNED), Discard(2)),
    "a first version restarts a verifier that is older": (
        moving(6, None, -60, FIRST),
        Restart("Deployment", "gate", "1"),
    ),
    "and none that is not": (moving(31, None, 9, FIRST, **INTACT), Activate(1)),
    "a leak has the bundle looked at": (at(9, demands=(LEAK,)), BUNDLE),
    "and overtakes what nobody uses yet": (
        at(9, demands=(LEAK,), bundle=BundleState.INTACT, bundle_version=1),
        Discard(2),
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_decide(situation: str) -> None:
    """Told, moved, looked at, shown."""
    found, expected = SITUATIONS[situation]
    assert gist(decide(found)) == expected


def test_other_words_are_told_at_once() -> None:
    """A version that is current now, or another scope: what verifiers read no longer says what is so."""
    ledger = known(status(active(1)))
    assert gist(decide(facts(ledger, wish=spec(**WISH)))) != Tell()
    wider = {**WISH, "verifier": {**WISH["verifier"], "scopes": ["read"]}}
    assert gist(decide(facts(ledger, wish=spec(**wider)))) == Tell()
    assert gist(decide(facts(status(active(1)), wish=spec(**WISH)))) == Tell()


def test_a_verifier_uses_nothing() -> None:
    """A declared verifier without any reference to the bundle holds no version up."""
    old = version(
        1, State.RETIRING, issued_time=NOON, activated_time=NOON, retire_time=after(60), overlap_start_time=after(60)
    )
    ledger = known(status(old, active(2), rotation=rotation(Step.OVERLAP)))
    seen = {"pods": (pod("gate-1", -60, ()),), "workloads": (workload("gate", "2"),)}
    assert gist(decide(at(700, ledger, GATE, **seen))) == Commit(1)


def test_clients_have_a_canary_of_their_own() -> None:
    """A verifier that has moved is not the first client: the second waits for that one."""
    moved = (entry("gate", 2, 1, moved=True), entry("web", 2, 10))
    ledger = known(
        status(retiring(), active(2, published_time=NOON), rotation=rotation(Step.ROLLING_OUT), consumers=moved)
    )
    views = (workload("gate", "2"), workload("web", "2", complete=False), workload("jobs"))
    wish = spec(consumers=[GATE, WEB, JOBS], rollout={"maxConcurrent": 3}, **WISH)
    seen = facts(ledger, after(30), wish, workloads=views, pods=(pod("gate-1", 20, ()),))
    assert gist(decide(seen)) == waits(after(33), Reason.AWAITING_ROLLOUT)


def test_the_overlap_of_what_was_signed_at_the_last_moment() -> None:
    """It counts from when verifiers have seen that, but for what leaked: nobody waits for that."""
    for leaked, begin in ((None, 60), (RevokeWhen.AFTER_ROLLOUT, 30)):
        ledger = known(status(retiring(compromised=leaked), active(2), rotation=rotation(Step.ROLLING_OUT)))
        seen = facts(ledger, after(30), spec(consumers=[WEB], **WISH), workloads=(), pods=())
        assert gist(decide(seen)) == StartOverlap(1, after(begin))


def test_what_verifiers_failed_with_is_not_made_again_at_once() -> None:
    """Its trigger stays answered, and its proof is forgotten."""
    failed = version(2, State.PUBLISHED, rolled_back=True, proof="{}")
    before = status(active(1), failed, rotation=rotation(Step.ROLLING_BACK, spec={}), observed_trigger="a")
    fresh = advance(before, Discard(2), Outcome(NOON, NOON))
    assert (ledger.find(fresh, 2).state, fresh.observed_trigger) == (State.DISCARDED, "a")
    assert ledger.find(fresh, 2).proof is None
