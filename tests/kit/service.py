"""A real HTTP server on this machine that takes what a test says, and remembers what it was sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """What it takes, what it got, and where it is."""

    accepted: set[str] = field(default_factory=set)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    """Paths that are answered with a redirect."""
    got: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    hold: threading.Barrier | None = None
    """Where requests wait for each other before they are answered."""

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Return an address of it."""
        return f"http://{host}:{self.port}{path}"

    def judge(self, path: str, authorization: str) -> int:
        """Return the status of an answer."""
        if path in self.moved:
            return 302
        return self.status if authorization in self.accepted else 401


@contextmanager
def serving() -> Iterator[Service]:
    """Run a service."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            service.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            authorization = self.headers.get("Authorization", "")
            service.got.append(authorization)
            if service.hold is not None:
                service.hold.wait(30)
            self.send_response(service.judge(self.path, authorization))
            for name, value in service.headers.items():
                self.send_header(name, value)
            if self.path in service.moved:
                self.send_header("Location", service.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815  the library's name

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
