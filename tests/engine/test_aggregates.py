"""What many tell in one Secret: cut into parts, written at once, by who comes late, and crashed at every call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from rekey.core import aggregate
from rekey.core.facts import Credential, Key
from rekey.engine import parts
from rekey.engine.aggregating import Aggregates
from rekey.engine.limits import Surroundings
from rekey.engine.parts import Members
from rekey.engine.reconcile import Engine, Pass
from rekey.errors import Conflict, NoAnswer
from tests.engine.scenarios import HOUR, spec
from tests.engine.sharing import ALL, NEW, NEXT, SECOND, SHARED, at_once, entries, rotate, shared, sharing, told
from tests.engine.telling import states, values, verdict
from tests.sim.ports import NAMESPACE, Credentials
from tests.sim.promises_of_verifiers import listed
from tests.sim.world import LOOP, Plug, World


def test_what_does_not_fit_is_told_in_a_part_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each credential stays where it is listed, through rotations; promises hold for who reads every part."""
    names = [f"c{number}" for number in range(7)]
    monkeypatch.setattr(aggregate, "LIMIT", 800)
    world = sharing(*names)
    homes = {
        name: [part for part in (ALL, f"{ALL}-1", f"{ALL}-2") if listed(world.secrets[part], name)] for name in names
    }
    assert all(len(found) == 1 for found in homes.values())
    for trigger in "abc":
        rotate(world, *names, trigger=trigger, lasts=HOUR)
    assert [told(world, name) for name in names] == [{4: "current"}] * len(names)
    numbers = [
        world.secrets[secret].labels["rekey.dev/part"] for secret in sorted(world.secrets) if secret.startswith(ALL)
    ]
    assert numbers == [str(number) for number in range(len(numbers))]
    sizes = [len(values(world, secret)["verifier.json"]) for secret in world.secrets if secret.startswith(ALL)]
    assert max(sizes) < 800 + 100
    version = {name: view.resource_version for name, view in world.secrets.items() if name.startswith(ALL)}
    for name in names:
        world.inspect(name)
    assert {name: view.resource_version for name, view in world.secrets.items() if name.startswith(ALL)} == version


@pytest.mark.parametrize("part", [ALL, f"{ALL}-1"])
def test_a_part_that_somebody_deletes_comes_back(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those after it are still known, and what they tell of is told once."""
    names = [f"c{number}" for number in range(7)]
    monkeypatch.setattr(aggregate, "LIMIT", 600)
    world = sharing(*names)
    assert f"{ALL}-2" in world.secrets
    for name in names:  # all know of all parts
        rotate(world, name, trigger="", verifier={**SHARED["verifier"], "client": "x"}, lasts=SECOND)
    del world.secrets[part]
    for name in names:
        world.inspect(name)
    assert part in world.secrets
    found = [one for name in world.secrets if name.startswith(ALL) for one in entries(world, name)]
    assert sorted(found) == [(f"{NAMESPACE}/{name}", 1) for name in names]


def test_a_part_whose_name_is_taken_stops_who_needs_it_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on, the stranger's Secret stays, and `Stalled` names it."""
    monkeypatch.setattr(aggregate, "LIMIT", 300)
    world = sharing("api")
    world.promises.strangers[f"{ALL}-1"] = world.put(f"{ALL}-1", {"theirs": b"x"})
    rotate(world, "till", "mail")
    stalled = {name: verdict(world, "Stalled", name) for name in ("api", "till", "mail")}
    assert stalled["api"] == ("False", "None")
    assert ("True", "NameTaken") in stalled.values()


def test_credentials_that_publish_at_once_lose_nothing_and_share_their_writes() -> None:
    """Forty begin together: all are told of, in far fewer writes than there are credentials."""
    names = [f"c{number:02}" for number in range(40)]
    world = World()
    for name in names:
        world.apply(name, spec(**SHARED))
    at_once(world, names)
    assert all(told(world, name) for name in names)
    assert len(world.promises.verifying.said[ALL]) < 10
    world.run(HOUR)
    assert [told(world, name) for name in names] == [NEW] * 40


class Away:
    """A port of Secrets at an API server that is away."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, namespace: str, name: str) -> None:
        """Give up after a while."""
        self.asked += 1
        await asyncio.sleep(0)
        raise NoAnswer(f"{namespace}/{name}")


def test_nobody_waits_in_turn_for_an_api_server_that_is_away() -> None:
    """The first one learns it for all, so none waits longer than if it were alone."""
    names = [f"c{number}" for number in range(8)]
    world, away = sharing(*names), Away()
    late = Aggregates(replace(world.engine.ports, secrets=away), Members(world.engine.claims.shares, nobody))  # type: ignore[arg-type]  # it can only be read

    async def write() -> list[object]:
        found = [Pass(world.engine, world.credentials[name], check=False).facts for name in names]
        wishes = (late.write(facts, facts.spec.verifier, ()) for facts in found if facts.spec.verifier is not None)
        return await asyncio.gather(*wishes, return_exceptions=True)

    assert [type(one) for one in LOOP.run_until_complete(write())] == [NoAnswer] * 8
    assert away.asked <= 2


async def nobody(_: Key) -> None:
    """Find nobody."""


def test_one_that_cannot_be_told_of_stops_nobody_else() -> None:
    """A neighbour of another format waits for the same Secret: it alone is refused."""
    world = sharing("api")
    ssh = {**SHARED, "verifier": {**SHARED["verifier"], "format": "AuthorizedKeys"}}
    world.apply("ssh", spec(generate={"sshKey": {}}, **ssh))
    for name in ("till", "mail"):
        world.apply(name, spec(**SHARED))
    at_once(world, ["ssh", "till", "mail"])
    world.run(HOUR)
    assert [told(world, name) for name in ("api", "till", "mail")] == [NEW] * 3
    assert verdict(world, "Stalled", "ssh") == ("True", "NameTaken")


def test_what_was_decided_on_an_older_ledger_is_not_told() -> None:
    """A replica that comes late reads the Secret as it is now, and still takes nothing out of it."""
    world = sharing("api", "till")
    late, facts = shared(world), Pass(world.engine, world.credentials["api"], check=False).facts
    assert facts.spec.verifier is not None
    rotate(world, "api", lasts=SECOND)
    assert told(world, "api") == NEXT
    with pytest.raises(Conflict):
        LOOP.run_until_complete(late.write(facts, facts.spec.verifier, ()))
    assert (told(world, "api"), told(world, "till")) == (NEXT, NEW)


class Noted:
    """A port of credentials that notes who was asked for, as the cache does."""

    def __init__(self, world: World) -> None:
        self._port = world.engine.ports.credentials
        self.asked: set[str] = set()

    async def read(self, key: Key) -> Credential | None:
        """Return it."""
        self.asked.add(key.name)
        return await self._port.read(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def test_who_is_only_asked_for_is_not_taken_for_heard_of() -> None:
    """Else the first event of a credential would be no news, and nobody would ever act on it."""
    world = sharing("api", "till")
    world.hears = False
    noted = Noted(world)
    ports, old = replace(world.engine.ports, credentials=noted), world.engine
    around = Surroundings(old.claims, old.pacing, old.demands, Credentials(world), old.peers)
    world.engine = Engine(ports, old.issuer, around, world.started, world.timing)
    rotate(world, "api", lasts=SECOND)
    assert noted.asked == {"api"}
    assert told(world, "till") == NEW


def scenario(world: World) -> None:
    """Two come, one rotates, then both; one leaves."""
    for name in ("api", "till"):
        world.apply(name, spec(deletionPolicy="Revoke", **SHARED))
    world.run(HOUR)
    world.apply("api", spec("a", deletionPolicy="Revoke", **SHARED))
    world.run(SECOND * 40)
    world.apply("till", spec("a", deletionPolicy="Revoke", **SHARED))
    world.run(HOUR)
    world.delete("till")
    world.run(HOUR)


def ending(world: World) -> Any:
    """Return what must be the same however often the process died."""
    return (
        states(world),
        [(name, view.owner is None) for name, view in sorted(world.secrets.items())],
        entries(world, ALL),
        dict(world.promises.minted),
    )


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
def test_a_crash_at_any_call_changes_nothing_in_the_end(*, after: bool) -> None:
    """Promises hold at every instant, of both, and the end equals the reference."""
    reference = World()
    scenario(reference)
    for index, call in enumerate(list(reference.plug.calls)):
        world = World()
        world.plug = Plug(at=index, after=after)
        scenario(world)
        assert ending(world) == ending(reference), f"crashed at call {index}, {call}"


MUTANTS: dict[str, tuple[object, str, Any]] = {
    "what others are told of is forgotten": (aggregate, "read", lambda *_: ()),
    "whoever was not heard of is taken for gone": (parts, "_gone", None),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_promises_find_the_mutant(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a step left out the simulated world sees that a neighbour's version is not accepted any more."""

    async def all_gone(*arguments: Any) -> set[str]:
        return {one.credential for part in arguments[-1] for one in part} - set(arguments[-2])

    place, name, instead = MUTANTS[mutant]
    world = sharing("api", "till")
    monkeypatch.setattr(place, name, instead or all_gone)
    with pytest.raises(AssertionError, match="V1"):
        rotate(world, "api", lasts=HOUR)
