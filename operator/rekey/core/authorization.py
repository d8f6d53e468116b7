"""A person's consent by the authorization code flow: what the browser is sent with, and what it may come back with.

RFC 6749, 4.1 with PKCE S256 (RFC 7636), a loopback redirect (RFC 8252) and the name of the issuer (RFC 9207).

1. The state is ours, exact and of one request; nothing else of an answer is looked at before it.
2. Of an answer nothing is repeated but the code of its error, and that only if it looks like one.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token
from rekey.errors import RekeyError

_CODE: Final = re.compile(r"[a-z_]{1,64}")
_AGAIN: Final = "run the command again"
_CAUSES: Final = {
    "access_denied": "access_denied: consent was refused, by the person or by the server",
    "invalid_scope": "invalid_scope: see spec.provider.oauth2.scopes of the credential",
    "unauthorized_client": "unauthorized_client: our client may not use the authorization code flow there",
}


class Denied(RekeyError):
    """Tell the person who asked that there is no consent, and why."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One request for a person's consent: made once, answered once."""

    server: Oauth2Server
    client: str
    redirect: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)

    def parameters(self, asks: Oauth2Token) -> dict[str, str]:
        """Return what the browser is sent to the authorization endpoint with."""
        found = {
            **self.server.authorization_parameters,
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": self.redirect,
            "state": self.state,
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        if asks.scopes:
            found["scope"] = " ".join(asks.scopes)
        if asks.audience is not None:
            found["audience"] = asks.audience
        return found

    def code(self, query: Sequence[tuple[str, str]]) -> str:
        """Return the code that the browser came back with; what is said twice means nothing (RFC 6749, 3.1).

        Raises:
            Denied: it came back without one, or not from there.
        """
        found = dict(query) if len(dict(query)) == len(query) else {}
        if not hmac.compare_digest(found.get("state", "").encode(), self.state.encode()):
            raise Denied(f"the answer has another state than was sent: it is not taken; {_AGAIN}")
        if "iss" in found and not self._is_issuer(found["iss"]):
            raise Denied(
                "the answer names another issuer (`iss`) than the provider does: it is not taken; see `issuer` there"
            )
        if "error" in found:
            error = found["error"]
            word = error if _CODE.fullmatch(error) else "an error of no known form"
            raise Denied(f"the server answered {_CAUSES.get(word, word)}")
        if not found.get("code"):
            raise Denied(f"the answer has no code: {_AGAIN}")
        return found["code"]

    def exchange(self, code: str) -> dict[str, str]:
        """Return what is sent to the token endpoint for that code."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }

    def _is_issuer(self, told: str) -> bool:
        if self.server.issuer is not None:
            return told == self.server.issuer
        return _origin(told) == _origin(self.server.authorization_url or "")


def challenge(verifier: str) -> str:
    """Return what is shown of a verifier beforehand (RFC 7636, 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _origin(url: str) -> list[str]:
    """Return the scheme and the host of a URL, as they are written."""
    return url.split("/")[:3]
