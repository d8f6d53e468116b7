"""What the adapters of Vault do there, with a real server: whose versions are whose, log-ins, and crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hvac
import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotAccepted, Rejected
from rekey.ports.backend import Backend, Granted, Held, Intent
from rekey.providers.vault.road import Request
from tests.providers.test_vault_conformance import AppRoleBench, KvBench, PkiBench, RealBench, asks
from tests.providers.vault import RealVault, Wire, by_token, draw, now, refused, run
from tests.sim.conformance_of_backends import OURS, held

pytestmark = pytest.mark.xdist_group("vault")


async def tried(call: Awaitable[object]) -> bool:
    """Make a call, and say whether it came to its end."""
    try:
        await call
    except NoAnswer:
        return False
    return True


async def issued(bench: RealBench, backend: Backend, intent: Intent, made: Material | None) -> Granted | None:
    """Make a version after what a crash left of it was revoked; None where this process crashes too."""
    try:
        if backend.traits.makes_value:
            for left in await backend.find(OURS):
                await backend.revoke(Held(left, bench.wanted))
        return await backend.issue(intent, made)
    except NoAnswer:
        return None


async def life(bench: RealBench, wire: Wire) -> None:
    """Make a version and revoke it, as the engine does, until both came to an end; see that nothing is left."""
    intent = bench.intent()
    made = bench.made(intent)
    processes = (wire.of(bench.wanted, bench.vault.door), bench.backend)
    granted = None
    for backend in processes:
        if granted is None:
            granted = await issued(bench, backend, intent, made)
    assert granted is not None
    assert len(bench.things()) == 1
    assert await bench.accepted(held(intent, granted))
    assert await bench.backend.find(OURS) == (intent.claim,)
    done = False
    for backend in processes:
        done = done or await tried(backend.revoke(Held(intent.claim, bench.wanted)))
    assert bench.things() == []


BENCHES: dict[str, Callable[[RealVault], RealBench]] = {"vaultKV": KvBench, "vaultAppRole": AppRoleBench}


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("kind", BENCHES)
def test_a_crash_at_every_request(vault: RealVault, kind: str, *, after: bool) -> None:
    """Whoever is next makes the same version, there is one of it, and nothing is left when it is revoked."""

    async def scene() -> None:
        whole = Wire()
        await life(BENCHES[kind](vault), whole)
        assert len(whole.asked) >= 8
        for at in range(1, len(whole.asked) + 1):
            await life(BENCHES[kind](vault), Wire(at, after))

    run(scene())


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_crash_while_a_certificate_is_revoked(vault: RealVault, *, after: bool) -> None:
    """Whoever is next revokes it."""

    async def scene() -> None:
        for at in (1, 2, 3):
            bench = PkiBench(vault)
            one = await bench.issue(bench.intent())
            assert not await tried(Wire(at, after).of(bench.wanted, bench.vault.door).revoke(one))
            await bench.backend.revoke(one)
            assert bench.things() == []

    run(scene())


def test_a_version_that_is_known_by_the_serial_of_another(vault: RealVault) -> None:
    """Serials are public: whatever is written beside a version, no certificate but its own is revoked for it."""

    async def scene() -> None:
        bench = PkiBench(vault)
        one, two = await bench.issue(bench.intent()), await bench.issue(bench.intent(2))
        with pytest.raises(Rejected, match=f"serial {two.backend_id}, by which version 1 .* nothing is revoked") as no:
            await bench.backend.revoke(replace(one, backend_id=two.backend_id))
        assert no.value.reason == Reason.BACKEND_REFUSED
        assert bench.things() == sorted([one.backend_id or "", two.backend_id or ""])
        await bench.backend.revoke(one)
        assert bench.things() == [two.backend_id]

    run(scene())


def kv(vault: RealVault, path: str) -> Any:
    """Return the metadata of a path."""
    return vault.root.secrets.kv.v2.read_secret_metadata(path)["data"]


def test_the_metadata_say_whose_it_is(vault: RealVault) -> None:
    """And leave alone what others say and set there."""

    async def scene() -> None:
        bench, engine = KvBench(vault), vault.root.secrets.kv.v2
        engine.update_metadata(bench.path, 7, delete_version_after="72h", custom_metadata={"team": "shop"})
        await bench.issue(bench.intent(4))
        found = kv(vault, bench.path)
        ours = {"rekey.dev/owner": OURS, "rekey.dev/credential": "orders/db", "rekey.dev/number": "4"}
        assert found["custom_metadata"] == {"team": "shop", **ours}
        assert (found["max_versions"], found["delete_version_after"]) == (7, "72h0m0s")

    run(scene())


def test_a_version_that_somebody_deleted(vault: RealVault) -> None:
    """It is proved no more, and destroyed all the same, as a deletion can be undone; a stranger's is not."""

    async def scene() -> None:
        bench, engine = KvBench(vault), vault.root.secrets.kv.v2
        bench.stranger(bench.intent().claim)
        engine.delete_secret_versions(bench.path, [1])
        one = await bench.issue(bench.intent())
        engine.delete_secret_versions(bench.path, [2])
        with pytest.raises(NotAccepted):
            await bench.backend.prove(one)
        await bench.backend.revoke(one)
        assert {number: version["destroyed"] for number, version in kv(vault, bench.path)["versions"].items()} == {
            "1": False,
            "2": True,
        }

    run(scene())


def test_a_version_that_is_made_anew_with_another_value(vault: RealVault) -> None:
    """Its first value was stored nowhere any more: it is destroyed, and the new one is there alone."""

    async def scene() -> None:
        bench = KvBench(vault)
        await bench.issue(bench.intent())
        again = await bench.issue(bench.intent())
        assert [number for number, _ in bench.versions()] == [2]
        await bench.backend.prove(again)

    run(scene())


def test_somebody_writes_on_top(vault: RealVault) -> None:
    """What he wrote stays, ours below it is revoked, and nothing more is pushed until a person decides."""

    async def scene() -> None:
        bench = KvBench(vault)
        one = await bench.issue(bench.intent())
        bench.stranger(one.claim)
        with pytest.raises(Rejected, match=r"version 2 of .* is not of this credential") as refused:
            await bench.issue(bench.intent(2))
        assert refused.value.reason == Reason.NAME_TAKEN
        await bench.backend.revoke(one)
        assert [number for number, _ in bench.versions()] == [2]

    run(scene())


def test_somebody_writes_in_between(vault: RealVault) -> None:
    """Between our look and our push: the push does nothing (check-and-set), and the next look sees him."""

    async def scene() -> None:
        bench = KvBench(vault)

        def meanwhile(request: Request) -> None:
            if request.method == "POST" and "/data/" in request.path and not bench.versions():
                bench.stranger(bench.intent().claim)

        with pytest.raises(Rejected) as refused:
            await (
                Wire(meanwhile=meanwhile)
                .of(bench.wanted, bench.vault.door)
                .issue(bench.intent(), bench.made(bench.intent()))
            )
        assert refused.value.reason == Reason.NAME_TAKEN
        assert [number for number, _ in bench.versions()] == [1]

    run(scene())


def test_an_engine_of_version_1(vault: RealVault) -> None:
    """It would take a push for another secret: it gets none."""
    vault.root.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
    policy = 'path "old/*" { capabilities = ["create", "read", "update", "list"] }'
    door = by_token(vault, policy)

    async def scene() -> None:
        wanted = asks("vaultKV", mount="old", path="orders")
        bench = KvBench(vault)
        with pytest.raises(Rejected, match="no KV engine of version 2 at old") as refused:
            await door.adapter(wanted).issue(bench.intent(), bench.made(bench.intent()))
        assert refused.value.reason == Reason.BACKEND_REFUSED
        with pytest.raises(hvac.exceptions.InvalidPath):
            vault.root.secrets.kv.v1.list_secrets("", mount_point="old")

    run(scene())


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a role that is not there": ("vaultAppRole", {"role": "nobody"}, "has no role nobody at approle"),
    "a PKI role that is not there": ("vaultPKI", {"role": "nobody", "commonName": "a.shop.example"}, "does not let us"),
    "a name that the role does not allow": (
        "vaultPKI",
        {"role": "orders", "commonName": "a.example.com"},
        "allow one of",
    ),
    "a mount that is not there": ("vaultKV", {"mount": "nowhere", "path": "a"}, "does not let us"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_person_must_mend(vault: RealVault, case: str) -> None:
    """It is said in words of our own."""
    kind, fields, words = REFUSED[case]

    async def scene() -> None:
        intent, adapter = KvBench(vault).intent(), vault.door.adapter(asks(kind, **fields))
        reason, said = await refused(adapter.issue(intent, draw()))
        assert (reason, words in said) == (Reason.BACKEND_REFUSED, True), said

    run(scene())


def test_a_lifetime_beyond_the_roles(vault: RealVault) -> None:
    """A secret id that may not live so long is not made, and `lifetime` is named."""

    async def scene() -> None:
        bench = AppRoleBench(vault)
        reason, said = await refused(bench.backend.issue(bench.intent(expires=now() + timedelta(hours=49)), None))
        assert (reason, "`lifetime`" in said) == (Reason.BACKEND_REFUSED, True), said
        assert bench.things() == []

    run(scene())
