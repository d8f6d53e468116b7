"""Runs in a pod: says five times a second, by UDP, which version this container reads and a digest of its value.

`HOW` is `env`, or `file` for what lies in /credentials; readiness fails for the version that `FAIL_ON` names.
"""

import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path("/credentials")
EVERY = 0.2


def read() -> tuple[str, bytes]:
    """Return the version and the value as they are now."""
    if os.environ["HOW"] == "env":
        return os.environ["VERSION"], os.environb[b"TOKEN"]
    # A whole volume is exchanged at once, by its link ..data: both files from the same state of it.
    folder = Path(os.path.realpath(FOLDER / "..data")) if (FOLDER / "..data").exists() else FOLDER
    return (folder / "version").read_text(), (folder / "token").read_bytes()


def report() -> None:
    """Say it for ever."""
    host, _, port = os.environ["LISTENER"].rpartition(":")
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        at = time.time()
        try:
            version, value = read()
        except FileNotFoundError:
            # The volume was exchanged between its link and its files.
            continue
        digest = hashlib.sha256(value).hexdigest()
        said = {"pod": os.environ["POD"], "app": os.environ["APP"], "version": int(version), "digest": digest}
        out.sendto(json.dumps({"at": at, **said}).encode(), (host, int(port)))
        time.sleep(EVERY)


class Readiness(BaseHTTPRequestHandler):
    """Answers the kubelet."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(503 if read()[0] == os.environ.get("FAIL_ON") else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *parts: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    # PID 1 has no default for signals: without this the pod takes its whole grace period.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=report, daemon=True).start()
    ThreadingHTTPServer(("", 8080), Readiness).serve_forever()
