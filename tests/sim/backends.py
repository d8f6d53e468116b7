"""A backend in memory that checks as a real one does, and can be away, refuse, be late and lose its answers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TypeVar

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotAccepted, Rejected, RekeyError, Retryable
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits

T = TypeVar("T")
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class Fault(Enum):
    """What may befall a call."""

    AWAY = auto()
    BUSY = auto()
    REFUSED = auto()
    REAUTH = auto()
    LOST = auto()
    """It is done, and the answer is lost."""
    LATE = auto()
    """No answer, and it is done when `settle` is called."""


UNDONE: dict[Fault, Callable[[], RekeyError]] = {
    Fault.AWAY: lambda: Retryable("the backend is away"),
    Fault.BUSY: lambda: Retryable("the backend is busy", retry_after=7.0),
    Fault.REFUSED: lambda: Rejected(Reason.BACKEND_REFUSED, "the backend refuses it"),
    Fault.REAUTH: lambda: Rejected(Reason.NEEDS_REAUTH, "the backend refuses the log-in"),
}
"""What is raised by a call that does nothing."""


@dataclass(frozen=True)
class Thing:
    """What exists at the backend: a version, by whom it was made; `claim` is None for a stranger's."""

    id: str
    name: str
    claim: Claim | None
    value: bytes
    expires: datetime | None = None


@dataclass
class FakeBackend:
    """Versions by their id; `faults` befall the next calls, one each, and `fault` all of them."""

    traits: Traits = field(default_factory=lambda: Traits(makes_value=False, listable=True))
    clock: Callable[[], datetime] = lambda: NOON
    things: dict[str, Thing] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    faults: deque[Fault] = field(default_factory=deque)
    fault: Fault | None = None
    used: dict[str, datetime] = field(default_factory=dict)
    """When each thing was last used."""
    _late: list[Callable[[], object]] = field(default_factory=list)
    _numbers: int = 0

    def make(self, intent: Intent) -> Material:
        """Return a new value; no call of the backend."""
        assert not self.traits.makes_value
        return Material({"username": name_of(intent.claim).encode(), "password": self._value()})

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make the version."""
        return self._call("issue", lambda: self._issue(intent, material))

    async def prove(self, held: Held) -> None:
        """Say whether the value is accepted."""
        self._call("prove", lambda: self._prove(held))

    async def revoke(self, held: Held) -> None:
        """Remove the version."""
        self._call("revoke", lambda: self._revoke(held))

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return the versions that are marked as that owner's."""
        return self._call("find", lambda: self._find(owner))

    async def last_used(self, held: Held) -> datetime | None:
        """Return when it was last used."""
        return self._call("last_used", lambda: self._last_used(held))

    def use(self, held: Held) -> None:
        """Let somebody use the version now."""
        self.used |= {thing.id: self.clock() for thing in self._ours(held.claim)}

    def accepts(self, material: Material | None) -> bool:
        """Say whether a client that shows this is let in now."""
        value = None if material is None else material.reveal().get("password")
        now = self.clock()
        return any(
            thing.value == value and (thing.expires is None or now < thing.expires) for thing in self.things.values()
        )

    def settle(self) -> None:
        """Do what was late."""
        late, self._late = self._late, []
        for done in late:
            done()

    def put(self, name: str, claim: Claim | None, value: bytes, expires: datetime | None = None) -> Thing:
        """Have a thing there, as anybody may."""
        thing = Thing(f"id-{self._next()}", name, claim, value, expires)
        self.things[thing.id] = thing
        return thing

    def _call(self, name: str, done: Callable[[], T]) -> T:
        self.calls[name] += 1
        fault = self.fault or (self.faults.popleft() if self.faults else None)
        if fault in UNDONE:
            error = UNDONE[fault]()
            raise error
        if fault is Fault.LATE:
            self._late.append(done)
            raise NoAnswer("no answer of the backend")
        result = done()
        if fault is Fault.LOST:
            raise NoAnswer("no answer of the backend")
        return result

    def _value(self) -> bytes:
        return f"canary-{self._next()}-of-a-value".encode()

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _ours(self, claim: Claim) -> list[Thing]:
        return [
            thing
            for thing in self.things.values()
            if thing.claim is not None and (thing.claim.owner, thing.claim.number) == (claim.owner, claim.number)
        ]

    def _issue(self, intent: Intent, material: Material | None) -> Granted:
        name, ours = name_of(intent.claim), self._ours(intent.claim)
        if self.traits.makes_value:
            # Its value was told once and to nobody: it is made anew, unless it cannot be found.
            self._remove(ours if self.traits.listable else [])
            thing = self.put(name, intent.claim, self._value(), intent.expires)
            return Granted(Material({"password": thing.value}), thing.id, thing.expires)
        assert material is not None
        if any(thing.name == name and thing not in ours for thing in self.things.values()):
            raise Rejected(Reason.NAME_TAKEN, f"{name} is somebody else's")
        self._remove(ours)
        self.put(name, intent.claim, material.reveal()["password"], intent.expires)
        return Granted(material, expires=intent.expires)

    def _prove(self, held: Held) -> None:
        if not self.accepts(held.material):
            raise NotAccepted(f"{name_of(held.claim)} is not accepted")
        self.use(held)

    def _revoke(self, held: Held) -> None:
        ours = self._ours(held.claim)
        if not self.traits.listable:
            # Who has no list is shown the value, or what it was called.
            shown = held.material.reveal().get("password") if held.material is not None else None
            ours = [thing for thing in ours if thing.id == held.backend_id or thing.value == shown]
        self._remove(ours)

    def _last_used(self, held: Held) -> datetime | None:
        ours = self._ours(held.claim)
        if not ours:
            raise NotAccepted(f"there is no {name_of(held.claim)}")
        return max((self.used[thing.id] for thing in ours if thing.id in self.used), default=None)

    def _remove(self, things: list[Thing]) -> None:
        for thing in things:
            del self.things[thing.id]

    def _find(self, owner: str) -> tuple[Claim, ...]:
        if not self.traits.listable:
            return ()
        found = [thing.claim for thing in self.things.values() if thing.claim is not None]
        return tuple(sorted((one for one in found if one.owner == owner), key=lambda one: one.number))


def name_of(claim: Claim) -> str:
    """Return what a version is called there."""
    return f"{claim.namespace}-{claim.name}-v{claim.number}"
