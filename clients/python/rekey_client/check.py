"""A small service that answers for others: NGINX `auth_request` or Envoy `ext_authz` ask it about each request.

`python -m rekey_client.check --directory /etc/verifier --audience orders`, next to the proxy.

1. 204 with `X-Rekey-Client` and more when accepted; otherwise 401 or 403, which both proxies understand, and 429 or
   503, which NGINX turns into a 500: nothing passes.
2. Every path is checked, for a proxy may pass on the client's: there is none by which a stranger gets a 2xx. A probe
   of liveness is a TCP connection.
"""

import argparse
import socketserver
import sys
from collections.abc import Iterable, Sequence
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from rekey_client.outcome import Identity
from rekey_client.verifier import Verifier
from rekey_client.wsgi import KEY, App, Environ, RekeyMiddleware, StartResponse


def application(verifier: Verifier, scopes: Iterable[str] = ()) -> App:
    """Return the service as a WSGI application, for a server of your own choice."""

    def accepted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("204 No Content", _about(environ[KEY]))
        return []

    guarded = RekeyMiddleware(accepted, verifier, scopes=scopes)

    def answered(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]]) -> object:
            return start_response("401 Unauthorized" if status.startswith("400") else status, headers)

        return guarded(environ, start)

    return answered


def _about(identity: Identity) -> list[tuple[str, str]]:
    """Return what the application behind the proxy may want to know, as headers."""
    found = {
        "X-Rekey-Client": identity.client,
        "X-Rekey-Credential": identity.credential,
        "X-Rekey-Version": "" if identity.version is None else str(identity.version),
        "X-Rekey-Scopes": "" if identity.scopes is None else " ".join(sorted(identity.scopes)),
        "X-Rekey-Subject": identity.subject or "",
    }
    return [(name, value if value.isascii() and value.isprintable() else "") for name, value in found.items()]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # the signature is the library's
        """Say nothing: the verifier logs each validation."""


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rekey_client.check", description=(__doc__ or "").partition("\n")[0]
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--directory", action="append", help="a mounted verifier Secret; once for each part")
    source.add_argument("--jwks", metavar="URL", help="a published key set")
    parser.add_argument("--audience", help="the name by which tokens mean this service")
    parser.add_argument("--scope", action="append", default=[], help="what every request needs; may be repeated")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8089, help="default: %(default)s; 0 takes a free one")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Serve until the process is ended."""
    options = _parsed(arguments)
    if options.jwks:
        verifier = Verifier.from_jwks(options.jwks, audience=options.audience)
    else:
        verifier = Verifier.from_directories(*options.directory, audience=options.audience)
    with _Server((options.host, options.port), _Quiet) as server:
        server.set_app(application(verifier, options.scope))
        print(f"listening on {options.host}:{server.server_port}", file=sys.stderr, flush=True)  # noqa: T201  # a program
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
