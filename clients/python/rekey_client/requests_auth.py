"""Authentication for `requests`: `requests.get(url, auth=RekeyAuth(Token("/etc/orders")))`."""

from typing import Any

import requests
from requests.auth import AuthBase

from rekey_client.attempts import REFUSED, Attempts
from rekey_client.credentials import Credential, Header

_NAME = "Authorization"


class RekeyAuth(AuthBase):
    """Sends the current version, and on 401 once more another one if there is. One for each service."""

    def __init__(self, credential: Credential, *, retry: bool = True) -> None:
        self._attempts = Attempts(credential, retry=retry)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        sent = self._attempts.first(request.url or "")
        request.headers[_NAME] = sent.value.reveal()

        def answered(response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401  # of the library
            return self._answered(sent, response, **options)

        request.hooks["response"].append(answered)
        return request

    def _answered(self, sent: Header, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401  # of the library
        if response.request.headers.get(_NAME) != sent.value.reveal():
            return response  # redirected to strangers, who were told nothing and get nothing
        other = None
        if response.status_code == REFUSED and isinstance(response.request.body, bytes | str | None):
            other = self._attempts.second(sent)
        if other is None:
            self._attempts.done(sent, response.status_code)
            return response
        response.content  # noqa: B018  # read to its end, so that the connection can be used again
        response.close()
        request = response.request.copy()
        request.headers[_NAME] = other.value.reveal()
        again = response.connection.send(request, **options)
        again.history.append(response)
        again.request = request
        self._attempts.done(other, again.status_code)
        return again
