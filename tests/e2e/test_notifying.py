"""A webhook is told over real HTTP what becomes of a consent: it is withdrawn, and got again by `rekey authorize`."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.e2e.stage import Stage
from tests.e2e.test_authorize import authorize, declare
from tests.e2e.test_oauth2 import consent, granted, secret, token
from tests.e2e.test_postgresql import touch
from tests.providers.test_oauth2_real import Django, django

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("oauth2")]
__all__ = ["django", "granted"]
KEY = b"canary-key-of-thirty-two-bytes!!"


@dataclass
class Receiver:
    """What was told, each id once, of those whose signature is good; it answers the first `failures` with 500."""

    url: str = ""
    failures: int = 1
    events: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Judge a request; return the status of the answer."""
        text = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        wanted = f"v1,{b64encode(hmac.digest(KEY, text, hashlib.sha256)).decode()}"
        if headers.get("webhook-signature") != wanted or json.loads(body)["id"] != headers.get("webhook-id"):
            self.forged += 1
            return 401
        self.failures -= 1
        if self.failures >= 0:
            return 500
        event = json.loads(body)
        known = [one for one in self.events if one["id"] == event["id"]]
        if known:  # what was sent and could not be written down, as somebody else wrote, comes again as it was
            self.forged += known != [event]
        else:
            self.events.append(event)
        return 202

    def kinds(self) -> list[tuple[str, int]]:
        """Return what it was told, by kind and version."""
        return [(event["type"].rpartition(".")[2], event["data"]["version"]) for event in self.events]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Give a receiver that listens on this host."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(found.take({name.lower(): text for name, text in self.headers.items()}, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/events"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def test_what_becomes_of_a_consent_is_told(granted: Stage, django: Django) -> None:
    """A failed try comes again; one event when it is withdrawn and no more, whoever looks; one when it is back."""
    stage = granted
    with receiving() as receiver:
        stage.apply(
            secret("hook", secret=f"whsec_{b64encode(KEY).decode()}"),
            {
                "apiVersion": "rekey.dev/v1alpha1",
                "kind": "CredentialProvider",
                "metadata": {"name": "hook"},
                "spec": {"webhook": {"url": receiver.url, "secretName": "hook"}},
            },
        )
        declare(stage, django)
        stage.apply(consent(django))
        wanted = token("person", grantSecretName="consent")
        wanted["spec"]["notify"] = [{"ref": {"name": "hook"}}]
        stage.apply(wanted)
        stage.until(lambda: receiver.kinds() == [("new_version", 1)], "the first version to be told")
        django.ask("test/withdraw")
        stage.trigger("person")
        stage.until(lambda: len(receiver.events) > 1, "the withdrawal to be told")
        stage.until_condition("person", "NeedsReauth", "True", "NeedsReauth")
        for _ in range(3):
            touch(stage, "person")
        stage.operator.stop()
        stage.operator.start()
        assert authorize(stage)[0] == 0
        stage.until(lambda: len(receiver.events) > 3, "the repair to be told")
        stage.until(
            lambda: all(one.get("sentTime") for one in stage.status("person")["notifications"]),
            "all to be written down",
        )
    assert receiver.kinds() == [
        ("new_version", 1),
        ("authentication_error", 2),
        ("reactivated", 2),
        ("new_version", 2),
    ]
    assert receiver.forged == 0
    error = receiver.events[1]
    assert error["data"]["reason"] == "NeedsReauth"
    assert error["id"] == f"{error['data']['uid']}-2-authentication_error"
    shown = json.dumps(receiver.events)
    values = [value.decode() for name in ("consent", "hook") for value in stage.held(name).values()]
    assert not any(value in shown for value in (*values, "canary"))
