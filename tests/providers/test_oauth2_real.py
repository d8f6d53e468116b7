"""The OAuth2 adapter with a server of another make, in a process of its own: it keeps its port's promises there."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token
from rekey.core.spec_provide import Provide
from rekey.errors import NoAnswer, NotAccepted, Rejected
from rekey.ports.backend import Backend, Claim, Granted, Held, Intent
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.backend import Oauth2Backend
from tests.cluster import ports, processes
from tests.cluster.waiting import until
from tests.providers.django_server import SECRET
from tests.sim.conformance_of_backends import BackendConformance, Bench, MadeThereConformance, Play

ROOT = Path(__file__).parent.parent.parent
WANTED = Provide.model_validate({"ref": {"name": "idp"}})
pytestmark = pytest.mark.xdist_group("oauth2")


@dataclass(frozen=True)
class Django:
    """The server, and what may be done there without the adapter."""

    url: str

    def ask(self, path: str, token: str = "") -> dict[str, Any] | None:
        """Return what stands there; None if it is not for us."""
        asks = Request(f"{self.url}/{path}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310  this host
        try:
            with urlopen(asks, timeout=30) as answer:  # noqa: S310  likewise
                found: dict[str, Any] = json.load(answer)
                return found
        except HTTPError as error:
            error.close()
            return None

    def consent(self) -> Material:
        """Return a Secret as a person's consent leaves it."""
        return Material({"refresh_token": (self.ask("test/grant") or {})["refresh_token"].encode()})

    def adapter(self, client: str, secret: str = SECRET, seconds: float = 20.0, url: str = "") -> Oauth2Backend:
        """Return the adapter for one of its clients."""
        names = {"tokenUrl": "token", "revocationUrl": "revoke", "introspectionUrl": "introspect"}
        fields = {field: f"{url or self.url}/{path}" for field, path in names.items()}
        server = Oauth2Server.model_validate({**fields, "secretName": "client"})
        login = Login(server, Material({"client_id": client.encode(), "client_secret": secret.encode()}))
        roads = Roads(Allowed(["http://127.0.0.0/8"]), "orders", lambda: datetime.now(UTC), lambda: seconds)
        asks = {"scopes": ["read"]} if client == "machine" else {"grantSecretName": "consent"}
        return Oauth2Backend(login, roads, Oauth2Token.model_validate(asks))


@pytest.fixture(scope="session")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Django]:
    """Give the server."""
    folder = tmp_path_factory.mktemp("django")
    program = folder / "serve.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + PROGRAM)
    server = processes.start("django", [sys.executable, program, folder], folder)
    try:
        port = until(lambda: _read(server, folder / "port"), "the port of django", seconds=120)
        yield Django(f"http://127.0.0.1:{port}")
    finally:
        server.stop()


PROGRAM = "from pathlib import Path\nfrom tests.providers.django_server import serve\nserve(Path(sys.argv[1]))\n"


def _read(server: processes.Server, path: Path) -> str:
    server.demand()
    return path.read_text() if path.exists() else ""


class RealBench(Bench):
    """A client of the server that asks in its own name."""

    wanted = WANTED
    secret_key = "access_token"

    def __init__(self, django: Django) -> None:
        self.django = django
        self.backend = django.adapter("machine")

    async def accepted(self, held: Held) -> bool:
        return self.django.ask("whoami", _access(held)) is not None

    def things(self) -> list[str]:
        found: list[str] = (self.django.ask("test/tokens") or {})["things"]
        return found

    def stranger(self, name_of: Claim) -> None:
        raise NotImplementedError("tokens have no names")

    def away(self) -> Backend:
        return self.django.adapter("machine", url=f"http://127.0.0.1:{ports.free(1)[0]}")

    def locked_out(self) -> Backend:
        return self.django.adapter("machine", secret="another")


def _access(held: Held) -> str:
    assert held.material is not None
    return held.material.reveal()["access_token"].decode()


@pytest.fixture
def play(django: Django) -> Play:
    """Play a scene at a server that gave no tokens yet."""

    def played(scene: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        django.ask("test/expire")
        asyncio.run(scene(RealBench(django)))

    return played


class TestOauth2(BackendConformance, MadeThereConformance):
    """The adapter over aiohttp. Where a token's name would be needed, it says what holds instead."""

    def test_revoked_without_its_value(self, play: Play) -> None:
        """A token whose Secret is gone cannot be named to anybody: it is left to end by itself."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            await bench.backend.revoke(Held(one.claim, one.wanted))
            assert len(bench.things()) == 1

        play(scene)

    def test_expired(self, play: Play) -> None:
        """A token that has ended is refused; when it does is for the server to say."""

        async def scene(bench: Bench) -> None:
            assert isinstance(bench, RealBench)
            one = await bench.issue(bench.intent())
            bench.django.ask("test/expire")
            with pytest.raises(NotAccepted):
                await bench.backend.prove(one)

        play(scene)

    @pytest.mark.parametrize("call", ["issue"])
    def test_away(self, play: Play, call: str) -> None:
        """Of what is not known by its value nothing is asked."""
        super().test_away(play, call)

    @pytest.mark.parametrize("call", ["issue"])
    def test_locked_out(self, play: Play, call: str) -> None:
        """Likewise."""
        super().test_locked_out(play, call)


def intent(grant: Material, before: Granted | None = None, **more: Any) -> Intent:
    """Return a version that is got by a person's consent."""
    kept = before.material if before is not None else None
    return Intent(Claim("uid-1", "orders", "crm", 1), WANTED, datetime.now(UTC), grant=grant, before=kept, **more)


def version(granted: Granted) -> Held:
    """Return a version as it is stored."""
    return Held(Claim("uid-1", "orders", "crm", 1), WANTED, material=granted.material)


async def denied(backend: Oauth2Backend, asks: Intent) -> str:
    """Return why a person must authorize anew."""
    with pytest.raises(Rejected) as caught:
        await backend.issue(asks, None)
    assert caught.value.reason == Reason.NEEDS_REAUTH
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_a_chain_of_rotating_refresh_tokens(django: Django) -> None:
    """Each renewal shows the newest; the first is used up after the first, and what is kept carries the chain on."""

    async def scene() -> None:
        backend, consent = django.adapter("person"), django.consent()
        seen, before = set(), None
        for _ in range(4):
            before = await backend.issue(intent(consent, before), None)
            await backend.prove(version(before))
            seen.add(before.material.reveal()["issuer.refresh_token"])
        assert len(seen) == 4
        assert "revoked or has expired" in await denied(backend, intent(consent))

    asyncio.run(scene())


def test_a_lost_answer_and_a_person_who_repairs_it(django: Django) -> None:
    """The server rotated and was late: the cause is named, and a new consent brings it back."""

    async def scene() -> None:
        backend, consent = django.adapter("person"), django.consent()
        first = await backend.issue(intent(consent), None)
        django.ask("test/late")
        with pytest.raises(NoAnswer):
            await django.adapter("person", seconds=3.0).issue(intent(consent, first), None)
        django.ask("test/answer")
        why = await denied(backend, intent(consent, first, unanswered=True))
        assert "the answer of an earlier renewal was lost and the server had rotated the refresh token" in why
        again = await backend.issue(intent(django.consent(), first), None)
        await backend.prove(version(again))

    asyncio.run(scene())


def test_a_consent_that_was_withdrawn(django: Django) -> None:
    """A person must act."""

    async def scene() -> None:
        backend, consent = django.adapter("person"), django.consent()
        first = await backend.issue(intent(consent), None)
        django.ask("test/withdraw")
        assert "400 (invalid_grant)" in await denied(backend, intent(consent, first))
        with pytest.raises(NotAccepted):
            await backend.prove(version(first))

    asyncio.run(scene())


def test_a_token_that_is_revoked(django: Django) -> None:
    """It is seen not to be active, and the server lets nobody in with it."""

    async def scene() -> None:
        backend = django.adapter("person")
        held = version(await backend.issue(intent(django.consent()), None))
        assert django.ask("whoami", _access(held)) is not None
        await backend.revoke(held)
        assert django.ask("whoami", _access(held)) is None
        with pytest.raises(NotAccepted):
            await backend.prove(held)

    asyncio.run(scene())
