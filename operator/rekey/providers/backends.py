"""The port `Backends`: from what an administrator declared and the Secrets it names to a backend that can be used.

1. Everything is read when it is used: a provider that is taken away, or its password changed, counts at once.
2. A provider for the cluster is for the namespaces that it allows, by default none; its Secrets are the operator's.
3. Its limits are divided among the shards, so they hold for all processes together. One that has not a request for each
   shard is refused: none of them may ask more often than it was told, and none would ever get its turn.
4. No call outlasts our lead in the credential's namespace, for nothing there refuses who led before (promise S9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from rekey.core import selecting
from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.provider_health import Provider, health
from rekey.core.reasons import Reason
from rekey.core.shape import named
from rekey.core.spec_backend import AllowedNamespaces, ClusterCredentialProviderSpec, Server
from rekey.core.spec_provide import KINDS, Provide, ProviderKind, ProviderRef
from rekey.errors import NoAnswer, NotLeading, Rejected, RekeyError
from rekey.ports.backend import Backend, Opened
from rekey.ports.declarations import Declarations, Declared
from rekey.ports.lead import Lead
from rekey.ports.secrets import Secrets, SecretView
from rekey.providers.health import Tell, Told, heard, nobody
from rekey.providers.limits import Guarded, Passing, Turnstile, Turnstiles
from rekey.providers.parts import Parts, Reached

LONGEST: Final = 30.0
"""Seconds that any call to a backend may take."""
_AUTHORITY: Final = "ca.crt"
_CERTIFICATE: Final = ("tls.crt", "tls.key")
T = TypeVar("T")


class Sender(Protocol):
    """A webhook."""

    async def send(self, message: Message) -> None:
        """Post it once."""
        ...


Maker = Callable[[Parts], Backend]
Place = Callable[[str], tuple[int, int]]
"""In which shard a namespace is, and of how many."""


def undivided(namespace: str) -> tuple[int, int]:
    """Return the only shard."""
    del namespace
    return 0, 1


WebhookMaker = Callable[[str, Reached], Sender]


def _none(namespace: str, reached: Reached) -> Sender:
    """Make no webhook."""
    raise TypeError(f"nobody is told here: {namespace} {reached.declared.uid}")


class DeclaredBackends:
    """The port over declarations and Secrets; `lead` says for how long we may (None: there is only one of us)."""

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        declarations: Declarations,
        secrets: Secrets,
        makers: Mapping[str, Maker],
        turnstiles: Turnstiles,
        lead: Lead | None = None,
        place: Place = undivided,
        *,
        tell: Tell = nobody,
        webhook: WebhookMaker = _none,
    ) -> None:
        self._declarations = declarations
        self._secrets = secrets
        self._makers = makers
        self._turnstiles = turnstiles
        self._lead = lead
        self._place = place
        self._tell = tell
        self._webhook = webhook

    async def open(self, namespace: str, wanted: Provide) -> Opened:
        """Return the backend that a credential of that namespace names; see the port."""
        found = await self._reach(namespace, wanted.ref, KINDS[wanted.kind].server)
        backend = self._makers[wanted.kind](found.parts(namespace, wanted))
        told = Told(Bounded(backend, found.seconds), found.told)
        return Opened(Guarded(told, found.turnstile), found.means)

    async def notify(self, namespace: str, ref: ProviderRef, message: Message, *, for_all: bool) -> None:
        """Tell a webhook of a credential of that namespace; see the port."""
        found = await self._reach(namespace, ref, "webhook", for_all=for_all)
        user = found.declared.home if for_all else namespace
        async with found.turnstile.turn(waits=False):
            await heard(lambda: self._webhook(user, found).send(message), found.told)

    async def use(self, namespace: str, ref: ProviderRef, field: str, call: Callable[[Parts], Awaitable[T]]) -> T:
        """Make a call at what a provider with that field declares to a namespace that may use it, in time.

        Raises:
            RekeyError: as a port of backends says, and as it says of opening one.
        """
        found = await self._reach(namespace, ref, field)
        parts = found.parts(namespace, Provide(ref=ref))
        async with found.turnstile.turn():
            return await heard(lambda: in_time(found.seconds(), lambda: call(parts)), found.told)

    async def _reach(self, namespace: str, ref: ProviderRef, field: str, *, for_all: bool = False) -> Reached:
        """Return what a provider with that field declares, and its Secrets hold, to a namespace that may use it.

        `for_all`: to the one of its Secrets, the operator's; the lead and the limits are still those of `namespace`.
        """
        name = f"{ref.kind} {ref.name}"
        declared = await self._declarations.read(namespace, ref)
        if declared is None:
            raise Rejected(Reason.PROVIDER_NOT_FOUND, f"there is no {name}: an administrator declares it")
        user = declared.home if for_all else namespace
        if not await self._is_for(declared, user):
            text = f"{name} is not for namespace {user}: an administrator adds it to spec.allowedNamespaces"
            raise Rejected(Reason.PROVIDER_NOT_ALLOWED, text)
        server: Server | None = named(declared.spec, field)
        if server is None:
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{name} is of another kind than is asked for, {field}")
        turnstile = self._turnstile(name, declared, namespace)
        told = partial(self._told, _provider(namespace, ref, declared), turnstile)
        certificate = getattr(server, "certificate_secret_name", None)  # few kinds have one
        try:
            login = await self._read(name, declared.home, server.secret_name, *server.LOGIN)
            authority = await self._read(name, declared.home, server.ca_secret_name, _AUTHORITY)
            shown = await self._read(name, declared.home, certificate, *_CERTIFICATE)
        except Rejected as why:
            told(why)
            raise
        values, trusted, pair = (view.material if view else None for view in (login, authority, shown))
        return Reached(
            declared=declared,
            login=values or Material({}),
            authority=trusted,
            certificate=pair,
            means=_means(declared, [view for view in (login, authority, shown) if view]),
            seconds=partial(left_of, namespace, self._lead),
            turnstile=turnstile,
            told=told,
        )

    def _turnstile(self, name: str, declared: Declared, namespace: str) -> Turnstile:
        limits = declared.spec.limits
        if not isinstance(declared.spec, ClusterCredentialProviderSpec):
            return self._turnstiles.of(declared.uid, limits)
        shard, number = self._place(namespace)
        part = limits.part(shard, number)
        if part is None:
            text = (
                f"{name} has fewer spec.limits than the {number} shards that share them: let each be {number} at least"
            )
            raise Rejected(Reason.PROVIDER_NOT_READY, text)
        return self._turnstiles.of(declared.uid, part, shard)

    def _told(self, provider: Provider, turnstile: Turnstile, error: RekeyError | None) -> None:
        if found := health(error, turnstile.rate):
            self._tell(provider, found)

    async def _is_for(self, declared: Declared, namespace: str) -> bool:
        if not isinstance(declared.spec, ClusterCredentialProviderSpec):
            return True
        allowed: AllowedNamespaces = declared.spec.allowed_namespaces
        if namespace in allowed.names:
            return True
        return allowed.selector is not None and selecting.matches(
            allowed.selector, await self._declarations.labels(namespace)
        )

    async def _read(self, name: str, home: str, secret: str | None, *keys: str) -> SecretView | None:
        if secret is None:
            return None
        found = await self._secrets.read(home, secret)
        there = found.material.keys() if found is not None else ()
        if found is None or not set(keys) <= set(there):
            text = f"{name} needs Secret {secret} of namespace {home} with {' and '.join(keys)}"
            raise Rejected(Reason.PROVIDER_NOT_READY, text)
        return found


def _provider(namespace: str, ref: ProviderRef, declared: Declared) -> Provider:
    where = "" if ref.kind is ProviderKind.CLUSTER else namespace
    return Provider(where, ref.name, declared.uid, declared.generation)


def _means(declared: Declared, views: list[SecretView]) -> str:
    parts = [declared.uid, str(declared.generation), *(f"{view.uid}/{view.resource_version}" for view in views)]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def left_of(namespace: str, lead: Lead | None) -> float:
    """Return for how many seconds a call may go on.

    Raises:
        NotLeading: no more.
    """
    seconds = min(LONGEST, lead.remaining(namespace)) if lead is not None else LONGEST
    if seconds <= 0:
        raise NotLeading(f"a backend of namespace {namespace}: another process acts there now")
    return seconds


class Bounded(Passing):
    """A backend whose every call ends in time, whatever it does."""

    def __init__(self, backend: Backend, left: Callable[[], float]) -> None:
        super().__init__(backend)
        self._left = left

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call, for as long as we may."""
        return await in_time(self._left(), call)


async def in_time(seconds: float, call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that ends in time, whatever is done in it."""
    try:
        async with asyncio.timeout(seconds):
            return await call()
    except TimeoutError:
        raise NoAnswer(f"no answer within {seconds:.1f} s") from None
