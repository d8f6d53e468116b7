"""The using side: what is sent, when it is sent again, and when it is not sent at all."""

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from rekey_client import CircuitOpen, Insecure, NoCredential, Password, Token, httpx_auth, requests_auth
from tests.kit.mount import Mount
from tests.kit.service import Service, serving
from tests.kit.values import Time


def _files(version: int) -> dict[str, bytes]:
    return {"token": b"token-%d" % version, "version": b"%d" % version}


def _header(version: int) -> str:
    return f"Bearer token-{version}"


@dataclass
class Client:
    """One of the two libraries, with one auth object."""

    library: str
    auth: Any
    session: Any

    @classmethod
    def of(cls, library: str, credential: Any, **options: Any) -> "Client":
        """Return a client of the library."""
        if library == "httpx":
            auth = httpx_auth.RekeyAuth(credential, **options)
            return cls(library, auth, httpx.Client(auth=auth, trust_env=False))
        session = requests.Session()
        session.auth = requests_auth.RekeyAuth(credential, **options)
        session.trust_env = False
        return cls(library, session.auth, session)

    def get(self, url: str, *, follow: bool = False) -> Any:
        """Send a GET."""
        more = {"follow_redirects" if self.library == "httpx" else "allow_redirects": follow}
        return self.session.get(url, **more)

    def post(self, url: str, body: Any) -> int:
        """Send a POST and return the status."""
        name = "content" if self.library == "httpx" else "data"
        return int(self.session.post(url, **{name: body}).status_code)


@dataclass
class Scene:
    """A mounted bundle, a service, a client and the time."""

    mount: Mount
    service: Service
    time: Time
    client: Client

    def ask(self) -> int:
        """Return the status of one request."""
        return int(self.client.get(self.service.url()).status_code)


@pytest.fixture(params=["httpx", "requests"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A service that takes version 1, which the bundle has."""
    time, mount = Time(), Mount(tmp_path / "bundle", _files(1))
    with serving() as service:
        service.accepted = {_header(1)}
        client = Client.of(request.param, Token(mount.path, clock=time.clock))
        yield Scene(mount, service, time, client)
        client.session.close()


def test_the_token_is_sent(scene: Scene) -> None:
    """As a bearer token, from the first request on."""
    assert scene.ask() == 200
    assert scene.service.got == [_header(1)]


def test_another_version_is_used_at_the_next_look(scene: Scene) -> None:
    """Half a second after the kubelet's swap at the latest, without any refusal."""
    scene.ask()
    scene.mount.write(_files(2))
    scene.service.accepted.add(_header(2))
    scene.time.pass_(0.49)
    scene.ask()
    scene.time.pass_(0.01)
    scene.ask()
    assert scene.service.got == [_header(1), _header(1), _header(2)]


def test_who_slept_past_a_revocation_recovers(scene: Scene) -> None:
    """The old version is refused, the folder has another, and the caller sees only the answer to that."""
    scene.ask()
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    assert [scene.ask(), scene.ask()] == [200, 200]
    assert scene.service.got == [_header(1), _header(1), _header(2), _header(2)]


def test_after_a_rollback_the_version_before_is_tried(scene: Scene) -> None:
    """Another version is what counts, not a higher number."""
    scene.mount.write(_files(2))
    scene.time.pass_(1)
    scene.service.accepted = {_header(2)}
    scene.ask()
    scene.mount.write(_files(1))
    scene.service.accepted = {_header(1)}
    assert scene.ask() == 200


def test_a_refusal_stands_without_another_version(scene: Scene) -> None:
    """The same version is not sent twice."""
    scene.service.accepted = set()
    assert scene.ask() == 401
    assert scene.service.got == [_header(1)]


def test_it_is_tried_once_more_and_not_again(scene: Scene) -> None:
    """If the other version is refused too, that is the answer."""
    scene.ask()
    scene.service.accepted = set()
    scene.mount.write(_files(2))
    assert scene.ask() == 401
    assert scene.service.got[1:] == [_header(1), _header(2)]


def test_without_retry_a_refusal_is_the_answer(scene: Scene) -> None:
    """`retry=False` sends each request once."""
    client = Client.of(scene.client.library, Token(scene.mount.path, clock=scene.time.clock), retry=False)
    client.get(scene.service.url())
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    assert client.get(scene.service.url()).status_code == 401
    client.session.close()


def test_by_hand_only_reload_reads(scene: Scene) -> None:
    """With mode manual neither time nor a refusal looks at the folder."""
    token = Token(scene.mount.path, mode="manual", clock=scene.time.clock)
    client = Client.of(scene.client.library, token)
    client.get(scene.service.url())
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    scene.time.pass_(1000)
    assert client.get(scene.service.url()).status_code == 401
    token.reload()
    assert client.get(scene.service.url()).status_code == 200
    client.session.close()


BODIES: dict[str, tuple[Callable[[], Any], int]] = {
    "bytes are sent again": (lambda: b"order 7", 200),
    "a stream cannot be": (lambda: iter([b"order", b" 7"]), 401),
}


@pytest.mark.parametrize("name", BODIES)
def test_only_a_body_that_is_still_there_is_sent_again(name: str, scene: Scene) -> None:
    """Half an order would be worse than a refusal."""
    body, status = BODIES[name]
    scene.ask()
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    assert scene.client.post(scene.service.url(), body()) == status
    if status == 200:
        assert scene.service.bodies[-2:] == [b"order 7"] * 2


def test_a_file_is_not_sent_again(scene: Scene) -> None:
    """It was read to its end."""
    scene.ask()
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    assert scene.client.post(scene.service.url(), io.BytesIO(b"order 7")) == 401


def test_five_refusals_open_the_circuit(scene: Scene) -> None:
    """The sixth request is not sent; after 30 seconds one is, and the next waits for its outcome."""
    scene.service.accepted = set()
    assert [scene.ask() for _ in range(5)] == [401] * 5
    for seconds in (0, 29.5):
        scene.time.pass_(seconds)
        with pytest.raises(CircuitOpen):
            scene.ask()
    assert len(scene.service.got) == 5
    scene.time.pass_(0.5)
    assert scene.ask() == 401
    with pytest.raises(CircuitOpen, match="next try in 30 s"):
        scene.ask()
    scene.service.accepted = {_header(1)}
    scene.time.pass_(30)
    assert [scene.ask() for _ in range(6)] == [200] * 6


def test_another_version_closes_the_circuit(scene: Scene) -> None:
    """Nobody waits 30 seconds when there is a reason to try."""
    scene.service.accepted = set()
    for _ in range(5):
        scene.ask()
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    scene.time.pass_(0.5)
    assert scene.ask() == 200


def test_other_answers_open_no_circuit(scene: Scene) -> None:
    """Only 401 is about the credential; 403, 429 and 500 go to the caller as they are."""
    for status in (403, 429, 500, 503):
        scene.service.status = status
        assert [scene.ask() for _ in range(6)] == [status] * 6
    assert len(scene.service.got) == 24


def test_many_threads_make_no_storm(scene: Scene) -> None:
    """Twenty requests refused at the same moment: each is sent once more, and no more than that."""
    credential = Token(scene.mount.path, clock=scene.time.clock)
    credential.header()
    scene.mount.write(_files(2))
    scene.service.accepted = {_header(2)}
    scene.service.hold = threading.Barrier(20)
    url = scene.service.url()
    clients = [Client.of(scene.client.library, credential) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda client: client.get(url).status_code, clients))
    assert answers == [200] * 20
    assert sorted(scene.service.got) == [_header(1)] * 20 + [_header(2)] * 20
    for client in clients:
        client.session.close()


ADDRESSES = {
    "http to another machine": "http://api.test/",
    "http to an address that looks like this machine": "http://127.0.0.1.api.test/",
    "http to every address": "http://0.0.0.0/",
    "a password in the address": "https://me:secret@api.test/",
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_nothing_is_sent_in_the_clear(name: str, scene: Scene) -> None:
    """The request fails before anything leaves, and the error does not show the address's secrets."""
    with pytest.raises(Insecure) as caught:
        scene.client.get(ADDRESSES[name])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_be_told_in_the_clear(host: str, scene: Scene) -> None:
    """A sidecar listens on loopback without TLS."""
    assert scene.client.get(scene.service.url(host=host)).status_code == 200


def test_a_redirect_to_strangers_takes_no_credential_along(scene: Scene) -> None:
    """Neither at first nor when the stranger answers 401 and the bundle has another version."""
    with serving() as stranger:
        scene.ask()
        scene.service.moved["/away"] = stranger.url(host="localhost")
        scene.mount.write(_files(2))
        scene.client.get(scene.service.url("/away"), follow=True)
        assert set(stranger.got) == {""}


def test_a_password_is_sent_as_basic(tmp_path: Path) -> None:
    """With its user."""
    mount = Mount(tmp_path / "bundle", {"password": b"s3cret\n", "version": b"1"})
    with serving() as service, httpx.Client(auth=httpx_auth.RekeyAuth(Password(mount.path, "orders"))) as client:
        client.get(service.url())
        assert service.got == ["Basic b3JkZXJzOnMzY3JldA=="]


def test_who_awaits_is_served_too(tmp_path: Path) -> None:
    """The same auth object in an AsyncClient, through a revocation."""
    mount = Mount(tmp_path / "bundle", _files(1))

    async def ask(url: str) -> list[int]:
        async with httpx.AsyncClient(auth=httpx_auth.RekeyAuth(Token(mount.path)), trust_env=False) as client:
            first = await client.get(url)
            mount.write(_files(2))
            return [first.status_code, (await client.get(url)).status_code]

    with serving() as service:
        service.accepted = {_header(1), _header(2)}
        assert asyncio.run(ask(service.url())) == [200, 200]


BROKEN: dict[str, dict[str, bytes]] = {
    "no token": {"version": b"2"},
    "an empty token": {"token": b"\n", "version": b"2"},
    "no version": {"token": b"token-2"},
    "a version that is no number": {"token": b"token-2", "version": b"two"},
    "a token that no header can carry": {"token": "tökén".encode(), "version": b"2"},
    "a token with a line break, which libraries would quote in an error": {"token": b"a\r\nX-Evil: 1", "version": b"2"},
    "nothing": {},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_bundle_leaves_what_was_good(name: str, scene: Scene) -> None:
    """The last good version is sent until the bundle is whole again; who starts with a broken one is told."""
    scene.ask()
    scene.mount.write(BROKEN[name])
    scene.time.pass_(1)
    assert scene.ask() == 200
    assert scene.service.got == [_header(1)] * 2
    with pytest.raises(NoCredential, match="no credential to send"):
        Token(scene.mount.path).header()
