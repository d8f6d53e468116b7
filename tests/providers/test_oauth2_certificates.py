"""Us by a certificate (RFC 8705): servers that ask for one in TLS, and what is made of those they refuse."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from rekey.core.material import Issued, Material
from rekey.core.reasons import Reason
from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token
from rekey.errors import NoAnswer, Rejected
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import BadCertificateError, trusting
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.backend import Oauth2Backend
from tests.providers.authorizing import ACCESS, CLIENT, NOW, TOKEN, intent
from tests.providers.making import files, make, tool
from tests.providers.serving import Says, leads_here
from tests.providers.test_http import SHOP, end

BESIDE = {"certificateSecretName": "client-tls"}
BY_IT = {**BESIDE, "authorizationMethod": "Certificate"}
ONLY_ID = Material({"client_id": b"rekey:1"})


def ours(name: str = "rekey") -> Issued:
    """Return a certificate of a client, of an authority of its own."""
    return make("certificate", commonName=name, usages=["ClientAuth"])


OURS, ANOTHER = ours(), ours()


def parts(crt: Issued | None = OURS, key: Issued | None = OURS) -> Material:
    """Return a Secret with the certificate of one and the key of another."""
    found = {"tls.crt": crt, "tls.key": key}
    return Material({name: one.material.reveal()[name] for name, one in found.items() if one is not None})


@dataclass
class Desk:
    """A token endpoint that asks for our certificate; it tells in TLS whom it does not accept, as asyncio does not."""

    tls: ssl.SSLContext
    runner: asyncio.Runner
    says: Says = field(default_factory=lambda: Says(200, TOKEN))
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)
    url: str = ""

    def asks(self, certificate: Material | None, client: Material = ONLY_ID, **fields: Any) -> bytes:
        """Ask for a token, as a provider with these fields."""
        server = {"tokenUrl": self.url, "caSecretName": "shop-ca", "secretName": "client", **(fields or BY_IT)}
        login = Login(Oauth2Server.model_validate(server), client, SHOP.material, certificate)
        roads = Roads(Allowed(["127.0.0.1/32"]), "orders", lambda: NOW, lambda: 30.0, leads_here)

        granted = self.runner.run(Oauth2Backend(login, roads, Oauth2Token()).issue(intent(), None))
        return granted.material.reveal()["access_token"]


class _Handler(BaseHTTPRequestHandler):
    desk: Desk

    def setup(self) -> None:
        """Shake hands in the thread of the connection."""
        self.request.settimeout(30)
        self.request = self.desk.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        """Hang up: whoever closes connections knows of the one below only."""
        super().finish()
        self.request.close()

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.desk.forms.append(parse_qs(body.decode()))
        self.desk.shown.append(self.headers["Authorization"])
        self.wfile.write(self.desk.says.written())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they are waited for in the end

    def handle_error(self, *_: object) -> None:
        """Say nothing: a handshake that fails is what is tried here."""


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give one that speaks one version of TLS."""
    tls = end(tmp_path)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion[request.param]
    tls.load_verify_locations(cadata=OURS.material.reveal()["ca.crt"].decode())
    with asyncio.Runner() as runner:
        found = Desk(tls, runner)
        with _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"desk": found})) as server:
            found.url = f"https://till.orders.svc:{server.server_port}/token"
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            yield found
            server.shutdown()
            thread.join()
        for _ in range(10):  # all are hung up on: that is noticed in the next turns of the loop
            runner.run(asyncio.sleep(0))


def test_us_by_a_certificate(desk: Desk) -> None:
    """The client's name is in the request, and no secret: there is none in the Secret."""
    assert desk.asks(parts()) == ACCESS.encode()
    assert desk.forms == [{"grant_type": ["client_credentials"], "client_id": ["rekey:1"]}]
    assert desk.shown == [None]


def test_a_certificate_beside_the_secret(desk: Desk) -> None:
    """Where a gateway in front asks for one."""
    assert desk.asks(parts(), CLIENT, **BESIDE) == ACCESS.encode()
    assert desk.forms == [{"grant_type": ["client_credentials"]}]
    assert str(desk.shown[0]).startswith("Basic ")


def refused(desk: Desk, certificate: Material | None, client: Material = ONLY_ID, **fields: Any) -> str:
    """Return why a person must act.

    In TLS 1.3 that may come too late to be heard: it passes for a lost answer then, and is heard some other time.
    """

    def heard() -> None:
        for _ in range(100):
            with suppress(NoAnswer):
                desk.asks(certificate, client, **fields)

    with pytest.raises(Rejected) as caught:
        heard()
    assert caught.value.reason == Reason.NEEDS_REAUTH
    assert desk.forms == []
    return str(caught.value)


def test_a_certificate_that_is_not_accepted(desk: Desk) -> None:
    """A person is told which Secret to mend; what it holds at the next request is shown then."""
    assert "put a certificate that it accepts into Secret client-tls" in refused(desk, parts(ANOTHER, ANOTHER))
    assert desk.asks(parts()) == ACCESS.encode()
    desk.forms.clear()
    refused(desk, parts(ANOTHER, ANOTHER))


def test_a_client_that_the_server_does_not_know_by_its_certificate(desk: Desk) -> None:
    """It says so in its answer, as to a wrong secret."""
    desk.says = Says(401, {"error": "invalid_client"})
    with pytest.raises(Rejected, match="see `client_id` in Secret client, and the certificate in Secret client-tls"):
        desk.asks(parts())


UNREADABLE: dict[str, Material] = {
    "no key": parts(OURS, None),
    "no certificate": parts(None, OURS),
    "the key of another": parts(OURS, ANOTHER),
    "text": Material({"tls.crt": b"no", "tls.key": b"no"}),
    "nothing": Material({"tls.crt": b"", "tls.key": b""}),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_certificate_that_cannot_be_read(case: str, desk: Desk) -> None:
    """Nothing is sent."""
    unreadable(desk, UNREADABLE[case])


def test_a_key_behind_a_password(desk: Desk, tmp_path: Path) -> None:
    """Nobody is asked for it."""
    plain = files(tmp_path / "ours", OURS.material) / "tls.key"
    tool("openssl", "pkcs8", "-topk8", "-in", plain, "-out", tmp_path / "locked", "-passout", "pass:canary")
    shut = Material({"tls.crt": OURS.material.reveal()["tls.crt"], "tls.key": (tmp_path / "locked").read_bytes()})
    unreadable(desk, shut)


def unreadable(desk: Desk, certificate: Material) -> None:
    """See that a person is told what is missing, and no more, and that nothing is sent."""
    with pytest.raises(Rejected, match=r"Secret client-tls has no `tls\.crt` and `tls\.key`") as caught:
        desk.asks(certificate)
    assert caught.value.reason == Reason.PROVIDER_NOT_READY
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert desk.forms == []


def test_what_the_system_trusts_is_not_read_for_each_request() -> None:
    """Once for a certificate that we show, known by its content; one more authority, key or none is another matter."""
    first = trusting(None, parts())
    assert trusting(None, parts()) is first
    others = [trusting(None, parts(ANOTHER, ANOTHER)), trusting(None), trusting(SHOP.material, parts())]
    assert first not in others
    with pytest.raises(BadCertificateError):
        trusting(None, parts(key=ANOTHER))


def test_few_of_the_certificates_that_we_showed_are_kept() -> None:
    """After many others the first one is read anew."""
    first = trusting(None, parts())
    for _ in range(8):
        new = ours()
        trusting(None, parts(new, new))
    assert trusting(None, parts()) is not first
