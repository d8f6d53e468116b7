"""A version goes only where the table lets it, and the picture in the docs is that table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rekey.core import edges
from rekey.core.edges import EDGES, IllegalTransition, Verb
from rekey.core.ledger import ENDED, LIVE
from rekey.core.status import State
from tests.core.situations import version

DOCS = Path(__file__).parents[2] / "docs" / "states.md"
PAIRS = [(state, verb) for state in State for verb in Verb]
MISSING = [pair for pair in PAIRS if pair not in EDGES]

WAYS = {
    "Reserved Issue -> Issued",
    "Reserved Discard -> Discarded",
    "Issued Activate -> Active",
    "Issued Discard -> Discarded",
    "Issued Publish -> Published",
    "Published Activate -> Active",
    "Published Discard -> Discarded",
    "Active Supersede -> Retiring",
    "Active Withdraw -> Retiring",
    "Retiring Reinstate -> Active",
    "Retiring Commit -> Revoking",
    "Revoking Revoke -> Revoked",
    "Revoking Discard -> Discarded",
}
"""Written down a second time on purpose: whoever changes the table must mean it."""


def test_the_table_is_the_protocol() -> None:
    """The ways from one state to another are these thirteen; a version begins in one of four ways."""
    assert {f"{state} {verb} -> {to}" for (state, verb), to in EDGES.items() if state} == WAYS
    born = {verb: to for (state, verb), to in EDGES.items() if state is None}
    assert born == {
        Verb.RESERVE: State.RESERVED,
        Verb.ISSUE: State.ISSUED,
        Verb.ADOPT: State.ACTIVE,
        Verb.RECALL: State.RETIRING,
    }


@pytest.mark.parametrize(("state", "verb"), MISSING)
def test_what_is_not_in_the_table_is_refused(state: State, verb: Verb) -> None:
    """The pair raises, says so, and the version is as it was."""
    before = version(7, state)
    copy = before.model_copy()
    with pytest.raises(IllegalTransition, match=f"version 7 is {state}: it cannot {verb}"):
        edges.go(before, verb, handle="changed")
    assert before == copy


@pytest.mark.parametrize(("state", "verb"), [(state, verb) for state, verb in EDGES if state])
def test_what_is_in_the_table_is_done(state: State, verb: Verb) -> None:
    """The pair gives the state of the table and the changes asked for, and nothing else."""
    before = version(7, state)
    fresh = edges.go(before, verb, handle="changed")
    assert fresh == before.model_copy(update={"state": EDGES[state, verb], "handle": "changed"})


def test_from_the_end_there_is_no_way() -> None:
    """Nothing leads out of the states that end a version, and every other leads on."""
    begins = {state for state, _ in EDGES if state is not None}
    assert not begins & ENDED
    assert not LIVE & ENDED
    reached = set(EDGES.values())
    assert reached - ENDED <= begins


def test_only_a_commitment_leads_to_revocation() -> None:
    """Revoked is reached from Revoking alone, and Revoking from Retiring alone: never from Active (promise S4)."""
    assert {state for (state, _), to in EDGES.items() if to is State.REVOKED} == {State.REVOKING}
    assert {state for (state, _), to in EDGES.items() if to is State.REVOKING} == {State.RETIRING}


def test_the_docs_show_the_table() -> None:
    """docs/states.md holds the picture as it is drawn now, and names every state."""
    text = DOCS.read_text()
    assert edges.drawing() in text
    assert set(re.findall(r"^\| (\w+) \|", text, re.MULTILINE)) == {"state", *State}
