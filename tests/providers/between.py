"""A proxy before an OAuth2 server: it notes who asks for a token, and holds requests up or loses their answers.

An account is one person's consent: its requests are known by the refresh tokens that the server gave for it.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

LONGEST = 120.0
"""Seconds for which nobody is held up longer, whatever a test forgets."""


@dataclass
class Between:
    """What was asked for, in its order, and what is done with it; accounts are named by the test."""

    upstream: str
    url: str = ""
    story: list[str] = field(default_factory=list)
    lives: dict[str, int] = field(default_factory=dict)
    """For how many seconds the tokens of an account are said to be good; absent: what the server says."""
    loses: set[str] = field(default_factory=set)
    """Accounts whose next answer does not arrive, though the server gave it."""
    hangs: set[str] = field(default_factory=set)
    """Accounts whose next request hangs until the end, and never reaches the server."""
    over: threading.Event = field(default_factory=threading.Event)
    _accounts: dict[str, str] = field(default_factory=dict)
    _held: dict[str, threading.Event] = field(default_factory=dict)

    def know(self, account: str, refresh: str) -> None:
        """Take note of a consent."""
        self._accounts[refresh] = account

    def hold(self, account: str) -> threading.Event:
        """Hold up all requests of an account until the event is set."""
        return self._held.setdefault(account, threading.Event())

    def asked(self, account: str) -> int:
        """Return how often a token was asked for."""
        return self.story.count(f"{account} asks")

    def token(self, handler: Handler, body: bytes) -> None:
        """Pass on a request for a token."""
        account = self._accounts[parse_qs(body.decode())["refresh_token"][0]]
        self.story.append(f"{account} asks")
        if account in self.hangs:
            self.hangs.remove(account)
            self.over.wait(LONGEST)
            return
        if account in self._held:
            self._held[account].wait(LONGEST)
            if handler.is_alone():
                return
        status, found = handler.passed_on(body)
        if status == 200:
            told = json.loads(found)
            self.know(account, told["refresh_token"])
            found = json.dumps(told | {"expires_in": self.lives.get(account, told["expires_in"])}).encode()
        lost = account in self.loses
        self.loses.discard(account)
        self.story.append(f"{account} is {'not ' if lost else ''}answered {status}")
        if not lost:
            handler.answer(status, found)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    between: Between

    def do_POST(self) -> None:
        """Pass it on."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            self.between.token(self, body)
        else:
            self.answer(*self.passed_on(body))

    def is_alone(self) -> bool:
        """Say whether who asked has hung up."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def passed_on(self, body: bytes) -> tuple[int, bytes]:
        """Return what the server answers."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        asks = Request(self.between.upstream + self.path, body, headers)  # noqa: S310  this host
        try:
            with urlopen(asks, timeout=60) as answer:  # noqa: S310  likewise
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    def answer(self, status: int, body: bytes) -> None:
        """Answer it; who asked may have gone."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def standing_between(upstream: str) -> Iterator[Between]:
    """Give a proxy that listens on this host."""
    between = Between(upstream)
    handler = type("Bound", (Handler,), {"between": between})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        between.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield between
        finally:
            between.over.set()
            server.shutdown()
            thread.join()
