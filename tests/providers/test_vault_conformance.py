"""The adapters of Vault keep what their port promises, with a real server on this host."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hvac
import pytest
from cryptography import x509

from rekey.core.material import Material
from rekey.core.spec_provide import Provide
from rekey.errors import NotAccepted
from rekey.ports.backend import Backend, Claim, Held
from tests.providers.vault import RealVault, now, run
from tests.sim.conformance_of_backends import (
    OTHERS,
    OURS,
    BackendConformance,
    Bench,
    ListableConformance,
    MadeHereConformance,
    MadeThereConformance,
    Play,
    UnlistedConformance,
)

pytestmark = pytest.mark.xdist_group("vault")


def asks(kind: str, **fields: Any) -> Provide:
    """Return what a credential of that kind asks for."""
    return Provide.model_validate({"ref": {"name": "store"}, kind: fields})


class RealBench(Bench):
    """A place of a real server in which nobody else has anything."""

    def __init__(self, vault: RealVault, kind: str, **fields: Any) -> None:
        self.vault = vault
        self.root = vault.root
        self.wanted = asks(kind, **fields)
        self.backend = vault.door.adapter(self.wanted)

    def away(self) -> Backend:
        return self.vault.away().adapter(self.wanted)

    def locked_out(self) -> Backend:
        return self.vault.locked_out().adapter(self.wanted)


class KvBench(RealBench):
    """A path."""

    def __init__(self, vault: RealVault) -> None:
        self.path = f"shop/{secrets.token_hex(4)}"
        super().__init__(vault, "vaultKV", path=self.path)

    def versions(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the versions that are not destroyed."""
        try:
            found = self.root.secrets.kv.v2.read_secret_metadata(self.path)["data"]["versions"]
        except hvac.exceptions.InvalidPath:
            return []
        return [(int(number), one) for number, one in found.items() if not one["destroyed"]]

    def read(self, number: int) -> dict[str, Any]:
        """Return what a client outside the cluster reads; nothing of a version that is deleted."""
        found = self.root.secrets.kv.v2.read_secret_version(self.path, number, raise_on_deleted_version=False)
        values: dict[str, Any] = found["data"]["data"] or {}
        return values

    async def accepted(self, held: Held) -> bool:
        assert held.material is not None
        value = held.material.reveal()["password"].decode()
        return any(self.read(number).get("password") == value for number, _ in self.versions())

    def things(self) -> list[str]:
        return [repr((number, one, self.read(number))) for number, one in self.versions()]

    def stranger(self, name_of: Claim) -> None:
        self.root.secrets.kv.v2.create_or_update_secret(self.path, {"password": "theirs"})


class AppRoleBench(RealBench):
    """A role."""

    secret_key = "secret_id"

    def __init__(self, vault: RealVault) -> None:
        self.role = f"orders-{secrets.token_hex(4)}"
        vault.root.auth.approle.create_or_update_approle(self.role, token_ttl="1m", secret_id_ttl="48h")
        super().__init__(vault, "vaultAppRole", role=self.role)

    async def accepted(self, held: Held) -> bool:
        assert held.material is not None
        values = {key: value.decode() for key, value in held.material.reveal().items()}
        try:
            self.root.auth.approle.login(**values, use_token=False)
        except hvac.exceptions.InvalidRequest:
            return False
        return True

    def things(self) -> list[str]:
        approle = self.root.auth.approle
        try:
            keys = approle.list_secret_id_accessors(self.role)["data"]["keys"]
        except hvac.exceptions.InvalidPath:
            return []
        return [repr(approle.read_secret_id_accessor(self.role, key)["data"]["metadata"]) for key in keys]

    def stranger(self, name_of: Claim) -> None:
        self.root.auth.approle.generate_secret_id(self.role, {"who": "somebody"})


class PkiBench(RealBench):
    """A role of an engine; what was there before is not looked at."""

    secret_key = "tls.key"

    def __init__(self, vault: RealVault) -> None:
        names = {"commonName": "orders.shop.example", "dnsNames": ["till.shop.example"]}
        super().__init__(vault, "vaultPKI", role="orders", **names)
        self.before = set(self.serials())

    def serials(self) -> list[str]:
        """Return which certificates were ever issued."""
        found: list[str] = self.root.secrets.pki.list_certificates()["data"]["keys"]
        return found

    def revoked(self) -> set[str]:
        """Return what is on the list that clients ask for."""
        found = x509.load_pem_x509_crl(self.root.secrets.pki.read_crl().encode())
        return {":".join(f"{byte:02x}" for byte in _bytes(one.serial_number)) for one in found}

    async def accepted(self, held: Held) -> bool:
        assert held.material is not None
        values = held.material.reveal()
        certificate = x509.load_pem_x509_certificate(values["tls.crt"])
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(values["ca.crt"]))
        return held.backend_id not in self.revoked()

    def things(self) -> list[str]:
        return sorted(set(self.serials()) - self.before - self.revoked())

    def stranger(self, name_of: Claim) -> None:
        raise NotImplementedError("certificates have no names that could be taken")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def playing(bench: Callable[[], Bench]) -> Play:
    """Return what plays a scene at a fresh bench."""

    def played(scene: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        run(scene(bench()))

    return played


class TestKv(BackendConformance, ListableConformance, MadeHereConformance):
    """Versions of a secret of the KV engine."""

    @pytest.fixture
    def play(self, vault: RealVault) -> Play:
        """Play a scene at a fresh path."""
        return playing(lambda: KvBench(vault))

    def test_listed(self, play: Play) -> None:
        """What is ours is listed, the oldest first; what another credential has is at another path."""

        async def scene(bench: Bench) -> None:
            for number in (2, 10, 1):
                await bench.issue(bench.intent(number))
            found = await bench.backend.find(OURS)
            assert found == tuple(bench.intent(number).claim for number in (1, 2, 10))
            assert await bench.backend.find(OTHERS) == ()

        play(scene)


class TestAppRole(BackendConformance, ListableConformance, MadeThereConformance):
    """Secret ids of a role."""

    @pytest.fixture
    def play(self, vault: RealVault) -> Play:
        """Play a scene at a fresh role."""
        return playing(lambda: AppRoleBench(vault))

    def test_those_of_others(self, play: Play) -> None:
        """What somebody else made for the role is neither listed nor destroyed."""

        async def scene(bench: Bench) -> None:
            bench.stranger(bench.intent().claim)
            one = await bench.issue(bench.intent())
            assert len(bench.things()) == 2
            await bench.backend.revoke(one)
            assert bench.things() == ["{'who': 'somebody'}"]

        play(scene)


class TestPki(UnlistedConformance, MadeThereConformance):
    """Certificates of a role. Of one whose serial number nobody knows nothing is asked."""

    @pytest.fixture
    def play(self, vault: RealVault) -> Play:
        """Play a scene at the engine."""
        return playing(lambda: PkiBench(vault))

    def test_expired(self, play: Play) -> None:
        """A certificate that has expired is refused: as there is none for the past, by a clock that is ahead."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent(expires=now() + timedelta(hours=1)))
            await bench.backend.prove(one)
            assert isinstance(bench, RealBench)
            ahead = replace(bench.vault.door, now=lambda: now() + timedelta(hours=2))
            with pytest.raises(NotAccepted, match="expired"):
                await ahead.adapter(bench.wanted).prove(one)

        play(scene)


def test_the_lifetime_is_kept_by_the_server(vault: RealVault) -> None:
    """A secret id and a certificate end when they were asked to, by what the server itself says."""

    async def scene() -> None:
        for bench in (AppRoleBench(vault), PkiBench(vault)):
            ends = now() + timedelta(hours=7)
            granted = await bench.backend.issue(bench.intent(expires=ends), None)
            assert granted.expires is not None
            assert abs(granted.expires - ends) < timedelta(minutes=5)

    run(scene())


def test_a_certificate_is_good_for_its_names(vault: RealVault) -> None:
    """The common name, and more, with the key that is delivered beside it."""

    async def scene() -> None:
        one = await PkiBench(vault).issue(PkiBench(vault).intent())
        certificate = x509.load_pem_x509_certificate(_values(one)["tls.crt"])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert set(names.get_values_for_type(x509.DNSName)) == {"orders.shop.example", "till.shop.example"}

    run(scene())


def _values(held: Held) -> Any:
    return (held.material or Material({})).reveal()
