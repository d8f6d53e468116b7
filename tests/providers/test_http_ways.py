"""The way to whoever speaks HTTP: by the proxy that a provider names, and with the certificate that it names."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rekey.app import backends
from rekey.core.material import Material
from rekey.core.spec_backend import CredentialProviderSpec
from rekey.core.spec_provide import Provide
from rekey.errors import NoAnswer, Rejected, Retryable
from rekey.kube.client import Client
from rekey.ports.declarations import Declared
from rekey.providers.http.allowed import Allowed
from rekey.providers.limits import Turnstile
from rekey.providers.parts import Parts, Reached
from rekey.providers.vault.passes import Pass
from rekey.providers.vault.road import Request
from tests.providers.authorizing import NOW, TOKEN, intent
from tests.providers.making import make
from tests.providers.serving import Says, serving, telling
from tests.providers.test_http import end
from tests.providers.test_oauth2_certificates import OURS, parts
from tests.providers.test_oauth2_proxy import proxying
from tests.providers.test_webhook import MESSAGE, SECRET

HERE = make("certificate", commonName="here", dnsNames=["localhost"])
ALLOWED = Allowed(["127.0.0.0/8", "::1/128"])
KEYS = {"create": {"path": "/keys"}, "revoke": {"path": "/keys/{id}"}}
KEY = {"key": "canary-key", "id": "key-1"}


class Clock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Return noon."""
        return NOW


async def _token(made_of: Parts) -> object:
    return await backends._oauth2(Clock(), ALLOWED, made_of).issue(intent(), None)


async def _key(made_of: Parts) -> object:
    return await backends._api_key(Clock(), ALLOWED, made_of).issue(intent(), None)


async def _vault(made_of: Parts) -> object:
    client: Client = SimpleNamespace()  # type: ignore[assignment]  # nobody is logged in as a ServiceAccount here
    vault = backends.vault_of(client, Clock(), ALLOWED, Pass(""), made_of)
    return await vault._road.send(Request("GET", "/v1/sys/health"), None, 5.0)


async def _hook(made_of: Parts) -> None:
    declared = Declared("uid", 1, "orders", made_of.spec)
    held = (made_of.login, made_of.authority, made_of.certificate)
    turnstile = Turnstile(made_of.spec.limits, lambda: 0.0)
    found = Reached(declared, *held, "", made_of.seconds, turnstile, lambda _: None)
    await backends._webhook(Clock(), ALLOWED, "orders", found).send(MESSAGE)


Ask = Callable[[Parts], Awaitable[object]]
KINDS: dict[str, tuple[dict[str, Any], str, Ask, Says]] = {
    "oauth2": ({"secretName": "login"}, "tokenUrl", _token, Says(200, TOKEN)),
    "apiKey": ({"secretName": "login", **KEYS}, "baseUrl", _key, Says(201, KEY)),
    "vault": ({"auth": {"token": {"secretName": "login"}}}, "address", _vault, Says(200, {})),
    "webhook": ({"secretName": "login"}, "url", _hook, Says(202)),
}
LOGIN = Material(
    {
        "client_id": b"rekey",
        "client_secret": b"canary",
        "api_key": b"canary",
        "token": b"canary",
        "secret": SECRET.encode(),
    }
)


def asked(kind: str, folder: Path, certificate: Material | None) -> tuple[list[bytes], list[str], Exception | None]:
    """Ask a server that wants a certificate by a proxy: what each of them saw, and what came of it."""
    fields, url, ask, says = KINDS[kind]

    async def played() -> tuple[list[bytes], list[str], Exception | None]:
        tls, error = end(folder, HERE), None
        tls.verify_mode, tls.maximum_version = ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2
        tls.load_verify_locations(cadata=OURS.material.reveal()["ca.crt"].decode())
        async with serving(tls) as server, proxying() as proxy:
            server.behaviour = telling(says)
            names = {"proxyUrl": f"http://127.0.0.1:{proxy.port}", "caSecretName": "ca", "certificateSecretName": "tls"}
            spec = {kind: {**fields, url: f"https://localhost:{server.port}", **names}}
            declared = CredentialProviderSpec.model_validate(spec)
            wanted = Provide.model_validate({"ref": {"name": "there"}, **({kind: {}} if kind in _MADE else {})})
            held = (LOGIN, HERE.material, certificate)
            try:
                await ask(Parts("orders", "orders", declared, wanted, *held, lambda: 20.0, lambda _: None))
            except (Retryable, NoAnswer, Rejected) as caught:
                error = caught
            return proxy.heads, server.asked_for, error

    return asyncio.run(played())


_MADE = {"oauth2", "apiKey"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_by_its_proxy_and_shows_its_certificate(kind: str, tmp_path: Path) -> None:
    """The proxy connects us, and sees nothing else; the server knows us by what we show it."""
    heads, requests, error = asked(kind, tmp_path, parts())
    assert error is None
    assert [head.split(b":")[0] for head in heads] == [b"CONNECT localhost"]
    assert len(requests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_without_its_certificate(kind: str, tmp_path: Path) -> None:
    """Nothing is told to a server that does not accept us; what cannot be shown is said before anything is sent."""
    _, requests, error = asked(kind, tmp_path, None)
    assert (requests, error is None) == ([], False)
    heads, requests, error = asked(kind, tmp_path, Material({"tls.crt": b"no", "tls.key": b"no"}))
    assert (heads, requests) == ([], [])
    assert str(error).startswith("Secret tls has no `tls.crt` and `tls.key` that belong together")
