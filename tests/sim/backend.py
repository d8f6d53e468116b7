"""The backend of the simulated world: what it accepts, and what it checks of whoever asks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_provide import Provide, provided_keys
from rekey.core.status import State
from rekey.errors import NotAccepted, Rejected, Retryable
from rekey.ports.backend import Claim, Granted, Held, Intent, Opened, Traits

if TYPE_CHECKING:
    from tests.sim.world import World

T = TypeVar("T")
Trouble = Callable[[str, int], Exception | None]
"""What goes wrong with a call (`issue`, `prove`, …) about a version, if anything does."""
LATEST_INTENT = timedelta(seconds=10)
UNUSED = frozenset({State.RESERVED, State.ISSUED, State.PUBLISHED})


@dataclass
class Accepted:
    """One version, and its value."""

    claim: Claim
    material: Material


@dataclass
class Store:
    """Everything at the backend, by credential and number; `made` counts what it was asked to make."""

    traits: Traits = field(default_factory=lambda: Traits(makes_value=False, listable=True))
    accepted: dict[tuple[str, int], Accepted] = field(default_factory=dict)
    made: Counter[int] = field(default_factory=Counter)
    trouble: Trouble = lambda _call, _number: None
    login: int = 1

    def numbers(self, name: str) -> set[int]:
        """Return the versions of a credential that it accepts."""
        return {number for (owner, number) in self.accepted if owner.endswith(f"uid-{name}")}


class Backend:
    """The port, over the world's one store."""

    def __init__(self, world: World, wanted: Provide) -> None:
        self.world = world
        self.wanted = wanted
        self.store = world.backend

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return self.store.traits

    def make(self, intent: Intent) -> Material:
        """Return a value of the keys that are wanted."""
        token = f"{intent.claim.name}-{intent.claim.number}-{self.world.next_id()}"
        return Material({key: f"{key}-{token}".encode() for key in provided_keys(self.wanted)})

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Accept a version from now on."""
        return self._call("issue", intent.claim, lambda: self._issue(intent, material))

    def _issue(self, intent: Intent, material: Material | None) -> Granted:
        claim = intent.claim
        ledger = self.world.credentials[claim.name].status.versions
        version = next((item for item in ledger if item.number == claim.number), None)
        assert version is not None, f"S3: version {claim.number} is made and was not written down"
        assert version.state is State.RESERVED, f"S3: version {claim.number} is made and is {version.state} on record"
        assert version.intent_time is not None
        assert self.world.now() - version.intent_time < LATEST_INTENT, f"S9: the intent of {claim.number} is too old"
        value = material or self.make(intent)
        self.store.made[claim.number] += 1
        self.store.accepted[claim.owner, claim.number] = Accepted(claim, value)
        self.world.promises.values |= {f"{claim}.{key}": part for key, part in value.reveal().items()}
        return Granted(value, backend_id=f"id-{claim.number}", expires=intent.expires)

    async def prove(self, held: Held) -> None:
        """Compare what is shown with what is accepted."""
        self._call("prove", held.claim, lambda: self._prove(held))

    def _prove(self, held: Held) -> None:
        found = self.store.accepted.get((held.claim.owner, held.claim.number))
        if found is None or found.material != held.material:
            raise NotAccepted("the backend does not know it")
        self.world.proved |= set(found.material.reveal().values())

    async def revoke(self, held: Held) -> None:
        """Accept it no more."""
        self._call("revoke", held.claim, lambda: self._revoke(held))

    def _revoke(self, held: Held) -> None:
        credential = self.world.credentials[held.claim.name]
        version = next((item for item in credential.status.versions if item.number == held.claim.number), None)
        if credential.deleting is None:
            assert version is not None, f"S3: version {held.claim.number} is revoked and is not on record"
            assert version.state in UNUSED | {State.REVOKING}, f"S9: {version.number} is revoked and is {version.state}"
            assert version.intent_time is not None
            assert self.world.now() - version.intent_time < LATEST_INTENT, f"S9: the intent of {version} is too old"
        self.store.accepted.pop((held.claim.owner, held.claim.number), None)

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is accepted of one credential."""
        claim = Claim(owner, "", "", 0)
        return self._call("find", claim, lambda: self._find(owner))

    def _find(self, owner: str) -> tuple[Claim, ...]:
        if not self.traits.listable:
            return ()
        return tuple(one.claim for (uid, _), one in sorted(self.store.accepted.items()) if uid == owner)

    def _call(self, name: str, claim: Claim, effect: Callable[[], T]) -> T:
        trouble = self.store.trouble(name, claim.number)
        if trouble is not None:
            raise trouble
        return self.world.call(f"backend.{name}", effect, write=name in {"issue", "revoke"})


@dataclass
class Backends:
    """Gives the backend to whoever names it."""

    world: World

    async def open(self, namespace: str, wanted: Provide) -> Opened:
        """Return it, if there is one of that name."""
        del namespace
        if wanted.ref.name != "store":
            raise Rejected(Reason.PROVIDER_NOT_FOUND, f"there is no {wanted.ref.kind} {wanted.ref.name}")
        means = self.world.call("backends.open", lambda: str(self.world.backend.login))
        return Opened(Backend(self.world, wanted), means)


def away(*calls: str) -> Trouble:
    """Return that the backend does not answer these calls."""
    return lambda call, _: Retryable("no connection") if call in calls else None
