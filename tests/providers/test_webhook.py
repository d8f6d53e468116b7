"""Events at a real receiver: signed so that it can tell, posted once, and what its answers mean."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.reasons import Reason
from rekey.core.spec_notify import WebhookServer
from rekey.errors import NoAnswer, NotLeading, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.webhook import Webhook, signed
from tests.providers.serving import Says, Server, leads_here, serving, telling

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = b"canary-key-of-thirty-two-bytes!!"
SECRET = f"whsec_{b64encode(KEY).decode()}"
MESSAGE = Message("uid-1-3-new_version", {"specversion": "1.0", "id": "uid-1-3-new_version", "data": {"version": 3}})


def webhook(port: int, *, secret: str = SECRET, host: str = "till.orders.svc", **more: Any) -> Webhook:
    """Return a webhook at that port."""
    server = WebhookServer.model_validate({"url": f"http://{host}:{port}/events", "secretName": "hook"})
    allowed = Allowed(more.pop("allowed", ["http://127.0.0.1/32"]))
    options = {"now": lambda: NOW, "seconds": lambda: 10.0, "lookup": leads_here, **more}
    return Webhook(server, Material({"secret": secret.encode()}), None, Roads(allowed, "orders", **options))


async def _waits(_: Server, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def sent(*answers: Says | None, **options: Any) -> tuple[Server, RekeyError | None]:
    """Send the event to a receiver that answers so (None: not at all); return it, and the error."""

    async def played() -> tuple[Server, RekeyError | None]:
        async with serving() as server:
            told = [_waits if says is None else says for says in answers]
            server.behaviour, server.header = telling(*told), "webhook-signature"
            try:
                await webhook(server.port, **options).send(MESSAGE)
            except RekeyError as error:
                return server, error
            return server, None

    return asyncio.run(played())


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """By the example that its libraries are tested with."""
    headers = signed(
        b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_knows_whose_it_is() -> None:
    """What came is what was signed, and is a CloudEvent."""
    server, error = sent(Says(202))
    assert error is None
    assert server.asked_for == ["POST /events HTTP/1.1"]
    (body,) = server.bodies
    assert json.loads(body) == MESSAGE.body
    digest = hmac.digest(KEY, f"{MESSAGE.id}.{int(NOW.timestamp())}.".encode() + body, hashlib.sha256)
    assert server.shown == [f"v1,{b64encode(digest).decode()}".encode()]


LONG: Any = Retryable
ANSWERS: dict[str, tuple[Says | None, type[RekeyError], str, float | None]] = {
    "busy": (Says(429, headers={"Retry-After": "30"}), Retryable, "answered 429", 30.0),
    "away for a while": (Says(503), Retryable, "answered 503", None),
    "broken": (Says(500, "canary"), NoAnswer, "answered 500", None),
    "gone for good": (Says(410), Rejected, "does not take events at that URL", None),
    "somewhere else": (
        Says(302, headers={"Location": "http://till.orders.svc/x"}),
        Rejected,
        "does not take events",
        None,
    ),
    "silent": (None, NoAnswer, "no answer within 0.2 s", None),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_an_answer_means(name: str) -> None:
    """It is posted once, whatever is answered, and nothing of an answer is repeated but its status."""
    answer, kind, says, wait = ANSWERS[name]
    server, error = sent(answer, seconds=lambda: 0.2 if answer is None else 10.0)
    assert type(error) is kind
    assert says in str(error)
    assert "canary" not in str(error)
    assert getattr(error, "retry_after", None) == wait
    assert len(server.asked_for) == 1


SECRETS: dict[str, str] = {
    "nothing": "",
    "no base64": "whsec_canary!",
    "too short": f"whsec_{b64encode(b'x' * 23).decode()}",
    "too long": f"whsec_{b64encode(b'x' * 65).decode()}",
    "cut off": "whsec_" + b64encode(KEY).decode()[:-2],
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_cannot_sign(name: str) -> None:
    """Nothing is sent; it says what must stand there, and not what does."""
    server, error = sent(secret=SECRETS[name])
    assert isinstance(error, Rejected)
    assert "`secret` of Secret hook cannot be signed with: it must be whsec_ and 24 to 64" in str(error)
    assert "canary" not in str(error)
    assert server.asked_for == []


PLACES: dict[str, dict[str, Any]] = {
    "a host that nobody allowed": {"allowed": []},
    "this host": {"host": "127.0.0.1", "allowed": []},
    "metadata": {"host": "169.254.169.254", "allowed": ["http://10.0.0.0/8"]},
    "in the clear": {"host": "hooks.example.com"},
}


@pytest.mark.parametrize("name", PLACES)
def test_where_nothing_is_sent(name: str) -> None:
    """It is held to the same bounds as every endpoint of a provider."""
    server, error = sent(**PLACES[name])
    assert isinstance(error, Rejected)
    assert error.reason == Reason.PROVIDER_NOT_READY
    assert server.asked_for == []


def test_who_does_not_lead_sends_nothing() -> None:
    """It is asked again when the connection is there."""
    left = [10.0]

    def seconds() -> float:
        if not left:
            raise NotLeading("another process leads")
        return left.pop()

    server, error = sent(seconds=seconds)
    assert isinstance(error, NotLeading)
    assert server.asked_for == []
