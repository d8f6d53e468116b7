"""The plug is pulled at every call of every port, before and after it takes effect: the end is always the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import edges, entering
from rekey.engine.reconcile import Result
from tests.engine.lives import Reference
from tests.engine.scenarios import SCENARIOS as MADE_HERE
from tests.engine.scenarios import spec
from tests.engine.scenarios_of_backends import BACKENDS
from tests.engine.scenarios_of_usage import USAGE
from tests.sim.promises_of_verifiers import listed
from tests.sim.world import Plug, World

SCENARIOS = MADE_HERE | BACKENDS | USAGE


def ending(world: World) -> dict[str, Any]:
    """Return what must be the same however often the process died."""
    credential = world.credentials.get("api")
    return {
        "versions": {item.number: item.state for item in credential.status.versions} if credential else None,
        "secrets": sorted(world.secrets),
        "restarts": {name: workload.restarts for name, workload in world.workloads.items()},
        "templates": {name: workload.template for name, workload in world.workloads.items()},
        "minted": dict(world.promises.minted),
        "requests": {
            name: [(item.state, item.from_version, item.to_version) for item in request.status.results]
            for name, request in world.requests.items()
        },
        "told": {name: listed(view) for name, view in world.secrets.items()},
        "backend": sorted({claim.number for claim in world.backend.claims()}),
        "notified": {(where, message.id) for where, message in world.told},
        "owners": {name: view.owner is not None for name, view in world.secrets.items()},
    }


def play(name: str) -> World:
    """Play a scenario that nothing disturbs."""
    world = World()
    SCENARIOS[name].play(world)
    return world


LONG = {
    "a client that fails after verifiers have moved",
    "a verifier that fails with what it reads",
    "a wish of a backend that changes while it is away",
    "a token that a person asks to renew, twice at once",
}
ENDLESS = {name for name in BACKENDS if name.startswith("a token")}
"""How far these have come depends on when one looks: they are renewed as long as they live."""
QUICK = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in SCENARIOS]


def crash_at(name: str, *, every: bool, after: bool) -> None:
    """Play a scenario with a crash at one call, then at the next; the end is always that of the reference."""
    reference = Reference(SCENARIOS[name])
    calls, end = reference.watched.calls, ending(reference.world)
    assert len(calls) > 5
    for index in range(len(calls)) if every else reference.watched.points:
        world = reference.otherwise(index, lambda at, _: Plug(at, after))
        assert ending(world) == end, f"crashed at call {index}, {calls[index]}"
        lost = len(world.backend.claims()) - len(reference.world.backend.claims())
        assert lost <= (not world.backend.traits.listable), f"{lost} versions are unaccounted for after one crash"


@pytest.mark.parametrize("name", QUICK)
def test_a_crash_at_any_call_changes_nothing_in_the_end(name: str) -> None:
    """Every call is crashed when it took effect; promises hold at every instant and the end equals the reference.

    Before a call nothing is different from after the one before it: what was in memory is lost either way.
    """
    crash_at(name, every=False, after=True)


def picture(world: World) -> dict[str, Any]:
    """Return what is the same in two lives in which the same happened, where chance has no part in it."""
    return ending(world) | {
        "time": world.time,
        "serial": world.serial,
        "calls": world.plug.calls,
        "writes": world.writes,
        "news": world.news,
        "shown": world.history,
        "asked": world.readings,
        "held": world.promises.last_held,
        "woken": world.wake,
    }


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in LONG])
def test_a_life_that_branches_off_is_like_one_from_the_beginning(name: str) -> None:
    """Crashed at the same call, it makes the same calls at the same instants, and everything ends alike."""
    reference = Reference(SCENARIOS[name])
    for index in reference.watched.points[5::30]:
        whole = World()
        whole.plug = Plug(index, after=True)
        SCENARIOS[name].play(whole)
        branch = reference.otherwise(index, lambda at, _: Plug(at, after=True))
        assert picture(branch) == picture(whole), f"crashed at call {index}"


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_poll_changes_nothing_either(name: str, *, after: bool) -> None:
    """The same before and after every call, and for every repetition of one while nothing is written."""
    crash_at(name, every=True, after=after)


@dataclass
class Nudge(Plug):
    """Somebody else writes to the credential right before a call; nothing is pulled."""

    world: World = field(kw_only=True)

    def before(self, name: str) -> None:
        """Count a call; write if it is the one."""
        self.calls.append(name)
        stored = self.world.credentials.get("api")
        if len(self.calls) - 1 == self.at and stored is not None:
            self.world.credentials["api"] = replace(stored, resource_version=self.world.next_id())

    def done(self) -> None:
        """Nothing ends."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_write_of_somebody_else_before_any_save_changes_nothing_in_the_end(name: str) -> None:
    """What is saved is refused as conflicting and decided anew; the end equals the reference."""
    reference = Reference(SCENARIOS[name])
    for index, call in enumerate(reference.watched.calls):
        if call in {"credentials.save", "credentials.finalize"}:
            world = reference.otherwise(index, lambda at, world: Nudge(at, world=world))
            assert ending(world) == ending(reference.world), f"somebody wrote before call {index}, {call}"


def test_what_was_just_adopted_is_not_taken_for_a_strangers() -> None:
    """A pass that compares, as after a conflict, adopts and goes on: it does not say that the name is taken."""
    world = World()
    world.put("api", {"token": b"typed"})
    world.apply("api", spec(target={"adopt": "Unowned"}))
    result = world.reconcile("api", check=True)
    assert result is not None
    assert not result.stalled


@given(data=st.data())
def test_any_number_of_crashes_breaks_no_promise(data: st.DataObject) -> None:
    """The plug is pulled again and again at random calls; the rotation completes all the same."""
    name = data.draw(st.sampled_from(sorted(SCENARIOS)))
    gaps = data.draw(st.lists(st.integers(0, 12), max_size=8))
    world = World()
    original = world.reconcile

    def reconcile(name: str, *, check: bool = False) -> Result | None:
        if gaps:
            world.plug.at, world.plug.after = len(world.plug.calls) + gaps.pop(), bool(len(gaps) % 2)
        return original(name, check=check)

    monkey = pytest.MonkeyPatch()
    monkey.setattr(world, "reconcile", reconcile)
    SCENARIOS[name].play(world)
    world.run(timedelta(hours=3))

    if name in ENDLESS:
        assert Counter(ending(world)["versions"].values())["Active"] == 1
        return
    found, expected = ending(world), ending(play(name))
    assert found["minted"] == expected["minted"]
    assert found["versions"] == expected["versions"]


def test_every_edge_of_the_table_is_taken() -> None:
    """The scenarios together take every edge; a histogram says how often."""
    hits: Counter[str] = Counter()
    taken = edges.EDGES

    class Counting(dict[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            hits[f"{key[0] or 'none'} --{key[1]}-->"] += 1
            return super().__getitem__(key)

    edges.EDGES = entering.EDGES = Counting(taken)  # type: ignore[misc, attr-defined]
    try:
        for name in SCENARIOS:
            play(name)
    finally:
        edges.EDGES = entering.EDGES = taken  # type: ignore[misc, attr-defined]
    print("\n".join(f"{count:6} {edge}" for edge, count in sorted(hits.items())))
    missing = {f"{before or 'none'} --{verb}-->" for before, verb in taken} - set(hits)
    assert not missing
