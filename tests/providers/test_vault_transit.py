"""A key of Vault's transit engine keeps what `rekey.ports.key_encryption` promises, with a real server on this host."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from rekey.core.keyring import Begin, State, Wish, advance
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import Rejected, Retryable
from rekey.providers.vault.login import Vault
from rekey.providers.vault.transit import TransitKeys
from tests.providers.vault import Door, RealVault, Wire, by_token, run
from tests.sim.conformance_of_key_encryption import VALUE, KeyEncryptionConformance, Meet, data_key
from tests.sim.outside import OutsideKeeper
from tests.sim.world_stage import WorldStage

pytestmark = pytest.mark.xdist_group("vault")
T = TypeVar("T")


class TransitKeeper(OutsideKeeper):
    """Keys that nobody has used before, at a real server; `door`: how it is got to."""

    def __init__(self, vault: RealVault, *scopes: str) -> None:
        self.vault = vault
        self.door: Door = vault.door
        self.key = f"rekey-{secrets.token_hex(4)}"
        self.transit = vault.root.secrets.transit
        for scope in scopes or ("", "shop", "till"):
            self.transit.create_key(f"{self.key}-{scope}" if scope else self.key)
        self.stage = WorldStage()
        super().__init__(self.stage, TransitKeys(self.reach, "transit", self.key))

    async def reach(self, call: Callable[[Vault], Awaitable[T]]) -> T:
        """Make a call at the server."""
        return await call(self.door.vault())

    def cut_off(self, *, away: bool) -> None:
        self.door = self.vault.away() if away else self.vault.door

    def read(self) -> dict[str, Any]:
        """Return what the server says of the key."""
        found: dict[str, Any] = self.transit.read_key(self.key)["data"]
        return found


@pytest.fixture
def meet(vault: RealVault) -> Meet:
    """Play a scene with keys of its own."""
    return lambda scene: run(scene(TransitKeeper(vault)))


class TestTransit(KeyEncryptionConformance):
    """Keys of the transit engine."""


def play(vault: RealVault, scene: Callable[[TransitKeeper], Coroutine[Any, Any, None]]) -> None:
    """Play a scene with one key."""
    run(scene(TransitKeeper(vault, "")))


def test_each_operation_is_one_request(vault: RealVault) -> None:
    """Once we are logged in; the API server is not asked at all, and Vault learns of nothing that is sealed."""

    async def scene(keeper: TransitKeeper) -> None:
        wire = Wire()
        keeper.door = replace(vault.door, road=wire.road)
        wrapped = await keeper.wrap()
        wire.asked.clear()
        keeper.stage.world.plug.calls.clear()
        await keeper.wrap()
        await keeper.unwrap(wrapped)
        await keeper.keys.rewrap("", wrapped)
        assert wire.asked == [f"POST /v1/transit/{what}/{keeper.key}" for what in ("encrypt", "decrypt", "rewrap")]
        assert keeper.stage.world.plug.calls == []

    play(vault, scene)


def test_the_whole_way_of_a_rotation(vault: RealVault) -> None:
    """The server has the key as the ring says at each step; what is put back there unwraps, what is trimmed is gone."""

    async def scene(keeper: TransitKeeper) -> None:
        old = await keeper.wrap()
        await keeper.rotate("")
        assert keeper.read()["latest_version"] == 2
        moved = await keeper.keys.rewrap("", old)
        await keeper.retire("")
        assert keeper.read()["min_decryption_version"] == 2
        keeper.transit.update_key_configuration(keeper.key, min_decryption_version=1)
        assert [key.state for key in (await keeper.ring.ensure("")).keys] == [State.DECRYPT_ONLY, State.ENABLED]
        assert await keeper.unwrap(old) == VALUE
        await keeper.retire("")
        ring = await keeper.ring.ensure("")
        without = replace(ring, keys=ring.keys[1:])
        assert await keeper.ring.write("", ring, without) == without
        assert keeper.read()["min_available_version"] == 2
        with pytest.raises(Rejected, match="version v1 of Vault's transit key"):
            await keeper.unwrap(old)
        assert await keeper.unwrap(moved) == VALUE
        keeper.transit.rotate_key(keeper.key)
        assert (await keeper.ring.ensure("")).primary.id == "v3"

    play(vault, scene)


def test_what_unwraps_is_not_trimmed(vault: RealVault) -> None:
    """Vault itself refuses it: who put a version back at the same moment loses nothing."""

    async def scene(keeper: TransitKeeper) -> None:
        old = await keeper.wrap()
        await keeper.rotate("")
        with pytest.raises(Rejected) as refused:
            await TransitKeys(keeper.reach, "transit", keeper.key).trim("", 2)
        assert refused.value.reason == Reason.BACKEND_REFUSED
        assert await keeper.unwrap(old) == VALUE

    play(vault, scene)


def test_a_key_that_is_not_there(vault: RealVault) -> None:
    """It is not made by us: whoever administers the server makes it, and is told so; nothing is wrapped."""

    async def scene(keeper: TransitKeeper) -> None:
        with pytest.raises(Rejected, match=r"there is no key rekey-.*-till at transit: make it there"):
            await keeper.ring.ensure("till")
        with pytest.raises(Retryable, match=r"does not let us encrypt with key rekey-.*-till of transit"):
            await keeper.wrap("till")
        wrapped = await keeper.wrap()
        keeper.transit.update_key_configuration(keeper.key, deletion_allowed=True)
        keeper.transit.delete_key(keeper.key)
        with pytest.raises(Rejected, match="there is no such key: restore it") as refused:
            await keeper.unwrap(wrapped)
        assert refused.value.reason == Reason.STATE_UNREADABLE

    play(vault, scene)


def test_a_log_in_that_may_only_use_the_key(vault: RealVault) -> None:
    """It wraps, unwraps and re-wraps; what it may not is said by name, and nothing is written down of it."""

    async def scene(keeper: TransitKeeper) -> None:
        rights = (f'path "transit/{what}/{keeper.key}" {{ capabilities = ["update"] }}' for what in
                  ("encrypt", "decrypt", "rewrap"))  # fmt: skip
        look = f'path "transit/keys/{keeper.key}" {{ capabilities = ["read"] }}'
        keeper.door = by_token(vault, "\n".join([*rights, look]))
        assert await keeper.unwrap(await keeper.keys.rewrap("", await keeper.wrap())) == VALUE
        ring = await keeper.ring.ensure("")
        after = advance(ring, Begin(Wish("a", "ann")), keeper.clock.now(), keeper.ring.next_id(ring))
        with pytest.raises(Rejected, match=f"does not let us rotate key {keeper.key} of transit"):
            await keeper.ring.write("", ring, after)
        assert await keeper.ring.ensure("") == ring

    play(vault, scene)


def test_a_log_in_that_is_refused(vault: RealVault) -> None:
    """It passes when a person mends it: no version of a credential is at fault."""

    async def scene(keeper: TransitKeeper) -> None:
        keeper.door = vault.locked_out()
        with pytest.raises(Retryable, match="does not accept our log-in"):
            await keeper.wrap()

    play(vault, scene)


def test_no_data_key_is_told(vault: RealVault) -> None:
    """Not by what is returned or asked, nor by any error."""

    async def scene(keeper: TransitKeeper) -> None:
        wire = Wire()
        keeper.door = replace(vault.door, road=wire.road)
        wrapped = await keeper.wrap()
        said = [repr(wrapped), repr(wire.asked)]
        keeper.cut_off(away=True)
        with data_key() as key, pytest.raises(Retryable) as lost:
            await keeper.keys.wrap("", key)
        said += [repr(lost.value), repr(lost.value.__cause__), repr(Material({"key": VALUE}))]
        assert not re.search(VALUE.decode(), "".join(said))

    play(vault, scene)
