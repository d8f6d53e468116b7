"""Call an ASGI application by hand, without a server and without an event loop."""

from collections.abc import Sequence
from typing import Any

from rekey_client.asgi import App, Message


def call(app: App, authorization: Sequence[bytes], **scope: Any) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of the answer."""
    headers = [(b"host", b"api.test"), *((b"authorization", value) for value in authorization)]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing here reads a body")

    run(app({"type": "http", "method": "GET", "path": "/", "headers": headers} | scope, receive, send))
    start = sent[0]
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], answered, b"".join(message.get("body", b"") for message in sent).decode()


def run(coroutine: Any) -> None:
    """Drive a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something")
