"""The port `Backend` over secret ids of an AppRole of Vault's: Vault makes them, and lists them by their accessors.

1. The mark of a secret id is in its metadata, which Vault writes together with it.
2. It is proved by looking it up, not by a log-in: that would count as a use, and leave a token that nobody owns.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hvac.api.auth_methods import AppRole

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultAppRole
from rekey.errors import NoAnswer, NotAccepted, Rejected
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.vault import answers, marks
from rekey.providers.vault.login import Call, Vault
from rekey.providers.vault.road import Answer


@dataclass(frozen=True, slots=True)
class SecretId:
    """A secret id that is marked as ours."""

    accessor: str
    claim: Claim


class VaultSecretIds:
    """One role."""

    def __init__(self, vault: Vault, asks: VaultAppRole) -> None:
        self._vault = vault
        self._asks = asks

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return Traits(makes_value=True, listable=True)

    def make(self, intent: Intent) -> Material:
        """Never asked: Vault makes secret ids itself."""
        raise TypeError(f"Vault makes the value of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Have a secret id made; what is there under that claim was told to nobody, and goes."""
        del material
        role_id = await self._role_id()
        await self._destroy(lambda claim: marks.same(claim, intent.claim))
        life = {} if intent.seconds is None else {"ttl": intent.seconds}
        told = {"metadata": json.dumps({marks.MARK: marks.mark(intent.claim, intent.expires)}), **life}
        # hvac's own call knows no `ttl`.
        place = f"/v1/auth/{self._asks.mount}/role/{self._asks.role}/secret-id"
        answer = await self._ask(lambda way: way.post(place, json=told), "make secret ids of")
        made = answers.data(answer)
        secret_id, accessor, ttl = (made.get(key) for key in ("secret_id", "secret_id_accessor", "secret_id_ttl"))
        if not isinstance(secret_id, str) or not isinstance(accessor, str):
            raise NoAnswer(f"{self._vault.name} answered without a secret id")
        ends = answer.sent + timedelta(seconds=ttl) if isinstance(ttl, int) and ttl > 0 else intent.expires
        values = {"role_id": role_id.encode(), "secret_id": secret_id.encode()}
        return Granted(Material(values), accessor, _earlier(ends, intent.expires))

    async def prove(self, held: Held) -> None:
        """Have the secret id looked up, and see that the role is called as it was."""
        values = held.material.reveal() if held.material is not None else {}
        mount, role, secret_id = self._asks.mount, self._asks.role, values.get("secret_id", b"").decode("ascii")
        call: Call = lambda way: AppRole(way).read_secret_id(role, secret_id, mount_point=mount)  # noqa: E731  typed
        found = answers.data(await self._ask(call, "look up secret ids of"))
        known = marks.read((found.get("metadata") or {}).get(marks.MARK))
        if known is None or not marks.same(known[0], held.claim):
            raise NotAccepted(f"role {role} does not know the secret id of version {held.claim.number}")
        if known[1] is not None and self._vault.now() >= known[1]:
            raise NotAccepted(f"the secret id of version {held.claim.number} has expired")
        if values.get("role_id", b"").decode("ascii") != await self._role_id():
            raise NotAccepted(f"role {role} has another role id by now")

    async def revoke(self, held: Held) -> None:
        """Destroy the secret id; tokens that somebody got by it end by themselves."""
        await self._destroy(lambda claim: marks.same(claim, held.claim))

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is there of one credential, the oldest first."""
        claims = {one.claim for one in await self._ours() if one.claim.owner == owner}
        return tuple(sorted(claims, key=lambda claim: claim.number))

    async def _destroy(self, which: Callable[[Claim], bool]) -> None:
        for one in await self._ours():
            if which(one.claim):
                await self._remove(one.accessor)

    async def _ours(self) -> list[SecretId]:
        """Return every secret id of the role that has a mark."""
        mount, role = self._asks.mount, self._asks.role
        call: Call = lambda way: AppRole(way).list_secret_id_accessors(role, mount_point=mount)  # noqa: E731  typed
        listed = answers.data(await self._ask(call, "list secret ids of")).get("keys") or []
        found = []
        for accessor in map(str, listed):
            claim = await self._claim(accessor)
            if claim is not None:
                found.append(SecretId(accessor, claim))
        return found

    async def _claim(self, accessor: str) -> Claim | None:
        """Return whose a secret id is; None if it is not ours, or gone."""
        mount, role = self._asks.mount, self._asks.role
        call: Call = lambda way: AppRole(way).read_secret_id_accessor(role, accessor, mount_point=mount)  # noqa: E731  typed
        answer = await self._ask(call, "look up accessors of")
        known = marks.read((answers.data(answer).get("metadata") or {}).get(marks.MARK))
        return known[0] if known is not None else None

    async def _remove(self, accessor: str) -> None:
        mount, role = self._asks.mount, self._asks.role
        call: Call = lambda way: AppRole(way).destroy_secret_id_accessor(role, accessor, mount_point=mount)  # noqa: E731  typed
        await self._ask(call, "destroy secret ids of")

    async def _role_id(self) -> str:
        mount, role = self._asks.mount, self._asks.role
        answer = await self._ask(lambda way: AppRole(way).read_role_id(role, mount_point=mount), "read the id of")
        found: Any = answers.data(answer).get("role_id")
        if not isinstance(found, str):
            text = f"{self._vault.name} has no role {role} at {mount}: see `mount` and `role`"
            raise Rejected(Reason.BACKEND_REFUSED, text)
        return found

    async def _ask(self, call: Call, what: str) -> Answer:
        return await self._vault.ask(call, f"{what} role {self._asks.role}")


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
