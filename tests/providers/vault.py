"""A real Vault server on this host for the tests: one for each process that runs tests, gone with it.

It keeps everything in memory, speaks TLS, and lets the adapter in by an AppRole that may do what docs/vault.md says.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import hvac
import pytest
import requests

from rekey.core.material import Material
from rekey.core.spec_provide import Provide
from rekey.core.spec_vault import VaultServer
from rekey.errors import NoAnswer, Rejected, RekeyError
from rekey.ports.backend import Backend
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.vault.approle import VaultSecretIds
from rekey.providers.vault.database import VaultLeases
from rekey.providers.vault.kv import VaultKv
from rekey.providers.vault.login import Login, Vault
from rekey.providers.vault.passes import Passes
from rekey.providers.vault.pki import VaultPki
from rekey.providers.vault.road import Answer, Request, Road
from tests.cluster import build, ports, processes
from tests.cluster.errors import NoGo, NoNetwork
from tests.cluster.waiting import until

PAGES: Final = [Path(__file__).parents[2] / "docs" / f"{name}.md" for name in ("vault", "keys")]
PLUGIN: Final = "postgresql-database-plugin"
PAIR: Final = {"appRole": {"secretName": "login"}}


def now() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


async def nobody() -> str:
    """Be no ServiceAccount."""
    raise AssertionError("nobody logs in as a ServiceAccount here")


@dataclass(frozen=True)
class Door:
    """How an adapter gets to the server; what tests change of that."""

    address: str
    authority: Material
    secret: Material
    auth: dict[str, Any] = field(default_factory=lambda: PAIR)
    seconds: Callable[[], float] = lambda: 20.0
    now: Callable[[], datetime] = now
    identity: Any = nobody
    passes: Passes = field(default_factory=Passes)
    road: Callable[..., Road] = Road
    token_role: str | None = "rekey-leases"

    def vault(self) -> Vault:
        """Return the server for a credential's calls."""
        server = VaultServer.model_validate({"address": self.address, "caSecretName": "ca", "auth": self.auth})
        allowed = Allowed(["127.0.0.0/8"])
        road = self.road(server, self.authority, Roads(allowed, "orders", self.now, self.seconds))
        known = self.passes.of(("orders", "CredentialProvider", "store"), server, self.secret)
        return Vault(road, Login(server, self.secret, self.identity), known, lambda _: None)

    def adapter(self, wanted: Provide) -> Backend:
        """Return the adapter for a credential."""
        if wanted.vault_kv is not None:
            return VaultKv(self.vault(), wanted.vault_kv, draw)
        if wanted.vault_app_role is not None:
            return VaultSecretIds(self.vault(), wanted.vault_app_role)
        if wanted.vault_database is not None:
            return VaultLeases(self.vault(), wanted.vault_database, self.token_role)
        assert wanted.vault_pki is not None
        return VaultPki(self.vault(), wanted.vault_pki)


def draw() -> Material:
    """Make a password."""
    return Material({"password": secrets.token_hex(16).encode()})


@dataclass
class RealVault:
    """A server that runs; `root` may do everything there."""

    port: int
    authority: Path
    log: Path
    root: Any
    door: Door = field(init=False)

    def open(self) -> None:
        """Have engines there, and us as an AppRole."""
        root = self.root
        policies = [policy for page in PAGES for policy in re.findall(r"```hcl\n(.*?)```", page.read_text(), re.DOTALL)]
        # Tests have keys of their own.
        policies = [re.sub(r"(transit/\w+)/rekey", r"\1/+", policy) for policy in policies]
        root.sys.create_or_update_policy("rekey", "\n".join(policies))
        root.sys.enable_auth_method("approle")
        root.auth.approle.create_or_update_approle("rekey", token_policies=["rekey"], token_ttl="1h")
        root.sys.enable_secrets_engine("transit")
        root.sys.enable_secrets_engine("database")
        root.sys.create_or_update_policy("leases", 'path "database/creds/*" { capabilities = ["read"] }')
        root.auth.token.create_or_update_role("rekey-leases", allowed_policies=["leases"], orphan=True)
        root.sys.enable_secrets_engine("pki")
        root.secrets.pki.generate_root("internal", "shop", {"key_type": "ec", "key_bits": 256})
        more = {"allowed_domains": "shop.example", "allow_subdomains": True, "key_type": "ec", "max_ttl": "720h"}
        root.secrets.pki.create_or_update_role("orders", more)
        authority = Material({"ca.crt": self.authority.read_bytes()})
        self.door = Door(f"https://127.0.0.1:{self.port}", authority, self.pair())

    def pair(self, role: str = "rekey") -> Material:
        """Return a Secret by which we are let in."""
        approle = self.root.auth.approle
        role_id = approle.read_role_id(role)["data"]["role_id"]
        secret_id = approle.generate_secret_id(role)["data"]["secret_id"]
        return Material({"role_id": role_id.encode(), "secret_id": secret_id.encode()})

    def away(self) -> Door:
        """Return a door behind which nobody answers."""
        return replace(self.door, address=f"https://127.0.0.1:{ports.free(1)[0]}", passes=Passes())

    def locked_out(self) -> Door:
        """Return a door through which we are not let: as another, whom Vault locks out after five times."""
        self.root.auth.approle.create_or_update_approle("stranger")
        secret = Material({**self.pair("stranger").reveal(), "secret_id": b"a-wrong-one"})
        return replace(self.door, secret=secret, passes=Passes())


@dataclass
class Wire:
    """What goes over it; `at`: which request is cut (0: none), `after`: when it was done; `meanwhile`: before it."""

    at: int = 0
    after: bool = False
    meanwhile: Callable[[Request], object] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def road(self, *parts: Any) -> Road:
        """Return a road that it is laid along."""
        wire = self

        class Along(Road):
            async def send(self, request: Request, token: str | None, seconds: float) -> Answer:
                wire.asked.append(f"{request.method} {request.path}")
                wire.meanwhile(request)
                cut = len(wire.asked) == wire.at
                if cut and not wire.after:
                    raise NoAnswer("cut before it was done")
                answer = await super().send(request, token, seconds)
                if cut:
                    raise NoAnswer("cut after it was done")
                return answer

        return Along(*parts)

    def of(self, wanted: Provide, door: Door) -> Backend:
        """Return the adapter of another process, along this wire."""
        return replace(door, road=self.road, passes=Passes()).adapter(wanted)


def by_token(vault: RealVault, policy: str = "", **more: Any) -> Door:
    """Return a door for a token that a person made."""
    name = "rekey"
    if policy:
        name = f"policy-{secrets.token_hex(4)}"
        vault.root.sys.create_or_update_policy(name, policy)
    made = vault.root.auth.token.create(policies=[name], no_parent=True, **more)["auth"]["client_token"]
    auth = {"token": {"secretName": "login"}}
    return replace(vault.door, secret=Material({"token": made.encode()}), auth=auth, passes=Passes())


async def refused(call: Awaitable[object]) -> tuple[str, str]:
    """Return why a person must act, and what is said."""
    with pytest.raises(RekeyError) as error:
        await call
    assert isinstance(error.value, Rejected), error.value
    return error.value.reason, str(error.value)


def run(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene, and let connections end: the server answers the end of TLS, for which nobody else waits."""

    async def whole() -> None:
        await scene
        open_ones = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            while len(open_ones) > 1:  # noqa: ASYNC110  nobody tells; the loop's own is left
                await asyncio.sleep(0)

    asyncio.run(whole())


@contextmanager
def running(folder: Path) -> Iterator[RealVault]:
    """Give a server, and stop it."""
    try:
        programs = build.ensure(["vault", PLUGIN])
    except (NoGo, NoNetwork) as error:
        pytest.skip(f"no Vault can be built here: {error}")
    port, token = ports.free(1)[0], secrets.token_hex(16)
    flags = ["-dev", "-dev-tls", f"-dev-tls-cert-dir={folder}", f"-dev-root-token-id={token}", "-dev-no-store-token"]
    flags += [f"-dev-listen-address=127.0.0.1:{port}", f"-dev-plugin-dir={folder / 'plugins'}"]
    (folder / "plugins").mkdir()
    shutil.copy(programs[PLUGIN], folder / "plugins")  # it takes no link, and registers whatever is there
    # It dies with us, `kill -9` included.
    server = processes.start(
        "vault", ["setpriv", "--pdeathsig", "KILL", "--", programs["vault"], "server", *flags], folder
    )
    try:
        root = hvac.Client(f"https://127.0.0.1:{port}", token, verify=str(folder / "vault-ca.pem"))
        until(lambda: _answers(server, root), "Vault", seconds=120)
        found = RealVault(port, folder / "vault-ca.pem", server.log, root)
        found.open()
        yield found
        root.adapter.close()
    finally:
        server.stop()


def _answers(server: processes.Server, root: Any) -> bool:
    server.demand()
    try:
        # The engine comes a moment after the server is unsealed, and is being made ready for another moment.
        return bool(root.secrets.kv.v2.create_or_update_secret("ready", {"is": "it"}))
    except (OSError, requests.RequestException, hvac.exceptions.VaultError):
        return False


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVault]:
    """Give the server that all tests of this process share; where it cannot be built they are skipped, loudly."""
    with running(tmp_path_factory.mktemp("vault")) as found:
        yield found
