"""A service on this host that is shown values by probes: what it accepts, and what it was shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


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


class Server(ThreadingHTTPServer):
    """Listens for a service."""

    service: Service


class Handler(BaseHTTPRequestHandler):
    """Passes a request on to the service."""

    server: Server

    def do_GET(self) -> None:
        status = self.server.service.answer(self.path, self.headers.get("X-Api-Key", ""))
        if status is not None:
            self.send_response(status)
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def start() -> Server:
    """Start a service that listens until it is shut down, or this process ends."""
    server = Server(("127.0.0.1", 0), Handler)
    server.service = Service(server.server_port)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@contextmanager
def serving() -> Iterator[Service]:
    """Give a service that listens."""
    with start() as server:
        try:
            yield server.service
        finally:
            server.shutdown()
