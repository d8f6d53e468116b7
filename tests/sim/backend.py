"""The backend of the simulated world: the one in memory, which checks the promises of whoever asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.notifying import message as messages
from rekey.core.reasons import Reason
from rekey.core.spec_notify import NotifyEvent
from rekey.core.spec_provide import Provide, ProviderRef
from rekey.core.status import State, Version
from rekey.errors import NotAccepted, Rejected
from rekey.ports.backend import Claim, Granted, Held, Intent, Opened
from tests.sim.backends import FakeBackend

if TYPE_CHECKING:
    from tests.sim.world import World

T = TypeVar("T")
Trouble = Callable[[str], Exception | None]
"""What goes wrong with a call (`issue`, `prove`, …), if anything does."""
LATEST_INTENT = timedelta(seconds=10)
_READS = frozenset({"find", "last_used"})
UNUSED = frozenset({State.RESERVED, State.ISSUED, State.PUBLISHED})


@dataclass
class Store(FakeBackend):
    """All that is there; `unknown` are numbers that it will not know, `stubborn` ones that it will not revoke.

    `login` is what it wants to be shown.
    """

    world: World = field(kw_only=True)
    trouble: Trouble = lambda _: None
    unknown: frozenset[int] = frozenset()
    stubborn: frozenset[int] = frozenset()
    login: int = 1
    life: timedelta = timedelta(minutes=30)
    refreshing: tuple[bytes, ...] = ()
    """The refresh tokens that it takes: the last one, and if it `forgives` the one before: an answer may be lost."""
    forgives: bool = True
    refreshed: list[bytes] = field(default_factory=list)
    said_used: dict[int, tuple[datetime, datetime | None]] = field(default_factory=dict)
    """Of each version: when it was asked last who used it, and what was said; of one that is gone, that nobody did."""

    def numbers(self, name: str) -> set[int]:
        """Return the versions of a credential that it accepts."""
        return {one.number for one in self.claims() if one.name == name}

    def claims(self) -> list[Claim]:
        """Return whose versions there are."""
        return [thing.claim for thing in self.things.values() if thing.claim is not None]

    def _call(self, name: str, done: Callable[[], T]) -> T:
        trouble = self.trouble(name)
        if trouble is not None:
            raise trouble
        return self.world.call(
            f"backend.{name}", lambda: super(Store, self)._call(name, done), write=name not in _READS
        )

    def _on_record(self, claim: Claim) -> Version:
        found = [item for item in self.world.credentials[claim.name].status.versions if item.number == claim.number]
        assert found, f"S3: version {claim.number} was not written down"
        (version,) = found
        assert version.intent_time is not None
        age = self.world.now() - version.intent_time
        assert age < LATEST_INTENT, f"S9: the intent of version {claim.number} is {age} old"
        return version

    def _issue(self, intent: Intent, material: Material | None) -> Granted:
        state = self._on_record(intent.claim).state
        assert state is State.RESERVED, f"S3: version {intent.claim.number} is made, and is {state} on record"
        if intent.wanted.renews:
            intent = replace(intent, expires=self.world.now() + self.life)
        kept = self._refresh(intent) if intent.wanted.chained else {}
        granted = super()._issue(intent, material)
        granted = replace(granted, material=Material({**granted.material.reveal(), **kept}))
        self.world.promises.values[f"version {intent.claim.number} there"] = granted.material.reveal()["password"]
        return granted

    def _refresh(self, intent: Intent) -> dict[str, bytes]:
        """Take a refresh token, and give the next one."""
        kept = intent.before.reveal() if intent.before is not None else {}
        grant = intent.grant.reveal() if intent.grant is not None else {}
        began, first = kept.get("issuer.grant"), grant["refresh_token"]
        shown = kept["issuer.refresh_token"] if began == first else first
        if shown not in self.refreshing:
            raise Rejected(Reason.NEEDS_REAUTH, "the refresh token is used up")
        self.refreshed.append(f"canary-{self.world.next_id()}-of-a-refresh-token".encode())
        self.refreshing = (shown, self.refreshed[-1]) if self.forgives else (self.refreshed[-1],)
        return {"issuer.refresh_token": self.refreshed[-1], "issuer.grant": first}

    def _prove(self, held: Held) -> None:
        if held.claim.number in self.unknown:
            raise NotAccepted("the backend does not know it")
        super()._prove(held)
        assert held.material is not None
        self.world.proved.add(held.material.reveal()["password"])

    def _last_used(self, held: Held) -> datetime | None:
        self.said_used[held.claim.number] = self.world.time, None
        found = super()._last_used(held)
        self.said_used[held.claim.number] = self.world.time, found
        return found

    def _revoke(self, held: Held) -> None:
        if self.world.credentials[held.claim.name].deleting is None:
            state = self._on_record(held.claim).state
            allowed = UNUSED | {State.REVOKING}
            assert state in allowed, f"S9: version {held.claim.number} is revoked, and is {state} on record"
        if held.claim.number in self.stubborn:
            raise Rejected(Reason.BACKEND_REFUSED, "it owns objects")
        super()._revoke(held)


@dataclass
class Backends:
    """Gives the backend to whoever names it, and takes what webhooks are told."""

    world: World

    async def notify(self, namespace: str, ref: ProviderRef, message: Message, *, for_all: bool) -> None:
        """Take an event, if it was written down before, and is what was sent under that id before."""
        asked = {one.ref: one.events or tuple(NotifyEvent) for one in self.world.audience}
        event = NotifyEvent(str(message.body["type"]).rpartition(".")[2])
        assert for_all == (event in asked.get(ref, ())), "it is told on behalf of somebody else"
        trouble = self.world.backend.trouble("notify")
        if not for_all:
            trouble = trouble or self.world.backend.trouble("notify as it is named")
        if trouble is not None:
            raise trouble
        name = str(message.body["subject"]).removeprefix(f"{namespace}/")
        stored = self.world.credentials[name]
        known = [item for item in stored.status.notifications if item.webhook == f"{ref.kind}/{ref.name}"]
        assert message in [messages(stored, item) for item in known], "it is told before it was written down"

        def take() -> None:
            for where, told in self.world.told:
                assert (where, told.id) != (ref.name, message.id) or told == message, "another event of the same id"
            self.world.told.append((ref.name, message))

        self.world.call("backends.notify", take, write=True)

    async def open(self, namespace: str, wanted: Provide) -> Opened:
        """Return it, if there is one of that name."""
        del namespace
        if wanted.ref.name != "store":
            raise Rejected(Reason.PROVIDER_NOT_FOUND, f"there is no {wanted.ref.kind} {wanted.ref.name}")
        return self.world.call("backends.open", lambda: Opened(self.world.backend, str(self.world.backend.login)))
