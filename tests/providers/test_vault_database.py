"""Leases of Vault's database engine: a real server makes users of a real PostgreSQL, and takes them away."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hvac
import pytest

from rekey.core.material import Material
from rekey.errors import NotAccepted, NotYet
from rekey.ports.backend import Backend, Claim, Granted, Held
from rekey.providers.vault import database
from rekey.providers.vault.database import SHORT
from rekey.providers.vault.passes import Passes
from tests.cluster.waiting import until
from tests.providers.postgres import Postgres
from tests.providers.test_vault import tried
from tests.providers.test_vault_conformance import RealBench, playing
from tests.providers.vault import PAGES, PLUGIN, RealVault, Wire, by_token, now, refused, run
from tests.sim.conformance_of_backends import Bench, MadeThereConformance, Play, UnlistedConformance, held

pytestmark = pytest.mark.xdist_group("vault")
DOCUMENTED = "\n".join(re.findall(r"```hcl\n(.*?)```", PAGES[0].read_text(), re.DOTALL))
MADE = """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"""


class DatabaseBench(RealBench):
    """A role of the engine, whose users are of a PostgreSQL."""

    def __init__(self, vault: RealVault, postgres: Postgres, **more: Any) -> None:
        self.postgres = postgres
        self.role = f"orders-{secrets.token_hex(4)}"
        self.engine = vault.root.secrets.database
        url = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{postgres.port}/postgres?sslmode=disable"
        # Or the database would wait for Vault to hang up when it is stopped.
        login = {"username": "postgres", "password": postgres.secret, "max_idle_connections": -1}
        self.engine.configure("store", PLUGIN, allowed_roles="*", connection_url=url, **login)
        self.define(**more)
        super().__init__(vault, "vaultDatabase", role=self.role)

    def define(self, **more: Any) -> None:
        """Say what the role does."""
        self.engine.create_role(self.role, "store", [MADE], **{"default_ttl": "1h", "max_ttl": "240h", **more})

    async def accepted(self, held: Held) -> bool:
        return self.postgres.lets_in(held.material)

    def things(self) -> list[str]:
        try:
            found: list[str] = self.root.sys.list_leases(f"database/creds/{self.role}")["data"]["keys"]
        except hvac.exceptions.InvalidPath:
            return []
        return found

    def stranger(self, name_of: Claim) -> None:
        raise NotImplementedError("leases have no names that could be taken")


class TestLeases(UnlistedConformance, MadeThereConformance):
    """Users of a database. Of one whose lease nobody knows nothing is asked."""

    @pytest.fixture
    def play(self, vault: RealVault, postgres: Postgres) -> Play:
        """Play a scene at a fresh role."""
        return playing(lambda: DatabaseBench(vault, postgres))

    def test_another_value_is_refused(self, play: Play) -> None:
        """Vault does not say what a password is: one whose Secret is gone is refused, the others stay."""

        async def scene(bench: Bench) -> None:
            first, second = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
            with pytest.raises(NotAccepted):
                await bench.backend.prove(replace(first, material=None))
            with pytest.raises(NotAccepted):
                await bench.backend.prove(replace(first, backend_id="nobody/knows"))
            await bench.backend.prove(second)

        play(scene)

    def test_expired(self, play: Play) -> None:
        """A lease that has ended is refused: as there is none for the past, by a clock that is ahead."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent(expires=now() + timedelta(hours=2)))
            await bench.backend.prove(one)
            assert isinstance(bench, RealBench)
            ahead = replace(bench.vault.door, now=lambda: now() + timedelta(hours=3))
            with pytest.raises(NotAccepted, match="has ended"):
                await ahead.adapter(bench.wanted).prove(one)

        play(scene)


Scene = Callable[[DatabaseBench], Coroutine[Any, Any, None]]


def play(vault: RealVault, postgres: Postgres, scene: Scene, **more: Any) -> None:
    """Play a scene at a fresh role."""

    async def whole() -> None:
        await scene(DatabaseBench(vault, postgres, **more))

    run(whole())


def test_a_lease_lasts_as_long_as_its_version(vault: RealVault, postgres: Postgres) -> None:
    """From the beginning, whoever is here to renew it; it outlives our own log-in; the database knows its end, too."""

    async def scene(bench: DatabaseBench) -> None:
        ends = now() + timedelta(hours=48)
        passes = Passes()
        granted = await replace(vault.door, passes=passes).adapter(bench.wanted).issue(bench.intent(expires=ends), None)
        one = held(bench.intent(expires=ends), granted)
        assert granted.expires is not None
        assert abs(granted.expires - ends) < timedelta(minutes=1)
        (known,) = passes._known.values()
        assert known.token is not None
        vault.root.auth.token.revoke(known.token.value)
        assert await bench.accepted(one)
        await bench.backend.prove(one)
        assert abs(users(postgres)[user(one)] - ends) < timedelta(minutes=2)
        await bench.backend.revoke(one)
        assert user(one) not in users(postgres)

    play(vault, postgres, scene)


def users(postgres: Postgres) -> dict[str, Any]:
    """Return until when each user may log in."""
    return dict(postgres.run("SELECT rolname, rolvaliduntil FROM pg_roles"))


def user(one: Held) -> str:
    """Return the name of the user."""
    return (one.material or Material({})).reveal()["username"].decode()


def test_a_role_that_allows_less_is_kept_to(vault: RealVault, postgres: Postgres) -> None:
    """The version ends when its lease does, and without a lifetime when the role says."""

    async def scene(bench: DatabaseBench) -> None:
        for expires in (now() + timedelta(hours=48), None):
            granted = await bench.backend.issue(bench.intent(expires=expires), None)
            assert granted.expires is not None
            assert abs(granted.expires - now() - timedelta(hours=2)) < timedelta(minutes=1)

    play(vault, postgres, scene, max_ttl="2h")


def tokens(vault: RealVault) -> dict[str, int]:
    """Return how long each token of a lease lasts, by its accessor."""
    auth = vault.root.auth.token
    found = [auth.lookup_accessor(key)["data"] for key in auth.list_accessors()["data"]["keys"]]
    return {one["accessor"]: one["ttl"] for one in found if "rekey_version" in (one["meta"] or {})}


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_crash_while_it_is_made(vault: RealVault, postgres: Postgres, *, after: bool) -> None:
    """What is left has a token of a few minutes; only what crashes after the last answer leaves more."""

    async def scene(bench: DatabaseBench) -> None:
        whole = Wire()
        await whole.of(bench.wanted, vault.door).issue(bench.intent(), None)
        assert [one.split("/v1/")[1] for one in whole.asked[1:]] == [
            "auth/token/create/rekey-leases",
            f"database/creds/{bench.role}",
            "sys/leases/renew",
            "auth/token/renew-accessor",
        ]
        last = len(whole.asked)
        for at in range(1, last + 1):
            before = tokens(vault).keys()
            assert not await tried(Wire(at, after).of(bench.wanted, vault.door).issue(bench.intent(), None))
            left = [life for accessor, life in tokens(vault).items() if accessor not in before]
            assert len(left) == (at > 2 or (at == 2 and after))
            assert all(life <= SHORT for life in left) is not (at == last and after)

    play(vault, postgres, scene)


def test_what_a_crash_left_ends_by_itself(
    vault: RealVault, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its token: the user is gone from the database, though the lease alone would last for days."""
    monkeypatch.setattr(database, "SHORT", 3)

    async def scene(bench: DatabaseBench) -> None:
        before = users(postgres).keys()
        assert not await tried(Wire(5).of(bench.wanted, vault.door).issue(bench.intent(), None))
        until(lambda: users(postgres).keys() == before, "the user to be gone", seconds=90)
        assert bench.things() == []

    play(vault, postgres, scene)


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_crash_while_it_is_revoked(vault: RealVault, postgres: Postgres, *, after: bool) -> None:
    """Whoever is next revokes it: the lease, its user, and its token."""

    async def scene(bench: DatabaseBench) -> None:
        for at in (1, 2, 3, 4, 5):
            one = await bench.issue(bench.intent())
            assert not await tried(Wire(at, after).of(bench.wanted, vault.door).revoke(one))
            await bench.backend.revoke(one)
            assert bench.things() == []
            assert not await bench.accepted(one)
            with pytest.raises(hvac.exceptions.InvalidRequest, match="invalid accessor"):
                vault.root.auth.token.lookup_accessor(str(one.backend_id).partition("/")[0])

    play(vault, postgres, scene)


def test_what_is_not_of_the_version_is_not_revoked(vault: RealVault, postgres: Postgres) -> None:
    """Its id stood where others may write: it may name another's token, a person's, or none and another's lease."""

    async def scene(bench: DatabaseBench) -> None:
        one, other = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
        persons = vault.root.auth.token.create(policies=["default"], no_parent=True)["auth"]["accessor"]
        lease = str(other.backend_id).partition("/")[2]
        for backend_id in (str(other.backend_id), f"{persons}/{lease}"):
            reason, text = await refused(bench.backend.revoke(replace(one, backend_id=backend_id)))
            assert (reason, "a token that is not its own" in text) == ("BackendRefused", True), text
        with pytest.raises(NotYet, match="has not ended yet"):
            await bench.backend.revoke(replace(one, backend_id=f"nobody/{lease}"))
        assert await bench.accepted(other)
        await bench.backend.prove(other)
        vault.root.auth.token.lookup_accessor(persons)

    play(vault, postgres, scene)


def test_a_token_that_somebody_revoked(vault: RealVault, postgres: Postgres) -> None:
    """Its lease has gone with it: there is nothing left to revoke, and the version is not accepted."""

    async def scene(bench: DatabaseBench) -> None:
        one = await bench.issue(bench.intent())
        vault.root.auth.token.revoke_accessor(str(one.backend_id).partition("/")[0])
        with pytest.raises(NotAccepted):
            await bench.backend.prove(one)
        await bench.backend.revoke(one)
        until(lambda: not postgres.lets_in(one.material), "the user to be gone", seconds=90)

    play(vault, postgres, scene)


def test_a_user_that_cannot_be_dropped(vault: RealVault, postgres: Postgres) -> None:
    """It is said, and tried again: the lease stays, and nothing is called revoked, until a person mends it."""

    async def scene(bench: DatabaseBench) -> None:
        one = await bench.issue(bench.intent())
        table = f"t_{secrets.token_hex(4)}"
        postgres.run("CREATE TABLE {} ()", table)
        postgres.run("GRANT SELECT ON {} TO {}", table, user(one))
        reason, text = await refused(bench.backend.revoke(one))
        assert (reason, "see `revocation_statements`" in text) == ("BackendRefused", True), text
        assert await bench.accepted(one)
        await bench.backend.prove(one)
        postgres.run("DROP OWNED BY {}", user(one))
        await bench.backend.revoke(one)
        assert not await bench.accepted(one)

    play(vault, postgres, scene, revocation_statements=['DROP ROLE "{{name}}"'])


def _without_token_role(bench: DatabaseBench) -> Backend:
    return replace(bench.vault.door, token_role=None).adapter(bench.wanted)


def _with_another(bench: DatabaseBench) -> Backend:
    return replace(bench.vault.door, token_role="nobody").adapter(bench.wanted)


def _of_a_role_that_is_not_there(bench: DatabaseBench) -> Backend:
    bench.engine.delete_role(bench.role)
    return bench.backend


def _with_one_of_children(bench: DatabaseBench) -> Backend:
    bench.root.auth.token.create_or_update_role("children", allowed_policies=["leases"], orphan=False)
    policy = DOCUMENTED.replace("rekey-leases", "children")
    return replace(by_token(bench.vault, policy), token_role="children").adapter(bench.wanted)


def _with_one_of_no_renewal(bench: DatabaseBench) -> Backend:
    bench.root.auth.token.create_or_update_role("fixed", allowed_policies=["leases"], orphan=True, renewable=False)
    policy = DOCUMENTED.replace("rekey-leases", "fixed")
    return replace(by_token(bench.vault, policy), token_role="fixed").adapter(bench.wanted)


MENDED: dict[str, tuple[Callable[[DatabaseBench], Backend], str, str]] = {
    "no token role is declared": (_without_token_role, "ProviderNotReady", "set spec.vault.tokenRole"),
    "a token role that is not ours": (_with_another, "BackendRefused", "does not let us make tokens of role nobody"),
    "tokens that end with ours": (_with_one_of_children, "ProviderNotReady", "give the role `orphan=true`"),
    "tokens that cannot be extended": (_with_one_of_no_renewal, "BackendRefused", "renew"),
    "a role that is not there": (_of_a_role_that_is_not_there, "BackendRefused", "there is no such role"),
}


@pytest.mark.parametrize("case", MENDED)
def test_what_a_person_must_mend(vault: RealVault, postgres: Postgres, case: str) -> None:
    """It is said what, and nothing is left, at once: it is tried again every minute."""
    opened, reason, words = MENDED[case]

    async def scene(bench: DatabaseBench) -> None:
        backend, before = opened(bench), tokens(vault).keys()
        found, text = await refused(backend.issue(bench.intent(), None))
        assert (found, words in text) == (reason, True), text
        assert tokens(vault).keys() == before
        until(lambda: bench.things() == [], "the lease to be gone", seconds=60)

    play(vault, postgres, scene)


def test_its_id_is_short(vault: RealVault, postgres: Postgres) -> None:
    """It fits into a status, whatever the engine is called, and holds no secret."""

    async def scene(bench: DatabaseBench) -> None:
        granted: Granted = await bench.backend.issue(bench.intent(), None)
        assert len(granted.backend_id or "") < 100
        assert all(value.decode() not in str(granted.backend_id) for value in granted.material.reveal().values())

    play(vault, postgres, scene)
