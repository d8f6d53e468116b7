"""Authentication for `httpx`, both its clients: `httpx.AsyncClient(auth=RekeyAuth(Token("/etc/orders")))`."""

from collections.abc import Generator

import httpx

from rekey_client.attempts import REFUSED, Attempts
from rekey_client.credentials import Credential


class RekeyAuth(httpx.Auth):
    """Sends the current version, and on 401 once more another one if there is. One for each service."""

    def __init__(self, credential: Credential, *, retry: bool = True) -> None:
        self._attempts = Attempts(credential, retry=retry)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header; a body that is a stream can be sent only once."""
        sent = self._attempts.first(str(request.url))
        request.headers["Authorization"] = sent.value.reveal()
        response = yield request
        if response.status_code == REFUSED and isinstance(request.stream, httpx.ByteStream):
            other = self._attempts.second(sent)
            if other is not None:
                sent = other
                request.headers["Authorization"] = sent.value.reveal()
                response = yield request
        self._attempts.done(sent, response.status_code)
