"""WSGI middleware: who is accepted stands in `environ["rekey"]`, everyone else gets the answer of RFC 6750."""

from collections.abc import Callable, Iterable
from typing import Any

from rekey_client.answers import answer, checked_scopes
from rekey_client.verifier import Verifier

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

KEY = "rekey"


class RekeyMiddleware:
    """Wraps any WSGI application; `public` are paths that need no credential, such as a probe's."""

    def __init__(self, app: App, verifier: Verifier, *, scopes: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._app, self._verifier = app, verifier
        self._scopes, self._public = checked_scopes(scopes), frozenset(public)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let a request through or answer it. Servers join a header that comes twice, which makes it unreadable."""
        if environ.get("PATH_INFO", "") in self._public:
            return self._app(environ, start_response)
        shown = environ.get("HTTP_AUTHORIZATION")
        outcome = self._verifier.check(() if shown is None else (shown,), self._scopes)
        if outcome.accepted:
            environ[KEY] = outcome.identity
            return self._app(environ, start_response)
        refusal = answer(outcome)
        start_response(refusal.line, list(refusal.headers))
        return [refusal.body]
