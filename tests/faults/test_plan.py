"""Calls have identities that last, and a plan leaves nothing out."""

import json
from typing import Any

import pytest

from tests.faults import calls, plan
from tests.faults.calls import Point, Track
from tests.faults.matrix import MATRIX, Fault, Kind

ROOT = "/api/v1/namespaces/shop"
OURS = "/apis/rekey.dev/v1alpha1/namespaces/shop/rotatedcredentials"
READ = ("GET", f"{ROOT}/secrets/web", "", "")
MADE = ("POST", f"{ROOT}/secrets", "", json.dumps({"metadata": {"name": "web-v1"}}))
SAVED = ("PATCH", f"{OURS}/web/status", "", "[]")
TOLD = ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events", "", json.dumps({"reason": "Issued"}))
BUSY = {"status": {"rotation": {"step": "Issuing"}, "versions": [{"number": 1, "state": "Active"}]}}
NOTHING: dict[str, Any] = {}
Step = tuple[tuple[str, str, str, str], dict[str, Any] | None]
"""A request, and what the API server stored (None: it was not carried out)."""

SEQUENCES: dict[str, tuple[list[Step], str]] = {
    "a read": ([(READ, None)], "get secrets web #1 (new)"),
    "the same read again": ([(READ, None), (READ, None)], "get secrets web #2 (new)"),
    "a read after a write": (
        [(READ, None), (MADE, NOTHING), (READ, None)],
        "get secrets web #1 (new, after create secrets web-v1)",
    ),
    "a read after a write that was not carried out": (
        [(READ, None), (MADE, None), (READ, None)],
        "get secrets web #2 (new)",
    ),
    "a write": ([(MADE, None)], "create secrets web-v1 #1 (new)"),
    "the same write again": ([(MADE, None), (MADE, None)], "create secrets web-v1 #2 (new)"),
    "a write whatever was read before": ([(READ, None), (MADE, None)], "create secrets web-v1 #1 (new)"),
    "a write after the status says more": (
        [(SAVED, BUSY), (MADE, None)],
        "create secrets web-v1 #1 (Issuing 1:Active)",
    ),
    "a save": ([(SAVED, None)], "patch rotatedcredentials/status web #1 (new)"),
    "an Event wherever it falls": ([(SAVED, BUSY), (TOLD, None)], "create events Issued #1"),
    "a list of pods": ([(("GET", f"{ROOT}/pods", "limit=500", ""), None)], "list pods #1 (new)"),
    "a list of credentials": ([(("GET", OURS, "limit=500", ""), None)], "list rotatedcredentials #1"),
    "a watch of credentials": ([(("GET", OURS, "watch=true", ""), None)], "watch rotatedcredentials #1"),
    "a watch of something that is new": (
        [(("GET", OURS.replace("credentials", "requests"), "watch=1", ""), None)],
        "watch rotatedrequests #1",
    ),
}


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_call_is_known_by(sequence: str) -> None:
    """The last call of the sequence has this identity."""
    steps, wanted = SEQUENCES[sequence]
    track, point = Track(), None
    for (method, path, query, body), stored in steps:
        call = calls.read(method, path, query, body.encode())
        assert call is not None
        point = track.point(call)
        if stored is not None:
            track.wrote(call, stored)
    assert str(point) == wanted


def test_an_event_of_a_watch_is_known_by_what_it_shows() -> None:
    """Whatever was missed before, an event has the identity of the state it tells of."""
    body = {"metadata": {"name": "web", "deletionTimestamp": "now"}, **BUSY}
    point = Track().news("rotatedcredentials", {"type": "MODIFIED", "object": body})
    assert str(point) == "MODIFIED rotatedcredentials #1 (deleting Issuing 1:Active)"


POINTS = {
    "one": [
        Point(kind, f"{verb} things {number}", "", 1)
        for number, (verb, kind) in enumerate(zip("abcdef", Kind, strict=True))
    ],
    "other": [Point(Kind.READ, "get things", "", nth) for nth in range(1, 30)],
}


@pytest.mark.parametrize("seed", range(20))
def test_a_sample_leaves_out_no_call_and_no_fault(seed: int) -> None:
    """However small it is to be, each call is in it, and each fault at each kind of call."""
    whole = plan.product(POINTS)
    chosen = plan.sample(whole, 1, seed)
    assert {(one.life, one.point) for one in chosen} == {(life, one) for life, ones in POINTS.items() for one in ones}
    pairs = {(kind, fault) for kind, faults in MATRIX.items() for fault in faults}
    assert {(one.point.kind, one.fault) for one in chosen} == pairs
    assert len(chosen) < len(whole)


def test_the_parts_are_the_whole_and_stay_the_same() -> None:
    """Each case is in one part, of whatever other cases the run without faults tells."""
    whole = plan.product(POINTS)
    parts = [plan.part(whole, number, 4) for number in range(4)]
    assert sorted(map(str, whole)) == sorted(str(one) for part in parts for one in part)
    assert all(len(part) > len(whole) / 8 for part in parts)
    assert plan.part(whole[::2], 1, 4) == [one for one in whole[::2] if one in parts[1]]


def test_a_sample_is_as_large_as_asked_and_the_same_for_the_same_seed() -> None:
    """A failure can be looked at again by its seed; no case is in it twice."""
    whole = plan.product(POINTS)
    assert plan.sample(whole, 150, 1) == plan.sample(whole, 150, 1) != plan.sample(whole, 150, 2)
    assert len(set(plan.sample(whole, 150, 1))) == 150


def test_every_fault_has_a_place() -> None:
    """The matrix names each fault, and each kind of call."""
    assert {fault for faults in MATRIX.values() for fault in faults} == set(Fault)
    assert set(MATRIX) == set(Kind)


def test_batches_hold_every_case_once() -> None:
    """Whatever an operator is shared by, nothing is left out and no batch is too large."""
    whole = plan.product(POINTS)
    sizes = {"mortal": 7, "impatient": 5, "curious": 5, "plain": 11}
    batches = plan.batches(whole, sizes)
    assert sorted(map(str, (one for _, ones in batches for one in ones))) == sorted(map(str, whole))
    assert all(
        0 < len(ones) <= sizes[name] and {plan.needs(one.fault) for one in ones} == {name} for name, ones in batches
    )


def test_only_what_every_run_does_is_a_call_to_meet() -> None:
    """What depends on time is no point of the plan: a call of some runs only, and polls beyond the second."""
    one, two, three = (Point(Kind.READ, "get", "", nth) for nth in (1, 2, 3))
    write = Point(Kind.WRITE, "patch", "", 3)
    assert plan.stable([[one, two, three, write], [write, three, two, one]]) == sorted([one, two, write])
    assert plan.stable([[one, two], [one]]) == [one]
