"""PostgreSQL: a login role for each version, a member of the group role that holds the rights and owns everything.

1. A version acts as its group role from login on, so that whatever it makes outlives it.
2. Who makes, changes or drops a role holds a lock of that name, and first reads whose it is by its comment.
3. This package loads its library (10 MiB): import it when the first credential asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_provide import PostgresqlRole, Provide
from rekey.errors import NotAccepted, NotYet, Rejected, RekeyError
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.postgresql import roles
from rekey.providers.postgresql.login import Connection, Place, Who, logged_in
from rekey.providers.postgresql.roles import Role

T = TypeVar("T")
_TRAITS: Final = Traits(makes_value=False, listable=True)
_PAUSES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""How long connections that were told to end are given, in seconds."""


class Postgresql:
    """A server, logged in to for every call; `seconds` says how long the next may take, `draw` makes a password."""

    def __init__(
        self,
        place: Place,
        login: Material,
        seconds: Callable[[], float],
        draw: Callable[[], Material],
    ) -> None:
        self._place, secret = place, place.server.secret_name
        self._us = Who(login, lambda why: _needs_reauth(why, secret))
        if not self._us.is_complete():
            why = f"Secret {secret} must have a `username` and a `password`, which are text"
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        self._seconds = seconds
        self._draw = draw

    @property
    def traits(self) -> Traits:
        """What it is like; see the port."""
        return _TRAITS

    def make(self, intent: Intent) -> Material:
        """Return a user name and a new password; see the port."""
        name = roles.named(_role(intent.wanted).role, intent.claim.number)
        return Material({"username": name.encode(), "password": self._draw().reveal()["password"]})

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make the role; see the port."""
        if material is None:
            raise ValueError("a version of PostgreSQL is made here before it is issued")
        wanted, claim = _role(intent.wanted), intent.claim
        name = roles.named(wanted.role, claim.number)

        async def work(connection: Connection) -> None:
            async with roles.alone(connection, name):
                await roles.demand_group(connection, wanted.role)
                await roles.put(connection, claim, wanted, material.reveal()["password"], intent.expires)

        await self._as_us(f"make role {name}", work)
        return Granted(material, expires=intent.expires)

    async def prove(self, held: Held) -> None:
        """Log in as the version; see the port."""
        await self._prove(held, self._seconds())

    async def _prove(self, held: Held, seconds: float) -> None:
        group = _role(held.wanted).role
        name = roles.named(group, held.claim.number)
        if held.material is None:
            raise NotAccepted(f"role {name}: its password is gone")

        async def work(connection: Connection) -> None:
            (acts_as,) = (await roles.run(connection, "SELECT current_user"))[0]
            if acts_as != group:
                raise NotAccepted(f"role {name} does not act as {group}: it was changed by somebody else")

        who = Who(held.material, lambda why: NotAccepted(f"{why} of role {name}"))
        await logged_in(self._place, who, seconds, f"use role {name}", work)

    async def revoke(self, held: Held) -> None:
        """Shut the role, end its connections, drop it; see the port."""
        wanted, claim = _role(held.wanted), held.claim
        name = roles.named(wanted.role, claim.number)
        end = asyncio.get_running_loop().time() + self._seconds()

        async def work(connection: Connection) -> Role | None:
            async with roles.alone(connection, name):
                ours = [one for one in await roles.roles_of(connection, claim.owner) if _is(one, claim)]
                for role in ours:
                    await roles.shut(connection, role)
                stranger = None if ours else await roles.role_named(connection, name)
            for role in ours:
                await _empty(connection, role, end=wanted.terminate)
                async with roles.alone(connection, name):
                    await roles.drop(connection, role, wanted.role)
            return stranger

        if await self._as_us(f"drop role {name}", work) is not None:
            await self._disown(held, name, end - asyncio.get_running_loop().time())

    async def _disown(self, held: Held, name: str, seconds: float) -> None:
        """A role of that name has no mark of ours and is left alone: well if it does not take the version's value."""
        if held.material is None:
            return
        try:
            await self._prove(held, seconds)
        except NotAccepted:
            return
        raise Rejected(
            Reason.NAME_TAKEN,
            f"role {name} takes this version's password, but its comment does not say that it is ours: drop it by hand",
        )

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what roles of the credential are there; see the port."""

        async def work(connection: Connection) -> list[Role]:
            return await roles.roles_of(connection, owner)

        return tuple(role.claim for role in await self._as_us("list roles", work) if role.claim is not None)

    async def _as_us(self, doing: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await logged_in(self._place, self._us, self._seconds(), doing, work)


async def _empty(connection: Connection, role: Role, *, end: bool) -> None:
    """Return when nobody is connected as the role any more."""
    open_now = 0
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        open_now = await roles.sessions(connection, role, end=end)
        if not open_now or not end:
            break
    if open_now:
        why = "they were told to end" if end else "`terminate` is false, so they are waited for"
        raise NotYet(f"role {role.name}: connections still open: {open_now}; {why}")


def _role(wanted: Provide) -> PostgresqlRole:
    if wanted.postgresql is None:
        raise ValueError("not a credential of PostgreSQL")
    return wanted.postgresql


def _is(role: Role, claim: Claim) -> bool:
    return role.claim is not None and role.claim.number == claim.number


def _needs_reauth(why: str, secret: str) -> RekeyError:
    return Rejected(Reason.NEEDS_REAUTH, f"{why} of Secret {secret}: put a good username and password into it")


__all__ = ["Postgresql"]
