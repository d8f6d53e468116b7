"""The middleware: who gets through, what the application learns, and what everyone else is answered."""

import json
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from rekey_client import Outcome, Rate, Reason, Verifier, answer, asgi, check, wsgi
from rekey_client.asgi import Message, Receive, Scope, Send
from rekey_client.wsgi import App
from tests.kit.asgi import call, run
from tests.kit.values import Opaque, at, row, sha256
from tests.kit.world import World

GOOD, READER, PAST, GONE, FOREIGN = Opaque(), Opaque(), Opaque(), Opaque(), Opaque()
AFTER = [
    GOOD.row(7, scopes=["read", "write"]),
    READER.row(1, scopes=["read"], client="reader"),
    PAST.row(2, expires=at(-60)),
    FOREIGN.row(3, audience=["web"]),
    row("s3cret", 4, client="batch"),
]
REALM = 'Bearer realm="rekey"'
INVALID = f'{REALM}, error="invalid_token"'

ANSWERS: dict[str, tuple[list[str], int, str, str]] = {
    "no header": ([], 401, REALM, "Send an Authorization header"),
    "two headers": ([GOOD.bearer] * 2, 400, f'{REALM}, error="invalid_request"', "exactly one Authorization header"),
    "a token that is cut": ([GOOD.bearer[:-1]], 401, INVALID, "cut or mistyped"),
    "a token that was never known": ([Opaque().bearer], 401, INVALID, "not one that this service accepts"),
    "a wrong secret behind a known id": (
        [Opaque(id=GOOD.id).bearer],
        401,
        INVALID,
        "not one that this service accepts",
    ),
    "a token that expired": ([PAST.bearer], 401, INVALID, "has expired"),
    "a token that was revoked": ([GONE.bearer], 401, INVALID, "has been revoked"),
    "a token for another service": ([FOREIGN.bearer], 401, INVALID, "meant for another service"),
    "a token without the scope": ([READER.bearer], 403, f'{REALM}, error="insufficient_scope"', "not have the scope"),
}


async def _hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["rekey"].client.encode() if "rekey" in scope else b"-"})


def _wsgi_hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["rekey"].client.encode() if "rekey" in environ else b"-"]


def _wsgi(app: App, authorization: list[str], path: str = "/") -> tuple[int, dict[str, str], str]:
    """Call a WSGI application by the letter of the specification."""
    answered: list[Any] = []
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": ""}
    environ |= {"SERVER_NAME": "api", "SERVER_PORT": "80", "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1"}
    environ |= {"wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": True}
    environ |= {"wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.input": _Input(), "wsgi.errors": _Input()}
    if authorization:
        environ["HTTP_AUTHORIZATION"] = ", ".join(authorization)

    def start(*given: Any) -> Any:
        answered.append(given)
        return lambda _: None

    parts = validator(app)(environ, start)
    body = b"".join(parts).decode()
    parts.close()  # type: ignore[attr-defined]  # the validator's result has it
    return int(answered[0][0][:3]), {name.lower(): value for name, value in answered[0][1]}, body


class _Input:
    """A stream that nobody reads."""

    def _none(self, *_: Any) -> bytes:
        return b""

    read = readline = readlines = __iter__ = flush = write = writelines = _none


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    """A verifier that knows all of the above, and one that is gone."""
    world = World.of(tmp_path, sha256(*AFTER, GONE.row(6)))
    world.ask(GONE.bearer)
    world.deliver(sha256(*AFTER))
    return world.verifier


@pytest.mark.parametrize("name", ANSWERS)
def test_refusals_are_told_apart(name: str, verifier: Verifier) -> None:
    """Both kinds of middleware answer the same, as RFC 6750 has it."""
    shown, status, challenge, text = ANSWERS[name]
    found = call(asgi.RekeyMiddleware(_hello, verifier, scopes=["write"]), [value.encode() for value in shown])
    assert found == _wsgi(wsgi.RekeyMiddleware(_wsgi_hello, verifier, scopes=["write"]), shown)
    assert found[0] == status
    assert found[1]["www-authenticate"].startswith(challenge)
    assert text in json.loads(found[2])["error_description"]
    assert (found[1]["cache-control"], found[1]["content-length"]) == ("no-store", str(len(found[2])))


def test_the_missing_scope_is_named(verifier: Verifier) -> None:
    """So that the client knows what to ask for."""
    _, headers, _ = call(asgi.RekeyMiddleware(_hello, verifier, scopes=["write", "x:y"]), [READER.bearer.encode()])
    assert headers["www-authenticate"].endswith('scope="write x:y"')


def test_guesses_cannot_be_told_apart(verifier: Verifier) -> None:
    """A known id with a wrong secret and an unknown id give the same bytes."""
    app = asgi.RekeyMiddleware(_hello, verifier)
    guesses = [Opaque(id=GOOD.id), Opaque(), Opaque(id=GONE.id)]
    assert len({str(call(app, [guess.bearer.encode()])) for guess in guesses}) == 1


def test_who_was_accepted_reaches_the_application(verifier: Verifier) -> None:
    """In the scope or the environ, under `rekey`."""
    assert call(asgi.RekeyMiddleware(_hello, verifier), [GOOD.bearer.encode()]) == (200, {}, "orders")
    found = _wsgi(wsgi.RekeyMiddleware(_wsgi_hello, verifier), [GOOD.bearer])
    assert (found[0], found[2]) == (200, "orders")


def test_public_paths_need_nothing(verifier: Verifier) -> None:
    """A path that is named passes without a credential; one that only begins like it does not."""
    app = asgi.RekeyMiddleware(_hello, verifier, public=["/healthz"])
    other = wsgi.RekeyMiddleware(_wsgi_hello, verifier, public=["/healthz"])
    assert call(app, [], path="/healthz")[0] == _wsgi(other, [], "/healthz")[0] == 200
    for path in ("/healthz/", "/healthz/../secret", "//healthz", "/HEALTHZ"):
        assert call(app, [], path=path)[0] == _wsgi(other, [], path)[0] == 401


def test_a_websocket_is_closed_before_it_opens(verifier: Verifier) -> None:
    """With the code for a breach of policy, which servers turn into 403."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("it was refused")

    scope: Scope = {"type": "websocket", "path": "/", "headers": []}
    run(asgi.RekeyMiddleware(_hello, verifier)(scope, receive, send))
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def test_the_life_of_the_server_is_not_its_business(verifier: Verifier) -> None:
    """Lifespan messages go to the application."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    run(asgi.RekeyMiddleware(app, verifier)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]  # never used
    assert seen == ["lifespan"]


def test_too_many_calls_are_answered_with_429(tmp_path: Path) -> None:
    """And with the seconds to wait."""
    world = World.of(tmp_path, sha256(GOOD.row()), rate=Rate(1, 60, enforce=True))
    app = asgi.RekeyMiddleware(_hello, world.verifier)
    statuses = [call(app, [GOOD.bearer.encode()]) for _ in range(2)]
    assert [status for status, _, _ in statuses] == [200, 429]
    assert statuses[1][1]["retry-after"] == "60"


def test_nothing_to_compare_with_is_503(tmp_path: Path) -> None:
    """It is the service's trouble, not the client's."""
    world = World.of(tmp_path, {"verifier.json": b""})
    status, headers, _ = call(asgi.RekeyMiddleware(_hello, world.verifier), [GOOD.bearer.encode()])
    assert (status, headers["retry-after"]) == (503, "5")
    assert "www-authenticate" not in headers


@pytest.mark.parametrize("scope", ['a"b', "a b", "", "a\nb", "ä"])
def test_what_is_no_scope_is_refused_at_the_start(scope: str, verifier: Verifier) -> None:
    """It would go into a header."""
    with pytest.raises(ValueError, match="is no scope"):
        asgi.RekeyMiddleware(_hello, verifier, scopes=[scope])


PROXIED: dict[str, tuple[list[str], int]] = {
    "the token": ([GOOD.bearer], 204),
    "the password of its user": (["Basic " + b64encode(b"batch:s3cret").decode()], 204),
    "nothing": ([], 401),
    "two headers, which a proxy cannot be told as 400": ([GOOD.bearer] * 2, 401),
    "a token without the scope": ([READER.bearer], 403),
}


@pytest.mark.parametrize("name", PROXIED)
def test_a_proxy_is_answered_what_it_understands(name: str, verifier: Verifier) -> None:
    """204, 401 or 403, whatever the path is."""
    shown, status = PROXIED[name]
    app = check.application(verifier, ["write"])
    assert {_wsgi(app, shown, path)[0] for path in ("/", "/healthz", "/auth/orders")} == {status}


def test_a_proxy_learns_who_it_is(verifier: Verifier) -> None:
    """As headers, to be handed on."""
    _, headers, _ = _wsgi(check.application(verifier), [GOOD.bearer])
    assert headers == {
        "x-rekey-client": "orders",
        "x-rekey-credential": "shop/orders",
        "x-rekey-version": "7",
        "x-rekey-scopes": "read write",
        "x-rekey-subject": "",
    }


def test_every_reason_has_an_answer() -> None:
    """The closed list is covered, and no answer but the accepted one is below 400."""
    statuses = {reason: answer(Outcome(reason)).status for reason in Reason if reason is not Reason.ACCEPTED}
    assert set(statuses.values()) == {400, 401, 403, 429, 503}
