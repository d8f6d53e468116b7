"""Webhooks are told over real HTTP what becomes of a consent: it is withdrawn, and got again by `rekey authorize`."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.e2e.conftest import Opening
from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage
from tests.e2e.test_authorize import authorize, declare
from tests.e2e.test_oauth2 import SETTINGS, consent, declared, django, secret, token
from tests.e2e.test_postgresql import touch
from tests.e2e.test_sealing import HOME
from tests.e2e.test_sealing_at_vault import right
from tests.providers.test_oauth2_real import Django

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("oauth2")]
__all__ = ["django"]
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


def hook(kind: str, name: str, receiver: Receiver, **more: Any) -> list[Manifest]:
    """Return what declares a webhook, and the Secret by which it is signed."""
    return [
        secret(name, secret=f"whsec_{b64encode(KEY).decode()}"),
        {
            "apiVersion": "rekey.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"webhook": {"url": receiver.url, "secretName": name}, **more},
        },
    ]


@pytest.fixture
def overheard(opening: Opening, django: Django) -> Iterator[tuple[Stage, Receiver]]:
    """Give a stage with a person's consent, and who is told of all credentials of its operator: that they broke."""
    name = f"hook-{secrets.token_hex(4)}"
    settings = {**SETTINGS, "REKEY_WEBHOOKS": f"{name}=authentication_error+reactivated"}
    with receiving() as receiver, opening(settings=settings) as stage:
        items = [
            *hook("ClusterCredentialProvider", name, receiver, allowedNamespaces={"names": [HOME]}),
            *right(stage, name, "", {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name]}),
            *right(stage, name, "Cluster", {"apiGroups": ["rekey.dev"], "resources": ["clustercredentialproviders"]}),
        ]
        made = {"apiVersion": "v1", "kind": "List", "items": items}
        stage.cluster.kubectl("-n", HOME, "apply", "-f", "-", stdin=json.dumps(made))
        stage.apply(*declared(django), consent(django))
        yield stage, receiver
    stage.cluster.kubectl("delete", "clustercredentialprovider,clusterrole,clusterrolebinding", name)


def test_what_becomes_of_a_consent_is_told(overheard: tuple[Stage, Receiver], django: Django) -> None:
    """A failed try comes again; one event when it is withdrawn and no more, whoever looks; one when it is back.

    Who is told of all credentials need not be named, nor allow their namespaces.
    """
    stage, everywhere = overheard
    with receiving() as receiver:
        stage.apply(*hook("CredentialProvider", "hook", receiver))
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
    assert everywhere.kinds() == [("authentication_error", 2), ("reactivated", 2)]
    assert [event["id"] for event in everywhere.events] == [event["id"] for event in receiver.events[1:3]]
    assert receiver.forged == everywhere.forged == 0
    error = receiver.events[1]
    assert error["data"]["reason"] == "NeedsReauth"
    assert error["id"] == f"{error['data']['uid']}-2-authentication_error"
    shown = json.dumps(receiver.events)
    values = [value.decode() for name in ("consent", "hook") for value in stage.held(name).values()]
    assert not any(value in shown for value in (*values, "canary"))
