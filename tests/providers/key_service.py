"""A service on this host that makes API keys over TLS: pages, limits, marks, and a call that can be cut anywhere."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rekey.core.material import Material
from rekey.core.spec_api_key import ApiKeyServer
from tests.providers.making import NOW, files, make

AUTHORITY = make("certificate", None, NOW - timedelta(days=1), timedelta(days=3650), commonName="keys",
                 ipAddresses=["127.0.0.1"])  # fmt: skip
TRUST = Material({"ca.crt": AUTHORITY.material.reveal()["ca.crt"]})
ADMIN = "canary-admin-4f9d2c7ab1e0"
PER_PAGE = 2
Response = tuple[int, Any]


@dataclass(frozen=True)
class Key:
    """A key that somebody made."""

    id: str
    value: str
    name: str
    scopes: tuple[str, ...] = ()
    expires: datetime | None = None

    @property
    def is_good(self) -> bool:
        """Whether it has not expired."""
        return self.expires is None or datetime.now(UTC) < self.expires


@dataclass
class Keys:
    """All keys, and how many there may be.

    `at`: the number of the call at which the connection is cut (0: none), `after`: when it was done.
    """

    port: int = 0
    admin: str = ADMIN
    keys: dict[str, Key] = field(default_factory=dict)
    made: list[Key] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    at: int = 0
    after: bool = False
    most: int = 1000
    losing: str = ""
    """The method whose next call is done, and its answer lost."""
    _next: count[int] = field(default_factory=lambda: count(1))
    _lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Begin anew: nothing is there."""
        self.keys, self.calls, self.at, self.admin, self.most = {}, [], 0, ADMIN, 1000

    def lets_in(self, value: str) -> bool:
        """Say whether a client with that key is let in."""
        return any(key.value == value and key.is_good for key in self.keys.values())

    def put(self, name: str) -> Key:
        """Have a key there, as anybody may."""
        key = Key(f"key/{next(self._next)}", f"canary-{secrets.token_hex(12)}", name)
        self.keys[key.id] = key
        return key

    def declared(self, **changes: Any) -> ApiKeyServer:
        """Return the service as an administrator declares it."""
        return ApiKeyServer.model_validate(self.fields() | changes)

    def fields(self) -> dict[str, Any]:
        """Return the same as it stands in a manifest."""
        return {
            "baseUrl": f"{self.url}/v1",
            "secretName": "admin",
            "caSecretName": "authority",
            "create": {
                "path": "/keys",
                "fields": [
                    {"name": "/key/label", "value": "{namespace}/{name} {mark}"},
                    {"name": "/key/scopes", "value": "{scopes}", "type": "List"},
                    {"name": "/key/expires_at", "value": "{expires}"},
                ],
                "valueField": "/key/token",
                "idField": "/key/id",
                "expiryField": "/key/expires_at",
            },
            "list": {
                "path": "/keys",
                "itemsField": "/keys",
                "markField": "/label",
                "nextField": "/next",
                "pageParameter": "from",
            },
            "revoke": {"path": "/keys/{id}"},
            "limitErrors": ["too_many_keys"],
            "prove": {"path": "/whoami", "authorizationMethod": "Header", "headerName": "X-Api-Key"},
        }

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response | None:
        """Answer one request; None: hang up."""
        with self._lock:
            self.calls.append(f"{method} {target}")
            cut = len(self.calls) == self.at
            if cut and not self.after:
                return None
            answer = self._answer(method, urlsplit(target), headers, body)
            lost, self.losing = method == self.losing, "" if method == self.losing else self.losing
            return None if cut or lost else answer

    def _answer(self, method: str, parts: Any, headers: Mapping[str, str], body: bytes) -> Response:
        steps = [unquote(step) for step in parts.path.split("/")[2:]]
        if steps == ["whoami"]:
            return (200, {}) if self.lets_in(headers.get("X-Api-Key", "")) else (401, {"error": "no such key"})
        if headers.get("Authorization") != f"Bearer {self.admin}":
            return 401, {"error": "bad_admin_key"}
        if method == "POST" and steps == ["keys"] and len(self.keys) >= self.most:
            return 409, {"error": "too_many_keys"}
        if method == "POST" and steps == ["keys"]:
            return 201, {"key": self._make(json.loads(body)["key"])}
        if method == "GET" and steps == ["keys"]:
            return 200, self._page(int(parse_qs(parts.query).get("from", ["0"])[0]))
        if method == "DELETE" and len(steps) == 2:
            return (204, None) if self.keys.pop(steps[1], None) else (404, {"error": "no such key"})
        return 404, {"error": "no such path"}

    def _make(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = self.put(asked["label"])
        ends = asked.get("expires_at")
        known = Key(
            key.id, key.value, key.name, tuple(asked.get("scopes", ())), datetime.fromisoformat(ends) if ends else None
        )
        self.keys[key.id] = known
        self.made.append(known)
        return {"id": known.id, "token": known.value, "expires_at": ends}

    def _page(self, begins: int) -> dict[str, Any]:
        items = [{"id": key.id, "label": key.name} for key in self.keys.values()]
        more = begins + PER_PAGE
        return {"keys": items[begins:more], "next": more if more < len(items) else None}


class _Server(ThreadingHTTPServer):
    service: Keys

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = self.server.service.respond(self.command, self.path, self.headers, body)  # type: ignore[arg-type]
        if found is None:
            self.close_connection = True
            return
        status, content = found
        text = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Keys]:
    """Give the service, which listens on this host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = files(folder, AUTHORITY.material)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.service = Keys(server.server_port)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.service
        finally:
            server.shutdown()
