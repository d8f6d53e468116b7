"""What the middleware adds to a request, against one plain `hmac.compare_digest`: `python benchmarks/overhead.py`.

Both applications find the header in the same ASGI scope and answer; no server and no event loop are in the way. They
take turns in short rounds, and the quickest round of each counts: what else the machine does only ever adds time.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter, sleep, thread_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from rekey_client import Directories, Verifier
from rekey_client.asgi import Receive, RekeyMiddleware, Scope, Send

ENTRIES, PARTS, ROUNDS, CALLS = 10_000, 4, 60, 1000
App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


def token() -> tuple[str, str]:
    """Return an id and a token with it."""
    name = secrets.token_hex(11)
    return name, f"rk_{name}.{secrets.token_hex(24)}X"


def aggregate(folder: Path) -> tuple[list[Path], list[str]]:
    """Write the parts of an aggregate and return their folders and all tokens."""
    known = [token() for _ in range(ENTRIES)]
    folders = []
    for part in range(PARTS):
        rows = [
            {
                "credential": f"shop/client-{number}",
                "version": 7,
                "status": "current",
                "id": known[number][0],
                "sha256": hashlib.sha256(known[number][1].encode()).hexdigest(),
                "client": f"client-{number}",
                "scopes": ["read", "write"],
                "audience": ["api"],
                "issued": "2026-11-21T10:00:00Z",
                "expires": "2126-11-21T10:00:00Z",
            }
            for number in range(part, ENTRIES, PARTS)
        ]
        folders.append(folder / str(part))
        folders[-1].mkdir()
        (folders[-1] / "verifier.json").write_text(json.dumps({"format": "SHA256", "entries": rows}))
    return folders, [value for _, value in known]


async def answer(_: Scope, receive: Receive, send: Send) -> None:
    """Be the application that is protected."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def plain(expected: bytes) -> App:
    """Return the application behind a comparison with one known header, which is the least there can be."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope["headers"]:
            if name == b"authorization" and hmac.compare_digest(value, expected):
                await answer(scope, receive, send)
                return

    return app


async def _send(message: object) -> None:
    """Take an answer."""


def timed(app: App, scopes: list[dict[str, Any]]) -> float:
    """Return the microseconds of processor time for one request."""
    start = thread_time()
    for scope in scopes:
        try:
            app(dict(scope), None, _send).send(None)
        except StopIteration:
            continue
    return (thread_time() - start) / len(scopes) * 1e6


def reloaded(verifier: Verifier, folder: Path) -> float:
    """Change one entry and return the milliseconds of processor time of the request that notices it."""
    file = folder / "verifier.json"
    content = json.loads(file.read_text())
    content["entries"][0]["version"] += 1
    verifier.check([b"Bearer x"])
    file.write_text(json.dumps(content))
    sleep(0.6)  # the next look is half a second after the last
    start = thread_time()
    verifier.check([b"Bearer x"])
    return (thread_time() - start) * 1e3


def scope(value: str) -> dict[str, Any]:
    """Return a request as a browser or a client library would send it."""
    others = [b"host", b"accept", b"accept-encoding", b"connection", b"user-agent", b"x-request-id", b"traceparent"]
    headers = [(name, b"something of a usual length") for name in others] + [
        (b"authorization", f"Bearer {value}".encode())
    ]
    return {"type": "http", "method": "GET", "path": "/orders/7", "headers": headers}


def main() -> None:
    """Measure and print one table."""
    logger = logging.getLogger("rekey_client")
    logger.propagate, logger.handlers = False, [logging.NullHandler()]
    with tempfile.TemporaryDirectory() as place:
        folders, values = aggregate(Path(place))
        start = perf_counter()
        verifier = Verifier(Directories(folders), audience="api")
        loaded = perf_counter() - start
        changed = reloaded(verifier, folders[0])
        guarded = RekeyMiddleware(answer, verifier, scopes=["read"])
        requests = [scope(secrets.choice(values)) for _ in range(CALLS)]
        same = [scope(values[0])] * CALLS
        compared = plain(same[0]["headers"][-1][1])
        assert verifier.check([requests[0]["headers"][-1][1]], ("read",)).accepted
        best = {"plain": 1e9, "kit": 1e9, "kit, logging each": 1e9}
        stream = logging.FileHandler(os.devnull)
        for _ in range(ROUNDS):
            best["plain"] = min(best["plain"], timed(compared, same))
            logger.setLevel(logging.WARNING)
            best["kit"] = min(best["kit"], timed(guarded, requests))
            logger.handlers = [stream]
            logger.setLevel(logging.INFO)
            best["kit, logging each"] = min(best["kit, logging each"], timed(guarded, requests))
    print(f"{ENTRIES} entries in {PARTS} folders, read in {loaded * 1000:.0f} ms, after a change in {changed:.0f} ms")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    for name, figure in best.items():
        print(f"{name:20} {figure:6.2f} µs a request, {figure - best['plain']:+6.2f} µs")


if __name__ == "__main__":
    main()
