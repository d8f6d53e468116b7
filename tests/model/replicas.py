"""Two replicas of the operator in the simulated world, taken apart into single calls: any interleaving can be played.

1. A pass is a coroutine that halts before every call of a port; whoever drives it decides which replica goes on.
2. The holder of the lease alone begins a pass. One that lost it goes on where it was, with what it had looked at.
3. What the API server refuses is the fence's business: `CAS` (holder, uid and resourceVersion), `IDENTITY` (holder, uid
   and the protocol's own preconditions, see `unversioned.py`), `NONE` (the same without the holder).
"""

from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from random import Random
from typing import Any

from rekey.core.facts import Credential, Timing
from rekey.engine.limits import Surroundings
from rekey.engine.reconcile import Engine, Result
from rekey.errors import Forbidden, RekeyError, Retryable
from rekey.ports.cluster import Ports
from rekey.providers.generated import Generated
from tests.model import unversioned
from tests.model.scribe import Scribe
from tests.sim import ports as sim
from tests.sim.backend import Backends
from tests.sim.world import World

SECOND = timedelta(seconds=1)
LONGEST = 1500
"""So many turns settle whatever can be settled; a mutant may go round in circles."""
WRITES = {"save", "finalize", "create", "change", "delete", "restart"}


class Fence(Enum):
    """What the API server refuses a replica."""

    CAS = auto()
    IDENTITY = auto()
    NONE = auto()


class Turn:
    """A place where a replica waits until it is let on."""

    def __await__(self) -> Generator[None, None, None]:
        """Wait once."""
        yield


class Stepped:
    """A port whose every call waits for its turn, and passes the fence."""

    def __init__(self, port: Any, replica: "Replica") -> None:
        self._port, self._replica = port, replica
        self.fenced = True

    def __getattr__(self, name: str) -> Callable[..., Coroutine[None, None, Any]]:
        method = getattr(self._port, name)

        async def call(*args: Any, **options: Any) -> Any:
            await Turn()
            lost, self._replica.lost = self._replica.lost, ""
            if lost == "call":
                raise Retryable("the call was lost")
            if name in WRITES and self.fenced:
                self._replica.show_papers(name)
                args = self._presented(name, args)
            answer = await method(*args, **options)
            if lost == "reply":
                raise Retryable("the reply was lost")
            return answer

        return call

    def _presented(self, verb: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what a write carries: without `CAS` it applies whatever state it was decided on."""
        world = self._replica.rack.world
        if self._replica.rack.fence is Fence.CAS:
            return args
        if verb == "save" and args[0].key.name in world.credentials:
            return unversioned.save(world.credentials[args[0].key.name], *args)
        if verb == "finalize" and args[0].key.name in world.credentials:
            return (replace(args[0], resource_version=world.credentials[args[0].key.name].resource_version),)
        if verb == "change" and args[1] in world.secrets:
            return (*args[:2], unversioned.change(world.secrets[args[1]], args[2]))
        if verb == "restart" and args[1].name in world.workloads:
            now = str(world.workloads[args[1].name].revision)
            return (args[0], replace(args[1], resource_version=now), *args[2:])
        return args


@dataclass
class Replica:
    """One process: at most one pass under way, and what is to become of its next call."""

    rack: "Rack"
    number: int
    under_way: Coroutine[None, None, Result] | None = None
    lost: str = ""
    failures: int = 0
    started: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Start it."""
        self.started = self.rack.world.time

    def show_papers(self, verb: str) -> None:
        """Let the API server compare the writer with the holder of the lease."""
        if self.rack.fence is not Fence.NONE and self.rack.holder is not self:
            raise Forbidden(verb, "anything: another replica holds the lease")

    def begin(self, *, check: bool) -> None:
        """Begin a pass."""
        world = self.rack.world
        self.rack.dirty = False
        ports = Ports(
            clock=world,
            credentials=self._stepped(sim.Credentials(world)),
            secrets=self._stepped(sim.Secrets(world)),
            workloads=self._stepped(sim.Workloads(world)),
            pods=self._stepped(sim.Pods(world)),
            announcer=sim.Announcer(world),
            prober=self._stepped(sim.Prober(world)),
            backends=Backends(world),
            meter=self._stepped(sim.Meter(world)),
            keys=self._stepped(world.keys),
        )
        around = Surroundings(
            sim.NoClaims(world), sim.NoPacing(), sim.Asked(world), sim.Credentials(world), sim.Heard(world)
        )
        engine = Engine(ports, Generated(), around, self.started, world.timing)
        self.under_way = engine.reconcile(world.credentials["api"], check=check)

    def _stepped(self, port: Any) -> Any:
        return Stepped(port, self)

    def step(self) -> None:
        """Go on until before the next call, or to the end of the pass."""
        assert self.under_way
        try:
            self.under_way.send(None)
        except StopIteration as end:
            self.failures = 0
            self._rest(end.value.until)
        except RekeyError:
            self.failures += 1
            self._rest(self.rack.world.time + SECOND * min(2**self.failures, 300))

    def _rest(self, until: datetime | None) -> None:
        """Note when to look again; what changed meanwhile is looked at at once."""
        self.under_way = None
        if self.rack.holder is self:
            self.rack.wake = self.rack.world.time if self.rack.dirty else until

    def crash(self) -> None:
        """End without a word; another process takes its place."""
        if self.under_way is not None:
            self.under_way.close()
        self.under_way, self.started, self.rack.wake = None, self.rack.world.time, self.rack.world.time


class Rack:
    """The world, its two replicas, and chance, which decides who goes on and what goes wrong."""

    def __init__(self, chance: Random, fence: Fence = Fence.CAS) -> None:
        self.world = World(Timing(cache_lag=SECOND))
        self.scribe = self.world.promises = Scribe(self.world)  # type: ignore[assignment]
        self.chance, self.fence = chance, fence
        self.replicas = (Replica(self, 0), Replica(self, 1))
        self.holder = self.replicas[0]
        self.wake: datetime | None = self.world.time
        self.dirty = False
        self.backup: dict[str, Credential] = {}

    def flip(self) -> None:
        """Give the lease to the other replica; the one that had it does not notice."""
        self.holder = self.replicas[1 - self.holder.number]
        self.wake = self.world.time

    @contextmanager
    def by_hand(self) -> Iterator[World]:
        """Do something to the world, which the operator is told of."""
        with self.scribe.by_hand():
            yield self.world
        self.wake, self.dirty = self.world.time, True

    def crash(self) -> None:
        """End a replica."""
        self.chance.choice(self.replicas).crash()

    def lose_call(self) -> None:
        """Have a call fail before it takes effect."""
        self.chance.choice(self.replicas).lost = "call"

    def lose_reply(self) -> None:
        """Have a call fail after it took effect."""
        self.chance.choice(self.replicas).lost = "reply"

    def settle(self, lasts: timedelta, *, check: bool = False) -> None:
        """Run without faults until then: whatever is under way goes on, the holder first."""
        end = self.world.time + lasts
        for _ in range(LONGEST):
            if self.world.time >= end or "api" not in self.world.credentials:
                return
            busy = [one for one in (self.holder, *self.replicas) if one.under_way is not None]
            if busy:
                busy[0].step()
            elif self.wake is not None and self.wake <= self.world.time:
                self.holder.begin(check=check)
                check = False
            else:
                self.world._glide(min(end, self.wake or end))

    def go_wrong(self, turns: int, faults: int, menu: tuple[Callable[["Rack"], None], ...]) -> None:
        """Play that many turns by chance, with that many faults of the menu among them."""
        harms = sorted(self.chance.sample(range(turns), faults))
        for turn in range(turns):
            while harms and harms[0] == turn:
                harms.pop(0)
                self.chance.choice(menu)(self)
            busy = [one for one in self.replicas if one.under_way is not None]
            stale = [one for one in busy if one is not self.holder]
            idle = self.holder.under_way is None and "api" in self.world.credentials
            if stale and self.chance.random() < 0.2:
                stale[0].step()
            elif idle and self.wake is not None and self.wake <= self.world.time:
                self.holder.begin(check=self.chance.random() < 0.2)
            elif not idle and self.chance.random() < 0.9:
                self.holder.step()
            else:
                self.world.pass_time(self.world.time + self.chance.choice((1, 1, 5, 60)) * SECOND)
