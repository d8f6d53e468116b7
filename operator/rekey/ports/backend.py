"""Backends: where versions are made, proved by use and revoked, if they are not made by Rekey itself.

1. Whatever is made there was written down before (a reserved number in the ledger, saved moments ago); whoever makes it
   marks it with the uid of the credential and that number, so that a crash leaves nothing that nobody owns.
2. Every call may be made twice for one version, also by another process, and then leaves the same as one.
3. Every call ends within `seconds`: effects there cannot be fenced by the API server, and another may lead soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.spec_provide import Provide, ProviderRef


@dataclass(frozen=True, slots=True)
class Traits:
    """What a kind of backend is like.

    `makes_value`: the backend makes the value and tells it once; otherwise it is made here, and stored before the
    backend hears of it. `listable`: what we made there is found again by `find`; if not, one version may be left
    unaccounted for each time an answer is lost. `provable`: it can be asked whether a version is accepted. `tells_use`:
    it can be asked when a version was last used (`TellsUse`).
    """

    makes_value: bool
    listable: bool
    provable: bool = True
    tells_use: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What a version is known by: the uid of its credential, the namespace, name and number for people to read."""

    owner: str
    namespace: str
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A version that was written down and is to be made.

    `expires`: when it is to end by itself (None: never). `grant`: what the Secret holds in which a person gave consent;
    None where none is named, or it is gone. `before`: what the last version keeps for its successor, under
    `issuer.`; None where there is none. `unanswered`: it was tried before, and what came of that is not known (an
    answer was lost, or whoever asked crashed).
    """

    claim: Claim
    wanted: Provide
    now: datetime
    expires: datetime | None = None
    grant: Material | None = None
    before: Material | None = None
    unanswered: bool = False

    @property
    def seconds(self) -> int | None:
        """For how many seconds it is asked for, one at least; None: for ever."""
        return None if self.expires is None else max(1, int((self.expires - self.now).total_seconds()))


@dataclass(frozen=True, slots=True)
class Granted:
    """A version that exists at the backend.

    `material`: all that is stored of it; what stands under `issuer.` is kept for the next version, sealed, and only
    where the credential is `chained`: whoever asked has a key at hand then.
    `backend_id`: the backend's own id, no secret; None where the number says it. `expires`: when it ends by itself.
    `missing`: what was asked for and not granted, in the words of the manifest.
    """

    material: Material
    backend_id: str | None = None
    expires: datetime | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A version that may exist at the backend; `material` is None if its Secret is gone, or was never written."""

    claim: Claim
    wanted: Provide
    backend_id: str | None = None
    material: Material | None = None


class Backend(Protocol):
    """One backend, logged in to when it is used.

    Every call but `make` raises:
        Retryable: it was away, slow or busy (`retry_after` where it said so); NoAnswer: and may have done it.
        NotYet: it answered, and what was asked of it has not come about yet.
        Rejected: a person must act; `Reason.NEEDS_REAUTH` if what we log in with, or the grant, is no longer accepted.
    """

    @property
    def traits(self) -> Traits:
        """What it is like."""
        ...

    def make(self, intent: Intent) -> Material:
        """Return a new value, made here; asked only of a backend that does not make values itself."""
        ...

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make the version; `material` is what was made here, and already stored.

        A version that is there under that claim is left as it would be made, with that value; one of somebody else in
        its place is refused (`Reason.NAME_TAKEN`) and left alone.
        """
        ...

    async def prove(self, held: Held) -> None:
        """Use the version once.

        Raises:
            NotAccepted: the backend refuses it.
        """
        ...

    async def revoke(self, held: Held) -> None:
        """See that the version is not accepted any more and nothing of it is left; if there is none, it is done."""
        ...

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is there of the credential with that uid, the oldest first; nothing if it cannot be listed.

        The name of a claim is empty where what is there does not tell it.
        """
        ...


@runtime_checkable
class TellsUse(Protocol):
    """A backend that knows when its versions were last used; `Traits.tells_use` says which one is."""

    async def last_used(self, held: Held) -> datetime | None:
        """Return when the version was last used as far as is known there, by whomever, by us too; None: never.

        It may be told hours late. It raises what every call of a backend does, and:
            NotAccepted: there is no such version, so nobody can use it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A backend, and a digest of how it is declared and what we log in there with: if it is another, so is `means`."""

    backend: Backend
    means: str


class Backends(Protocol):
    """The backends that administrators declared, and the webhooks."""

    async def open(self, namespace: str, wanted: Provide) -> Opened:
        """Return the backend that a credential of that namespace names, each call bounded by our lead there.

        Raises:
            Rejected: there is none (`PROVIDER_NOT_FOUND`), it is not for this namespace (`PROVIDER_NOT_ALLOWED`), or
                what it is declared by is incomplete (`PROVIDER_NOT_READY`).
            NotLeading: it is not ours to act there.
        """
        ...

    async def notify(self, namespace: str, ref: ProviderRef, message: Message, *, for_all: bool) -> None:
        """Tell a webhook of a credential of that namespace; it returns when that was accepted.

        `for_all`: whoever runs the operator has it told of every credential, so the operator's own namespace must be
        one that may use it; else the credential's must.

        Raises:
            Rejected: as of `open`, or it does not want it.
            Retryable: it is away or busy.
            NotLeading: it is not ours to tell there.
        """
        ...
