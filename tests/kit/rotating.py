"""A real HTTP service behind the middleware, many clients, and rotations written the kubelet's way between them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rekey_client import CircuitOpen, Directories, Token, Verifier
from rekey_client.asgi import RekeyMiddleware
from rekey_client.credentials import Credential
from rekey_client.httpx_auth import RekeyAuth
from rekey_client.signing import Claims, Signed
from tests.kit.mount import Mount
from tests.kit.values import Opaque, Signing, jwks, sha256

Kind = Literal["tokens", "jwts"]
EVERY = 0.01
"""How often both sides look here, so that a hundred rotations do not take minutes."""


def until(look: Callable[[], bool], what: str) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + 120
    while not look():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        threading.Event().wait(0.002)


@dataclass
class Values:
    """The versions of one credential, and what the operator writes of them."""

    kind: Kind
    made: dict[int, Any] = field(default_factory=dict)

    def version(self, number: int) -> Any:
        """Return a version, made when first asked for."""
        if number not in self.made:
            fresh = Opaque() if self.kind == "tokens" else Signing(number=1000 + number)
            self.made[number] = fresh
        return self.made[number]

    def verifier(self, *numbers: int) -> dict[str, bytes]:
        """Return the verifier Secret that accepts these versions."""
        rows = {number: self.version(number).row(number, issued="2026-11-21T10:00:00Z") for number in numbers}
        if self.kind == "tokens":
            return sha256(*rows.values())
        return jwks(*((self.version(number), row) for number, row in rows.items()))

    def bundle(self, number: int) -> dict[str, bytes]:
        """Return the bundle whose current version it is."""
        version = self.version(number)
        if self.kind == "jwts":
            return dict(version.bundle(number))
        return {"token": version.value.encode(), "version": str(number).encode()}


@dataclass
class Crowd:
    """Threads that send requests, each with its own connections and all with one auth object.

    They send as fast as they can, or after each wait for `pause` seconds.
    """

    url: str
    auth: RekeyAuth
    sent: list[int]
    statuses: list[set[int]]
    pause: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self, number: int) -> None:
        """Be one of them."""
        with httpx.Client(auth=self.auth, trust_env=False, timeout=60) as client:
            while not self.stop.is_set():
                self.ask(client, number)
                self.sent[number] += 1
                self.stop.wait(self.pause)

    def ask(self, client: httpx.Client, number: int) -> None:
        """Send one request for one of them."""
        try:
            self.statuses[number].add(client.get(self.url).status_code)
        except CircuitOpen:
            self.stop.wait(0.01)  # refused too often, which only the wrong order of steps brings about

    def wait_for_all(self, more: int) -> None:
        """Return when each of them has sent so many more."""
        wanted = [count + more for count in self.sent]
        until(lambda: all(now >= then for now, then in zip(self.sent, wanted, strict=True)), "every client")

    def wait_for_total(self, wanted: int) -> None:
        """Return when they have sent so many all together."""
        until(lambda: sum(self.sent) >= wanted, "requests")

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have them work."""
        threads = [threading.Thread(target=self.work, args=(number,)) for number in range(len(self.sent))]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


@contextmanager
def serving(verifier: Verifier) -> Iterator[str]:
    """Run a Starlette application behind the middleware, in uvicorn, and give its address."""

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.scope["rekey"].client)

    app = RekeyMiddleware(Starlette(routes=[Route("/", hello)]), verifier)
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "uvicorn")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Rotations:
    """One credential, its two sides, and the operator's steps between them."""

    values: Values
    verifier_mount: Mount
    bundle_mount: Mount
    source: Directories
    verifier: Verifier
    credential: Credential
    crowd: Crowd

    def rotate(self, old: int, new: int, *, verifier_first: bool) -> None:
        """Publish, activate, wait for the clients, revoke; or, wrongly, activate first."""
        if verifier_first:
            self._publish(old, new)
            self._activate(new)
        else:
            self._activate(new)
            self._publish(old, new)
        self.verifier_mount.write(self.values.verifier(new))
        self._seen(lambda: old not in self._accepted())

    def _publish(self, old: int, new: int) -> None:
        self.verifier_mount.write(self.values.verifier(new, old))
        self._seen(lambda: new in self._accepted())

    def _activate(self, new: int) -> None:
        self.bundle_mount.write(self.values.bundle(new))
        until(lambda: self.credential.header().version == str(new), "the clients' folder")
        self.crowd.wait_for_all(2)  # the first may have begun with the version before

    def _accepted(self) -> set[int | None]:
        return {entry.identity.version for entry in self.source.trust(time.monotonic()).table.entries()}

    def _seen(self, look: Callable[[], bool]) -> None:
        until(look, "the verifier's folder")


@contextmanager
def rotating(
    folder: Path, kind: Kind, clients: int, make: type[Crowd] = Crowd, pause: float = 0.0
) -> Iterator[Rotations]:
    """Set everything up with version 1 in use, and so many clients at work that do not try twice."""
    values = Values(kind)
    ours, theirs = Mount(folder / "verifier", values.verifier(1)), Mount(folder / "bundle", values.bundle(1))
    source = Directories([ours.path], every=EVERY)
    verifier = Verifier(source, audience="api")
    credential: Credential = Token(theirs.path, every=EVERY)
    if kind == "jwts":
        credential = Signed(theirs.path, Claims("api"), every=EVERY)
    with ExitStack() as stack:
        url = stack.enter_context(serving(verifier))
        auth = RekeyAuth(credential, retry=False)
        crowd = make(url, auth, [0] * clients, [set() for _ in range(clients)], pause=pause)
        stack.enter_context(crowd.working())
        yield Rotations(values, ours, theirs, source, verifier, credential, crowd)
