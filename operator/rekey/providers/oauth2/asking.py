"""Us as a client of an authorization server: what is sent to its endpoints, and by whom it must be known."""

from __future__ import annotations

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
from rekey.providers.http.roads import Endpoint

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Login:
    """Us as a client: `client` has `client_id` and `client_secret`, `authority` the `ca.crt` that is trusted.

    `certificate`: what we show in TLS, as `tls.crt` and `tls.key`.
    """

    server: Oauth2Server
    client: Material
    authority: Material | None = None
    certificate: Material | None = None

    @property
    def client_id(self) -> str:
        """Return our name there.

        Raises:
            Rejected: the Secret is incomplete.
        """
        return self._text("client_id")

    def request(self, parameters: Mapping[str, str], style: BodyFormat) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a request in our name.

        Raises:
            Rejected: the Secret is incomplete.
        """
        user, method = self._text("client_id"), self.server.authorization_method
        password = "" if method is Oauth2Authorization.CERTIFICATE else self._text("client_secret")
        headers = {"Accept": _JSON, "Content-Type": _JSON if style is BodyFormat.JSON else _FORM}
        sent = dict(parameters)
        if method is Oauth2Authorization.HEADER:
            pair = f"{quote_plus(user)}:{quote_plus(password)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            sent |= {"client_id": user, **({"client_secret": password} if password else {})}
        return headers, orjson.dumps(sent) if style is BodyFormat.JSON else urlencode(sent).encode()

    @property
    def known(self) -> Endpoint:
        """The server, as requests go there."""
        return Endpoint.of(self.server.token_url, self.server, self.authority, self.certificate)

    def _text(self, key: str) -> str:
        found = self.client.reveal().get(key, b"").decode("utf-8", "replace").strip()
        if not found:
            where = f"Secret {self.server.secret_name}"
            raise Rejected(
                Reason.PROVIDER_NOT_READY, f"{where} has no {key}: put `client_id` and `client_secret` there"
            )
        return found
