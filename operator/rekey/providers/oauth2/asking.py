"""One POST to an endpoint of an authorization server, and what came back: never followed, never more than 64 KiB.

1. What was never sent is Retryable; what may have arrived is NoAnswer.
2. Errors are raised outside of the blocks that catch a library's: those may quote what was sent or answered, and would
   stay attached.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote_plus, urlencode

import aiohttp
import orjson
from yarl import URL

from rekey.core.material import Material
from rekey.core.oauth2 import MAX_BODY, Answer
from rekey.core.reasons import Reason
from rekey.core.spec_oauth2 import BodyFormat, Oauth2Authorization, Oauth2Server
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import (
    BadCertificateError,
    Lookup,
    addresses_of,
    is_unwanted,
    said,
    session,
    trusting,
)

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

    def trust(self) -> ssl.SSLContext:
        """Return by whom the server must be known.

        Raises:
            Rejected: the Secret is incomplete.
        """
        where = f"Secret {self.server.ca_secret_name} has no `ca.crt` that can be read: put PEM certificates there"
        try:
            return trusting(self.authority, self.certificate)
        except BadCertificateError:
            pair = "`tls.crt` and `tls.key` that belong together, in PEM and without a password"
            where = f"Secret {self.server.certificate_secret_name} has no {pair}"
        except (ssl.SSLError, UnicodeError, KeyError):
            pass
        raise Rejected(Reason.PROVIDER_NOT_READY, where)

    def unwanted(self) -> Rejected:
        """Return what it means that the server ends TLS because of our certificate."""
        name = self.server.certificate_secret_name
        what = f"put a certificate that it accepts into Secret {name}" if name else "set `certificateSecretName`"
        return Rejected(Reason.NEEDS_REAUTH, f"{URL(self.server.token_url).host} does not accept us in TLS: {what}")

    def _text(self, key: str) -> str:
        found = self.client.reveal().get(key, b"").decode("utf-8", "replace").strip()
        if not found:
            where = f"Secret {self.server.secret_name}"
            raise Rejected(
                Reason.PROVIDER_NOT_READY, f"{where} has no {key}: put `client_id` and `client_secret` there"
            )
        return found


class Roads:
    """The ways to the endpoints: where they may lead, and for how long we may go.

    `seconds` says that each time it is asked, and raises NotLeading when it is not ours to act any more.
    """

    def __init__(
        self,
        allowed: Allowed,
        namespace: str,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        lookup: Lookup = addresses_of,
    ) -> None:
        self._allowed = allowed
        self._namespace = namespace
        self._now = now
        self._lookup = lookup
        self.seconds = seconds

    async def post(self, login: Login, endpoint: str, request: tuple[dict[str, str], bytes], seconds: float) -> Answer:
        """Send it once, and return the answer.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        url, bound = URL(endpoint), max(0.0, min(seconds, self.seconds()))
        try:
            async with asyncio.timeout(bound):
                return await self._post(url, login, request)
        except TimeoutError:
            why: RekeyError = NoAnswer(f"{url.host}: no answer within {bound:.1f} s")
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, socket.gaierror, UnicodeError) as error:
            why = login.unwanted() if is_unwanted(error) else Retryable(f"{url.host}: {said(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = login.unwanted() if is_unwanted(error) else NoAnswer(f"{url.host}: {said(error)}")
        raise why

    async def _post(self, url: URL, login: Login, request: tuple[dict[str, str], bytes]) -> Answer:
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"http", "https"} or url.raw_user or url.raw_password or not host:
            raise Rejected(Reason.PROVIDER_NOT_READY, "the URL of an endpoint must be https://host/path")
        proxy = login.server.proxy_url
        addresses = await self._judged(url.scheme, host, port) if proxy is None else await self._behind(URL(proxy), url)
        async with session(addresses, login.trust()) as client:
            self.seconds()
            sent = self._now()
            headers, body = request
            async with client.post(url, headers=headers, data=body, allow_redirects=False, proxy=proxy) as answer:
                known = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, sent, known, await _read(answer))

    async def _judged(self, scheme: str, host: str, port: int) -> Sequence[Address]:
        """Return where that leads, if anything may be sent there."""
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(self._namespace, scheme, host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        return addresses

    async def _behind(self, proxy: URL, url: URL) -> Sequence[Address]:
        """Return where the proxy is; both it and what is behind it are judged.

        Of the latter nothing may be known here: then it is for the proxy to say where the name leads.
        """
        if url.scheme != "https":
            raise Rejected(Reason.PROVIDER_NOT_READY, "with `proxyUrl` endpoints must be https://host/path")
        with suppress(socket.gaierror):
            await self._judged(url.scheme, url.raw_host or "", url.port or 0)
        # To the proxy itself nothing is shown but that name, so TLS or not makes no difference.
        return await self._judged("https", proxy.raw_host or "", proxy.port or 0)


async def _read(answer: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None if it is longer than anybody's who means well."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(8192):
        found += chunk
        if len(found) > MAX_BODY:
            return None
    return bytes(found)
