"""The adapters of Vault when things go wrong: answers of every kind, places where nothing is sent, and secrecy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest
from pydantic import ValidationError

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultServer
from rekey.errors import NoAnswer, NotLeading, NotYet, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup
from rekey.providers.http.roads import Roads
from rekey.providers.vault.kv import VaultKv
from rekey.providers.vault.login import Login, Vault
from rekey.providers.vault.passes import Passes
from rekey.providers.vault.road import Request, Road
from tests.providers.authorizing import NOW
from tests.providers.serving import Behaviour, Says, Server, leads_here, serving, telling
from tests.providers.test_http_allowed import NEVER
from tests.providers.test_oauth2_ssrf import ADDRESSES, EVERYTHING, leading
from tests.providers.test_oauth2_trouble import _breaks_off, _floods, _hangs, _hangs_up, _repeats, _resets, _trickles
from tests.providers.test_vault_conformance import asks
from tests.providers.vault import draw, nobody
from tests.sim.conformance_of_backends import OURS, everything

TOKEN = "canary-token-4f9d2c7ab1e0"
CANARY = "4f9d2c7ab1e0"
GOOD = Says(200, {"data": {"ttl": 3600, "renewable": True}})
HERE = ["http://127.0.0.0/8"]


@dataclass
class Desk:
    """A server that was told its answers, and us."""

    server: Server
    seconds: Callable[[], float] = lambda: 10.0

    def says(self, *answers: Says | Behaviour) -> None:
        """Tell the server what it does next; after these it hangs up."""
        self.server.behaviour = telling(*answers)

    def road(self, lookup: Lookup = leads_here, allowed: Sequence[str] = HERE, address: str = "") -> Road:
        """Return the way there."""
        address = address or f"http://till.orders.svc:{self.server.port}"
        fields = {"address": address, "namespace": "shop", "auth": {"token": {"secretName": "login"}}}
        roads = Roads(Allowed(allowed), "orders", lambda: NOW, self.seconds, lookup)
        return Road(VaultServer.model_validate(fields), None, roads)

    def adapter(self) -> VaultKv:
        """Return an adapter that was never there."""
        road, secret = self.road(), Material({"token": TOKEN.encode()})
        server = VaultServer.model_validate({"address": "http://x", "auth": {"token": {"secretName": "login"}}})
        vault = Vault(road, Login(server, secret, nobody), Passes().of(("",), server, secret), lambda _: None)
        wanted = asks("vaultKV", path="orders").vault_kv
        assert wanted is not None
        return VaultKv(vault, wanted, draw)


def play(scene: Callable[[Desk], Awaitable[None]], seconds: Callable[[], float] = lambda: 10.0) -> Desk:
    """Play a scene with a fresh server."""

    async def played() -> Desk:
        async with serving() as server:
            server.header = "x-vault-token"
            desk = Desk(server, seconds)
            await scene(desk)
            return desk

    return asyncio.run(played())


async def failed(call: Awaitable[object]) -> RekeyError:
    """Return what a call raised; see that no secret is in it."""
    with pytest.raises(RekeyError) as error:
        await call
    assert CANARY not in everything(error.value)
    return error.value


def no(*errors: str) -> dict[str, Any]:
    """Return a body as Vault writes it of what failed, with what nobody should repeat."""
    return {"errors": [*errors, f"canary-{CANARY}"]}


ANSWERS: dict[str, tuple[Says, type[RekeyError], str]] = {
    "sealed": (Says(503, no("Vault is sealed")), Retryable, "is sealed"),
    "a standby for disaster recovery": (Says(472, no()), Retryable, "standby"),
    "a standby for reading": (Says(473, no()), Retryable, "standby"),
    "a standby that passes nothing on": (Says(307, "", {"Location": "https://b/"}), Retryable, "standby"),
    "behind the active one": (Says(412, no("required index state not present")), Retryable, "behind"),
    "an engine that is being made": (Says(400, no("Upgrading from non-versioned to versioned")), NotYet, "ready"),
    "too many requests": (Says(429, no("request path: rate limit"), {"Retry-After": "7"}), Retryable, "pause"),
    "a failure": (Says(500, no("1 error occurred")), NoAnswer, "answered 500 to read metadata of orders"),
    "a proxy without a server": (Says(502, "<html>"), NoAnswer, "answered 502"),
    "a redirect": (Says(302, "", {"Location": "http://169.254.169.254/"}), Rejected, "answered 302"),
    "no such mount": (Says(404, no("no handler for route")), Rejected, "nothing of that kind is mounted"),
    "a wrong request": (Says(400, no("field validation failed")), Rejected, "see what is asked of it"),
    "an operation it does not know": (Says(405, no("unsupported operation")), Rejected, "mounted there"),
    "what is no JSON": (Says(200, f"<html>{CANARY}"), NoAnswer, "not a JSON object"),
    "a list": (Says(200, "[]"), NoAnswer, "not a JSON object"),
    "more than a megabyte": (Says(200, json.dumps({"data": "x" * 1024 * 1024})), NoAnswer, "of 1024 KiB at most"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_an_answer_means(case: str) -> None:
    """It is asked again later, or a person must act; nothing of it is repeated, and nothing is asked at once again."""
    answer, kind, words = ANSWERS[case]

    async def scene(desk: Desk) -> None:
        desk.says(GOOD, answer)
        error = await failed(desk.adapter().find(OURS))
        assert type(error) is kind, error
        assert words in str(error)
        if isinstance(error, Rejected):
            assert error.reason == Reason.BACKEND_REFUSED
        assert getattr(error, "retry_after", None) == (7.0 if "many" in case else None)

    desk = play(scene)
    assert [line.split()[1] for line in desk.server.asked_for] == [
        "/v1/auth/token/lookup-self",
        "/v1/secret/metadata/orders",
    ]
    assert desk.server.shown == [TOKEN.encode()] * 2


LOGINS: dict[str, tuple[Says, type[RekeyError], str]] = {
    "refused": (Says(403, no("permission denied")), Rejected, "does not accept our log-in (403): see Secret login"),
    "wrong": (Says(400, no("invalid role or secret ID")), Rejected, "does not accept our log-in (400)"),
    "sealed": (Says(503, no("Vault is sealed")), Retryable, "is sealed"),
    "in trouble": (Says(500, no("internal error")), NoAnswer, "answered 500 to a log-in"),
    "not telling": (Says(200, {"data": {}}), NoAnswer, "without a token"),
    "telling nonsense": (Says(200, {"data": {"ttl": "soon"}}), NoAnswer, "without a token"),
    "nothing of that kind": (Says(404, no("no handler for route")), Rejected, "mounted there"),
}


@pytest.mark.parametrize("case", LOGINS)
def test_what_an_answer_to_a_log_in_means(case: str) -> None:
    """A log-in that is refused is a person's to mend; it is sent once."""
    answer, kind, words = LOGINS[case]

    async def scene(desk: Desk) -> None:
        desk.says(answer)
        error = await failed(desk.adapter().find(OURS))
        assert type(error) is kind, error
        assert words in str(error)
        if "accept" in words:
            assert isinstance(error, Rejected)
            assert error.reason == Reason.NEEDS_REAUTH

    assert len(play(scene).server.asked_for) == 1


BEHAVIOURS: dict[str, tuple[Behaviour, str]] = {
    "who never answers": (_hangs, "no answer within 0.3 s"),
    "who never comes to an end": (_trickles, "no answer within 0.3 s"),
    "who sends without end": (_floods, "not a JSON object of 1024 KiB at most"),
    "who hangs up": (_hangs_up, "without an answer that can be read"),
    "who drops the connection": (_resets, "without an answer that can be read"),
    "who hangs up in the middle": (_breaks_off, "without an answer that can be read"),
    "who repeats what was said": (_repeats, "without an answer that can be read"),
}


@pytest.mark.parametrize("case", BEHAVIOURS)
def test_a_server_that_behaves_badly(case: str) -> None:
    """It is not known what came of it, and whoever asked is free again within the bound."""
    behaviour, words = BEHAVIOURS[case]

    async def scene(desk: Desk) -> None:
        desk.says(GOOD, behaviour)
        error = await failed(desk.adapter().find(OURS))
        assert type(error) is NoAnswer
        assert words in str(error)

    play(scene, lambda: 0.3 if "never" in case else 10.0)


def test_who_does_not_lead_sends_nothing() -> None:
    """The lead is asked for each request."""

    def lost() -> float:
        raise NotLeading("another process acts there now")

    async def scene(desk: Desk) -> None:
        with pytest.raises(NotLeading):
            await desk.adapter().find(OURS)

    assert play(scene, lost).server.asked_for == []


async def unsent(desk: Desk, address: str, lookup: Lookup, allowed: Sequence[str] = ()) -> str:
    """Return why nothing is sent to an address; see that nothing was."""
    road = desk.road(lookup, allowed, address)
    error = await failed(road.send(Request("GET", "/v1/sys/health"), TOKEN, 5.0))
    assert isinstance(error, Rejected), error
    assert error.reason == Reason.PROVIDER_NOT_READY
    assert desk.server.asked_for == []
    return str(error)


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_to_which_nothing_is_sent(case: str) -> None:
    """Under a name of the whole world that was declared, and even if one of its addresses is public."""

    async def scene(desk: Desk) -> None:
        public = ip_address("93.184.215.14")
        way = leading(public, ip_address(ADDRESSES[case]))
        assert "REKEY_PROBE_ALLOWED" in await unsent(desk, "https://vault.example.com", way)

    play(scene)


@pytest.mark.parametrize("case", NEVER)
def test_an_address_that_a_wide_entry_does_not_open(case: str) -> None:
    """A network allows what is private, but not this host, its link and metadata."""

    async def scene(desk: Desk) -> None:
        way = leading(ip_address(NEVER[case]))
        assert "never asked" in await unsent(desk, "https://vault.example.com", way, EVERYTHING)

    play(scene)


TRICKS = {
    "a login in the address": "https://vault.example.com:x@127.0.0.1:8200",
    "a name before an at": "https://vault.example.com@127.0.0.1",
    "a path": "https://vault.example.com/v1/../x",
    "a query": "https://vault.example.com?x",
    "a fragment": "https://vault.example.com#x",
    "a file": "file:///etc/passwd",
    "two lines": "https://vault.example.com\nX-Vault-Token: a",
    "no host": "https://",
}


@pytest.mark.parametrize("case", TRICKS)
def test_an_address_that_is_none(case: str) -> None:
    """It is refused before anything is looked up."""
    with pytest.raises(ValidationError):
        VaultServer.model_validate({"address": TRICKS[case], "auth": {"token": {"secretName": "login"}}})


def test_what_is_sent_for_it() -> None:
    """The token, the namespace, and what Vault wants against forged requests; the environment has no say."""

    async def scene(desk: Desk) -> None:
        desk.says(GOOD)
        desk.server.header = "x-vault-namespace"
        await desk.road().send(Request("LIST", "/v1/secret/metadata/a%20b", {"version": "2"}), TOKEN, 5.0)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "http_proxy", "VAULT_ADDR", "VAULT_TOKEN"):
            patch.setenv(name, "http://127.0.0.1:1")
        desk = play(scene)
    assert desk.server.asked_for == ["LIST /v1/secret/metadata/a%20b?version=2 HTTP/1.1"]
    assert desk.server.shown == [b"shop"]
