"""The port `Meter` over Prometheus' HTTP API: one instant query, of whose answer nothing but the numbers is passed on.

It is the reason to look into a Material here: a token is compared with where it may be sent, and put into a header.
"""

from __future__ import annotations

from typing import Final

import orjson

from rekey.core.material import Material
from rekey.core.usage import Reading
from rekey.ports.meter import Query
from rekey.providers.http.getting import Getter, Request

MOST: Final = 1 << 20
"""Bytes of an answer: an expression that has one sample has a hundred."""

_OK: Final = 200
_REMEDIES: Final = {
    400: ", as it does to a query that is not PromQL: mend `query`",
    401: ": mend the token of `tokenSecretName`",
    403: ": mend the token of `tokenSecretName`",
    404: ", so its API is not there: mend `url`",
    422: ", as it does to a query that cannot be carried out: mend `query`",
}


class PrometheusMeter:
    """Asks Prometheus, and what has the same API."""

    def __init__(self, getter: Getter) -> None:
        self._getter = getter

    async def read(self, query: Query) -> Reading:
        """Ask once; see the port."""
        header = _bearer(query.token, query.url) if query.token is not None else Material({})
        if isinstance(header, str):
            return Reading(trouble=header)
        answer = await self._getter.get(
            Request(
                query.namespace,
                query.url,
                header,
                query.seconds,
                query.authority,
                path="api/v1/query",
                parameters={"query": query.expression},
                most=MOST,
            )
        )
        if answer.status is None:
            return Reading(trouble=f"Prometheus: {answer.trouble}")
        if answer.status != _OK:
            return Reading(trouble=f"Prometheus answered {answer.status}{_REMEDIES.get(answer.status, '')}")
        if len(answer.body) > MOST:
            return Reading(trouble="Prometheus answered with more than 1 MiB: have `query` sum it up")
        return _understood(answer.body)


def _bearer(secret: Material, url: str) -> Material | str:
    """Return the header with the token, or why it is not sent."""
    values = secret.reveal()
    if values.get("url", b"").strip() != url.encode():
        return "the key `url` of the Secret `tokenSecretName` names another URL: the token is not sent"
    token = values.get("token", b"").strip()
    if not token or not all(0x21 <= byte <= 0x7E for byte in token):  # noqa: PLR2004  visible ASCII
        return "the `token` of the Secret `tokenSecretName` cannot stand in a header"
    return Material({"Authorization": b"Bearer " + token})


def _understood(body: bytes) -> Reading:
    """Return the numbers of an answer."""
    try:
        content = orjson.loads(body)
        if content["status"] != "success" or content["data"]["resultType"] != "vector":
            return Reading(trouble="Prometheus answered with something else than a vector: mend `query`")
        samples = tuple(float(text) for _, text in (item["value"] for item in content["data"]["result"]))
        return Reading(samples, partial=bool(content.get("warnings")))
    except (ValueError, LookupError, TypeError, AttributeError):
        return Reading(trouble="Prometheus answered with what cannot be read as samples")
