"""Services on this host that an operator asks: one that is shown values by probes, one that tells who uses what."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

Response = tuple[int, bytes]


class Service:
    """A service on this host: which values it accepts, whether it answers at all, and what it was shown, by path."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.away: set[str] = set()
        self.refused: set[str] = set()
        self.shown: dict[str, list[str]] = {}

    def answer(self, path: str, value: str) -> int | None:
        """Answer one request; None: hang up."""
        seen = self.shown.setdefault(path, [])
        seen.append(value)
        if path in self.away:
            return None
        if path in self.refused and len(set(seen)) == 1:
            return 403
        return 200

    def respond(self, path: str, headers: Message) -> Response | None:
        """Answer as `answer` says."""
        status = self.answer(path, headers.get("X-Api-Key", ""))
        return None if status is None else (status, b"")


class Metrics:
    """What Prometheus is asked and answers: which versions are used, of credentials by name; `away`: hang up."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/prefix"
        self.away = False
        self.used: set[str] = set()
        self.asked: list[str] = []
        self.tokens: set[str] = set()

    def respond(self, path: str, headers: Message) -> Response | None:
        """Answer one question: a sample of 1 if what is used stands in it."""
        parts = urlsplit(path)
        if parts.path != "/prefix/api/v1/query":
            return 404, b""
        (text,) = parse_qs(parts.query)["query"]
        self.asked.append(text)
        self.tokens.add(headers.get("Authorization", ""))
        if self.away:
            return None
        samples = [{"metric": {}, "value": [1.0, "1"]}] if any(one in text for one in self.used) else []
        content = {"status": "success", "data": {"resultType": "vector", "result": samples}}
        return 200, json.dumps(content).encode()


Answering = TypeVar("Answering", Service, Metrics)


class Server(ThreadingHTTPServer):
    """Listens for one of them."""

    respond: Callable[[str, Message], Response | None]


class Handler(BaseHTTPRequestHandler):
    """Passes a request on."""

    server: Server

    def do_GET(self) -> None:
        found = self.server.respond(self.path, self.headers)
        if found is not None:
            status, body = found
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def start(kind: Callable[[int], Answering]) -> tuple[Server, Answering]:
    """Start one that listens until it is shut down, or this process ends."""
    server = Server(("127.0.0.1", 0), Handler)
    made = kind(server.server_port)
    server.respond = made.respond
    Thread(target=server.serve_forever, daemon=True).start()
    return server, made


@contextmanager
def serving(kind: Callable[[int], Answering]) -> Iterator[Answering]:
    """Give one that listens."""
    server, made = start(kind)
    with server:
        try:
            yield made
        finally:
            server.shutdown()
