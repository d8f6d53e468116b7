"""Tells over HTTP what this container reads: GET /env/NAME, or /file/PATH, read at that moment."""  # noqa: INP001 - runs alone

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8080


def read(path: str) -> bytes | None:
    """Return what is there now."""
    kind, _, name = path.lstrip("/").partition("/")
    if kind == "env":
        return os.environb.get(name.encode())
    try:
        return Path("/", name).read_bytes() if kind == "file" else b"ok"
    except OSError:
        return None


class Handler(BaseHTTPRequestHandler):
    """Answers with the bytes and nothing else."""

    def do_GET(self) -> None:
        """Answer."""
        found = read(self.path)
        self.send_response(404 if found is None else 200)
        self.send_header("content-length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *parts: object) -> None:
        """Say nothing: what is asked for is no news."""


if __name__ == "__main__":
    # PID 1 has no default for signals: without this the pod takes its whole grace period.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("reading", flush=True)
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
