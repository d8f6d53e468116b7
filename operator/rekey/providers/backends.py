"""The port `Backends`: from what an administrator declared and the Secrets it names to a backend that can be used.

1. Everything is read when it is used: a provider that is taken away, or its password changed, counts at once.
2. A provider for the cluster is for the namespaces that it allows, by default none; its Secrets are the operator's.
3. No call outlasts our lead in the credential's namespace, for nothing there refuses who led before (promise S9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Final, TypeVar

from rekey.core import selecting
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_backend import AllowedNamespaces, ClusterCredentialProviderSpec, PostgresqlServer
from rekey.core.spec_provide import Provide
from rekey.errors import NoAnswer, NotLeading, Rejected
from rekey.ports.backend import Backend, Claim, Granted, Held, Intent, Opened, Traits
from rekey.ports.declarations import Declarations, Declared
from rekey.ports.lead import Lead
from rekey.ports.secrets import Secrets, SecretView

LONGEST: Final = 30.0
"""Seconds that any call to a backend may take."""
_AUTHORITY: Final = "ca.crt"
T = TypeVar("T")


Maker = Callable[[PostgresqlServer, Material, Material | None, Callable[[], float]], Backend]
"""Makes a backend of its declaration, of what we log in with, of whom the server is known by, and how long we may."""


class DeclaredBackends:
    """The port over declarations and Secrets; `lead` says for how long we may (None: there is only one of us)."""

    def __init__(
        self, declarations: Declarations, secrets: Secrets, postgresql: Maker, lead: Lead | None = None
    ) -> None:
        self._declarations = declarations
        self._secrets = secrets
        self._postgresql = postgresql
        self._lead = lead

    async def open(self, namespace: str, wanted: Provide) -> Opened:
        """Return the backend that a credential of that namespace names; see the port."""
        ref = wanted.ref
        name = f"{ref.kind} {ref.name}"
        declared = await self._declarations.read(namespace, ref)
        if declared is None:
            raise Rejected(Reason.PROVIDER_NOT_FOUND, f"there is no {name}: an administrator declares it")
        if not await self._is_for(declared, namespace):
            text = f"{name} is not for namespace {namespace}: an administrator adds it to spec.allowedNamespaces"
            raise Rejected(Reason.PROVIDER_NOT_ALLOWED, text)
        server = declared.spec.postgresql
        if wanted.postgresql is None or server is None:
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{name} is not of the kind that spec.provider asks for")
        views = [await self._read(name, declared.home, server.secret_name, "username", "password")]
        if server.ca_secret_name is not None:
            views.append(await self._read(name, declared.home, server.ca_secret_name, _AUTHORITY))
        left = partial(_left, namespace, self._lead)
        backend = self._postgresql(server, views[0].material, views[1].material if views[1:] else None, left)
        return Opened(Bounded(backend, left), _means(declared, views))

    async def _is_for(self, declared: Declared, namespace: str) -> bool:
        if not isinstance(declared.spec, ClusterCredentialProviderSpec):
            return True
        allowed: AllowedNamespaces = declared.spec.allowed_namespaces
        if namespace in allowed.names:
            return True
        return allowed.selector is not None and selecting.matches(
            allowed.selector, await self._declarations.labels(namespace)
        )

    async def _read(self, name: str, home: str, secret: str, *keys: str) -> SecretView:
        found = await self._secrets.read(home, secret)
        there = found.material.keys() if found is not None else ()
        if found is None or not set(keys) <= set(there):
            text = f"{name} needs Secret {secret} of namespace {home} with {' and '.join(keys)}"
            raise Rejected(Reason.PROVIDER_NOT_READY, text)
        return found


def _means(declared: Declared, views: list[SecretView]) -> str:
    parts = [declared.uid, str(declared.generation), *(f"{view.uid}/{view.resource_version}" for view in views)]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def _left(namespace: str, lead: Lead | None) -> float:
    """Return for how many seconds a call may go on.

    Raises:
        NotLeading: no more.
    """
    seconds = min(LONGEST, lead.remaining(namespace)) if lead is not None else LONGEST
    if seconds <= 0:
        raise NotLeading(f"a backend of namespace {namespace}: another process acts there now")
    return seconds


class Bounded:
    """A backend whose every call ends in time, whatever it does."""

    def __init__(self, backend: Backend, left: Callable[[], float]) -> None:
        self._backend = backend
        self._left = left

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return self._backend.traits

    def make(self, intent: Intent) -> Material:
        """Return a new value, made here."""
        return self._backend.make(intent)

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make the version; see the port."""
        return await self._in_time(lambda: self._backend.issue(intent, material))

    async def prove(self, held: Held) -> None:
        """Use the version once; see the port."""
        await self._in_time(lambda: self._backend.prove(held))

    async def revoke(self, held: Held) -> None:
        """See that the version is not accepted any more; see the port."""
        await self._in_time(lambda: self._backend.revoke(held))

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is there of one credential; see the port."""
        return await self._in_time(lambda: self._backend.find(owner))

    async def _in_time(self, ask: Callable[[], Awaitable[T]]) -> T:
        seconds = self._left()
        try:
            async with asyncio.timeout(seconds):
                return await ask()
        except TimeoutError:
            raise NoAnswer(f"no answer within {seconds:.1f} s") from None
