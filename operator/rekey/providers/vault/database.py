"""The port `Backend` over a role of Vault's database engine: a log-in of a database for each version, held by a lease.

1. A lease ends with the token that it was got by, and ours ends with this process. So each version has a token of its
   own, without a parent, that may do nothing but read the role; whose it is stands in its metadata.
2. That token is made for a few minutes, and extended together with its lease when both are here: what a crash or a lost
   answer leaves before ends by itself, with its user in the database.
3. Lease and token are extended once, for as long as the version may be used at all: clients go on while nobody is here
   to renew. Which they are stands in the id of the version; before they are ended it is seen that they are its own.
4. A version is proved by its lease: where the database is only Vault knows. That it is revoked, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from hvac.api.auth_methods import Token
from hvac.api.secrets_engines import Database
from hvac.api.system_backend.lease import Lease

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultDatabaseRole
from rekey.errors import NoAnswer, NotAccepted, NotYet, Rejected, RekeyError
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.vault import answers, marks
from rekey.providers.vault.login import Call, Vault
from rekey.providers.vault.road import Answer

SHORT: Final = 600
"""For how many seconds a token is made."""
_LONGEST: Final = 10 * 365 * 86400


class VaultLeases:
    """One role; `token_role` is that of the auth method for tokens."""

    def __init__(self, vault: Vault, asks: VaultDatabaseRole, token_role: str | None) -> None:
        self._vault = vault
        self._asks = asks
        self._token_role = token_role

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return Traits(makes_value=True, listable=False)

    def make(self, intent: Intent) -> Material:
        """Never asked: Vault makes log-ins itself."""
        raise TypeError(f"Vault makes the value of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Have a user made, by a token of its own; then have both last as long as the version."""
        del material
        token, accessor, orphan = await self._token(intent)
        try:
            self._demand_orphan(orphan=orphan)
            return await self._leased(intent, token, accessor)
        except Rejected:
            # It is tried again and again: what was made for it would add up.
            with suppress(RekeyError):
                await self._end(accessor)
            raise

    async def _leased(self, intent: Intent, token: str, accessor: str) -> Granted:
        asks = self._asks
        made = await self._vault.ask_as(
            token,
            lambda way: Database(way).generate_credentials(asks.role, mount_point=asks.mount),
            f"read {asks.mount}/creds/{asks.role} with a token of role {self._token_role}",
        )
        lease, values = answers.document(made).get("lease_id"), answers.data(made)
        found = {key: values.get(key) for key in ("username", "password")}
        kept = {key: text.encode() for key, text in found.items() if isinstance(text, str)}
        place = self._lease("")
        if len(kept) < len(found) or not isinstance(lease, str) or not lease.startswith(place):
            raise NoAnswer(f"{self._vault.name} answered without a user, a password and a lease")
        ends = await self._extend(intent, lease, accessor)
        return Granted(Material(kept), f"{accessor}/{lease.removeprefix(place)}", ends)

    async def prove(self, held: Held) -> None:
        """See that its lease is there."""
        if held.material is None or not await self._lasts(held):
            raise NotAccepted(f"the lease of version {held.claim.number} has ended")

    async def revoke(self, held: Held) -> None:
        """End the lease, whose user goes with it, then the token; one of which nothing is known ends by itself."""
        if held.backend_id is None:
            return
        accessor, lease = self._known(held.backend_id)
        await self._demand_ours(accessor, held)
        told = {"lease_id": lease, "sync": True}  # hvac's own call does not wait for the database
        await self._vault.ask(lambda way: way.put("/v1/sys/leases/revoke", json=told), "revoke leases", may_fail=_gone)
        await self._end(accessor)
        await self._demand_ended(held)

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return nothing: what is listed of leases does not tell whose they are."""
        del owner
        return ()

    def _demand_orphan(self, *, orphan: bool) -> None:
        """See that the token has no parent: it would end with that, our own, and every user with it."""
        if not orphan:
            what = f"tokens of role {self._token_role} end with the one that Rekey logs in with, and leases with them"
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{what}: give the role `orphan=true` (docs/vault.md)")

    async def _demand_ours(self, accessor: str, held: Held) -> None:
        """See that the token is of that version: its id stood in a Secret, too, where others may write."""
        call: Call = lambda way: Token(way).lookup_accessor(accessor)  # noqa: E731  typed
        known = await self._vault.ask(call, "look up tokens", may_fail=_gone)
        if not answers.is_success(known):  # then its lease ends, or it is somebody else's
            return await self._demand_ended(held)
        whose = marks.read((answers.data(known).get("meta") or {}).get(marks.MARK))
        if whose is None or not marks.same(whose[0], held.claim):
            text = f"what version {held.claim.number} is known by at {self._vault.name} is a token that is not its own"
            raise Rejected(Reason.BACKEND_REFUSED, f"{text}: nothing is revoked; end its lease by hand (docs/vault.md)")
        return None

    async def _demand_ended(self, held: Held) -> None:
        if await self._lasts(held):
            raise NotYet(f"the lease of version {held.claim.number} has not ended yet")

    async def _end(self, accessor: str) -> None:
        await self._vault.ask(lambda way: Token(way).revoke_accessor(accessor), "revoke tokens", may_fail=_gone)

    async def _token(self, intent: Intent) -> tuple[str, str, bool]:
        """Have a token made; return it, by what it is known, and whether it has no parent."""
        role = self._token_role
        if role is None:
            what = "a lease ends with the token it was got by: set spec.vault.tokenRole of the provider"
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{what} (docs/vault.md)")
        meta = {marks.MARK: marks.mark(intent.claim, intent.expires)}
        call: Call = lambda way: Token(way).create(  # noqa: E731  typed
            role_name=role, meta=meta, ttl=f"{SHORT}s", display_name="rekey", no_default_policy=True
        )
        what = f"make tokens of role {role}"
        auth = answers.document(await self._vault.ask(call, what, may_fail=lambda _: False)).get("auth")
        told = auth if isinstance(auth, dict) else {}
        token, accessor = told.get("client_token"), told.get("accessor")
        if not isinstance(token, str) or not isinstance(accessor, str):
            raise NoAnswer(f"{self._vault.name} answered without a token")
        return token, accessor, told.get("orphan") is True

    async def _extend(self, intent: Intent, lease: str, accessor: str) -> datetime:
        """Have lease and token last as long as they may; return when the first of them ends.

        The token comes last: until then the lease ends with it, soon.
        """
        more = intent.seconds or _LONGEST
        mine = await self._renewed(lambda way: Lease(way).renew_lease(lease, more), "renew leases")
        token = await self._renewed(lambda way: Token(way).renew_accessor(accessor, more), "renew tokens")
        ends = min(token.sent + _life(answers.document(token).get("auth")), mine.sent + _life(answers.document(mine)))
        return ends if intent.expires is None else min(ends, intent.expires)

    async def _renewed(self, call: Call, what: str) -> Answer:
        return await self._vault.ask(call, what, may_fail=lambda _: False)

    async def _lasts(self, held: Held) -> bool:
        if held.backend_id is None:
            return False
        _, lease = self._known(held.backend_id)
        call: Call = lambda way: Lease(way).read_lease(lease)  # noqa: E731  typed
        answer = await self._vault.ask(call, "look up leases", may_fail=_gone)
        if not answers.is_success(answer):
            return False
        try:
            ends = datetime.fromisoformat(str(answers.data(answer)["expire_time"])).astimezone(UTC)
        except (KeyError, ValueError):
            raise NoAnswer(f"{self._vault.name} answered without saying when a lease ends") from None
        return ends > self._vault.now()

    def _lease(self, name: str) -> str:
        return f"{self._asks.mount}/creds/{self._asks.role}/{name}"

    def _known(self, backend_id: str) -> tuple[str, str]:
        accessor, _, name = backend_id.partition("/")
        return accessor, self._lease(name)


def _life(told: object) -> timedelta:
    found: Mapping[str, Any] = told if isinstance(told, dict) else {}
    life = found.get("lease_duration")
    if not isinstance(life, int):
        raise NoAnswer("a renewal was answered without saying for how long")
    return timedelta(seconds=min(life, _LONGEST))


def _gone(answer: Answer) -> bool:
    """Say whether a lease or a token is not there any more."""
    said = answers.errors(answer)
    return answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND} and (
        "invalid lease" in said or "invalid accessor" in said
    )
