"""Us as a client of an authorization server: what is sent to its endpoints, and by whom it must be known."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode

import orjson

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_http import BodyFormat
from rekey.core.spec_oauth2 import Oauth2Authorization, Oauth2Server
from rekey.errors import Rejected
from rekey.providers.http.roads import trusted

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Login:
    """Us as a client: `client` has `client_id` and `client_secret`, `authority` the `ca.crt` that is trusted."""

    server: Oauth2Server
    client: Material
    authority: Material | None = None

    def request(self, parameters: Mapping[str, str], style: BodyFormat) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a request in our name.

        Raises:
            Rejected: the Secret is incomplete.
        """
        user, password = (self._text(key) for key in ("client_id", "client_secret"))
        headers = {"Accept": _JSON, "Content-Type": _JSON if style is BodyFormat.JSON else _FORM}
        sent = dict(parameters)
        if self.server.authorization_method is Oauth2Authorization.HEADER:
            pair = f"{quote_plus(user)}:{quote_plus(password)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            sent |= {"client_id": user, "client_secret": password}
        return headers, orjson.dumps(sent) if style is BodyFormat.JSON else urlencode(sent).encode()

    def trust(self) -> ssl.SSLContext:
        """Return by whom the server must be known.

        Raises:
            Rejected: the Secret is incomplete.
        """
        return trusted(self.authority, self.server.ca_secret_name)

    def _text(self, key: str) -> str:
        found = self.client.reveal().get(key, b"").decode("utf-8", "replace").strip()
        if not found:
            where = f"Secret {self.server.secret_name}"
            raise Rejected(
                Reason.PROVIDER_NOT_READY, f"{where} has no {key}: put `client_id` and `client_secret` there"
            )
        return found
