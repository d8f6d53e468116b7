"""The port `Backend` over a path of Vault's KV engine, version 2: values are made here, and pushed for who is outside.

1. Each version holds its mark beside its value, so none of ours is ever unmarked; the metadata of the path repeat for
   people whose it is, and decide nothing.
2. A push names the version that it follows (check-and-set): who writes at the same time makes one of the two fail, and
   look again.
3. A path is one credential's. Where somebody else's version can be read, nothing is pushed on top of it; what is not
   marked as ours is never destroyed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hvac.api.secrets_engines import KvV2

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultKvPath
from rekey.errors import NotAccepted, NotYet, Rejected
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.vault import answers, marks
from rekey.providers.vault.login import Call, Vault
from rekey.providers.vault.road import Answer

VALUE: Final = "password"
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class One:
    """A version of the secret that is not destroyed; `value` is None if it is deleted, so that nobody can read it."""

    number: int
    created: str
    claim: Claim | None = None
    expires: datetime | None = None
    value: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """By what it is known, also when its mark cannot be read: numbers begin anew when a path is removed."""
        return f"{self.number}@{self.created}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is at the path; `current`: the newest number that was ever given."""

    current: int
    ones: tuple[One, ...]
    metadata: dict[str, Any]

    def of(self, claim: Claim) -> list[One]:
        """Return what is marked as that version; more than one if a push was repeated."""
        return [one for one in self.ones if one.claim is not None and marks.same(one.claim, claim)]


class VaultKv:
    """One path; `draw` makes a password."""

    def __init__(self, vault: Vault, asks: VaultKvPath, draw: Callable[[], Material]) -> None:
        self._vault = vault
        self._asks = asks
        self._draw = draw

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return Traits(makes_value=False, listable=True)

    def make(self, intent: Intent) -> Material:
        """Return a new value, made here."""
        del intent
        return self._draw()

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Push the version, if it is not there with that value; then nothing else is there under its claim."""
        if material is None:
            raise TypeError(f"the value of {intent.claim.name} is made here")
        for _ in range(TRIES):
            shelf = await self._look()
            self._demand_alone(shelf, intent.claim)
            mine, value = shelf.of(intent.claim), material.reveal()[VALUE].decode()
            good = next((one for one in mine if (one.value, one.expires) == (value, intent.expires)), None)
            good = good or await self._push(shelf, intent, value)
            if good is not None:
                await self._destroy([one for one in mine if one.number != good.number])
                await self._tell(shelf, intent.claim)
                return Granted(material, good.id, intent.expires)
        raise NotYet(f"{self._vault.name}: somebody else writes to {self._asks.path} at the same time")

    async def prove(self, held: Held) -> None:
        """Read the version as its clients do."""
        value = held.material.reveal().get(VALUE, b"") if held.material is not None else b""
        for one in (await self._look()).of(held.claim):
            if one.value is not None and hmac.compare_digest(one.value.encode(), value):
                if one.expires is not None and self._vault.now() >= one.expires:
                    raise NotAccepted(f"version {held.claim.number} has expired")
                return
        raise NotAccepted(f"version {held.claim.number} cannot be read at {self._asks.path} as it was pushed")

    async def revoke(self, held: Held) -> None:
        """Destroy the version, also where somebody deleted it: that can be undone."""
        shelf = await self._look()
        deleted = [one for one in shelf.ones if one.value is None and one.id == held.backend_id]
        await self._destroy([*shelf.of(held.claim), *deleted])

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return what is there of one credential, the oldest first."""
        claims = {one.claim for one in (await self._look()).ones if one.claim is not None and one.claim.owner == owner}
        return tuple(sorted(claims, key=lambda claim: claim.number))

    def _demand_alone(self, shelf: Shelf, claim: Claim) -> None:
        theirs = [one for one in shelf.ones if one.value is not None]
        theirs = [one for one in theirs if one.claim is None or one.claim.owner != claim.owner]
        if theirs:
            text = f"version {theirs[-1].number} of {self._asks.path} is not of this credential: destroy it, or use "
            raise Rejected(Reason.NAME_TAKEN, f"{text}another path")

    async def _look(self) -> Shelf:
        path, mount = self._asks.path, self._asks.mount
        answer = await self._ask(
            lambda way: KvV2(way).read_secret_metadata(path, mount_point=mount), f"read metadata of {path}"
        )
        found = answers.data(answer)
        versions = {int(number): one for number, one in (found.get("versions") or {}).items() if not one["destroyed"]}
        ones = [await self._read(number, versions[number]["created_time"]) for number in sorted(versions)]
        return Shelf(int(found.get("current_version") or 0), tuple(ones), dict(found))

    async def _read(self, number: int, created: str) -> One:
        path, mount = self._asks.path, self._asks.mount
        call: Call = lambda way: KvV2(way).read_secret_version(  # noqa: E731  typed
            path, version=number, mount_point=mount, raise_on_deleted_version=True
        )
        answer = await self._ask(call, f"read {path}")
        values = answers.data(answer).get("data") if answers.is_success(answer) else None
        if not isinstance(values, dict):
            return One(number, created)
        claim, expires = marks.read(values.get(marks.MARK)) or (None, None)
        return One(number, created, claim, expires, str(values.get(VALUE, "")))

    async def _push(self, shelf: Shelf, intent: Intent, value: str) -> One | None:
        """Push it on top of what was seen; return None if somebody else did in between."""
        path, mount = self._asks.path, self._asks.mount
        if not shelf.current:
            await self._demand_engine()
        values = {VALUE: value, marks.MARK: marks.mark(intent.claim, intent.expires)}
        answer = await self._vault.ask(
            lambda way: KvV2(way).create_or_update_secret(path, values, cas=shelf.current, mount_point=mount),
            f"write {path}",
            may_fail=answers.is_outdated,
        )
        if not answers.is_success(answer):
            return None
        made = answers.data(answer)
        return One(int(made["version"]), str(made["created_time"]), intent.claim, intent.expires, value)

    async def _demand_engine(self) -> None:
        """See that it is an engine of version 2: one of version 1 would take a push for something else, and keep it."""
        mount = self._asks.mount
        answer = await self._ask(lambda way: way.get(f"/v1/sys/internal/ui/mounts/{mount}"), f"see the mount {mount}")
        found = answers.data(answer)
        if found.get("type") != "kv" or (found.get("options") or {}).get("version") != "2":
            text = f"there is no KV engine of version 2 at {mount} of {self._vault.name}: see `mount`"
            raise Rejected(Reason.BACKEND_REFUSED, text)

    async def _destroy(self, ones: list[One]) -> None:
        path, mount, numbers = self._asks.path, self._asks.mount, [one.number for one in ones]
        if numbers:
            await self._ask(
                lambda way: KvV2(way).destroy_secret_versions(path, numbers, mount_point=mount), f"destroy {path}"
            )

    async def _tell(self, shelf: Shelf, claim: Claim) -> None:
        """Say in the metadata of the path whose it is, and leave what others say there."""
        path, mount, known = self._asks.path, self._asks.mount, shelf.metadata.get("custom_metadata") or {}
        told = {"owner": claim.owner, "credential": f"{claim.namespace}/{claim.name}", "number": str(claim.number)}
        wanted = {**known, **{f"rekey.dev/{name}": text for name, text in told.items()}}
        if wanted == known:
            return
        after = shelf.metadata.get("delete_version_after") or "0s"
        call: Call = lambda way: KvV2(way).update_metadata(  # noqa: E731  typed
            path, delete_version_after=after, custom_metadata=wanted, mount_point=mount
        )
        await self._ask(call, f"write metadata of {path}")

    async def _ask(self, call: Call, what: str) -> Answer:
        return await self._vault.ask(call, what)
