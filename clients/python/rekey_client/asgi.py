"""ASGI middleware: who is accepted stands in `scope["rekey"]`, everyone else gets the answer of RFC 6750."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from rekey_client.answers import answer, checked_scopes
from rekey_client.verifier import Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "rekey"
_POLICY_VIOLATION = 1008


class RekeyMiddleware:
    """Wraps any ASGI application; `public` are paths that need no credential, such as a probe's."""

    def __init__(self, app: App, verifier: Verifier, *, scopes: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._app, self._verifier = app, verifier
        self._scopes, self._public = checked_scopes(scopes), frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or answer it."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        outcome = self._verifier.check(shown, self._scopes)
        if outcome.accepted:
            scope[KEY] = outcome.identity
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": outcome.reason.value})
        else:
            refusal = answer(outcome)
            headers = [(name.encode(), value.encode()) for name, value in refusal.headers]
            await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
            await send({"type": "http.response.body", "body": refusal.body})
