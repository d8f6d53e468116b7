"""Following the RotatedCredentials of one namespace, or of all: a list, and what happens after it.

1. Everything is told in the order of resourceVersions. A bookmark says that all up to its version has been told.
2. A watch ends after the seconds that were asked for; what is silent for longer than that is a broken connection.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from http.client import GONE, OK
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from rekey.errors import NoAnswer, RekeyError, Retryable
from rekey.kube.api import CREDENTIALS, Path, Verb
from rekey.kube.client import Client
from rekey.kube.refusals import refusal, said, silence

WATCH: Final = Verb("watch", "GET")
_GRACE: Final = 15.0


class TooOld(RekeyError):
    """List anew: what happened after that version is forgotten."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a watch: ADDED, MODIFIED, DELETED, or BOOKMARK, which has no object worth reading."""

    kind: str
    version: int
    found: Mapping[str, Any]


def where(namespace: str | None) -> Path:
    """Return the path of all credentials there are, or of those in a namespace."""
    return CREDENTIALS.everywhere if namespace is None else CREDENTIALS.all(namespace)


async def everything(client: Client, namespace: str | None) -> tuple[list[dict[str, Any]], int]:
    """Return all objects, read from storage as of one moment, and its version."""
    items: list[dict[str, Any]] = []
    version = 0
    async for page in client.pages(where(namespace)):
        items += page["items"]
        version = int(page["metadata"]["resourceVersion"])
    return items, version


async def changes(
    client: Client, namespace: str | None, version: int, seconds: int
) -> AsyncGenerator[Change | None, None]:
    """Give what happens after that version, for so many seconds; None comes first, when the watch is open.

    Raises:
        TooOld: a new list is needed.
        RekeyError: the watch was refused, or broke.
    """
    path = where(namespace)
    asked = {"watch": "1", "allowWatchBookmarks": "1", "resourceVersion": str(version), "timeoutSeconds": str(seconds)}
    url = URL(f"{client.access.server}{path.url}?{urlencode(asked)}", encoded=True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=seconds + _GRACE)
    try:
        async with (
            client.open_session() as session,
            session.get(url, timeout=timeout, allow_redirects=False) as answer,
        ):
            if answer.status != OK:
                raise await _refused(path, answer)
            client.dated(answer.headers.get("Date", ""))
            yield None
            async for line in _lines(answer.content):
                yield _change(path, line)
    except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
        raise NoAnswer(f"{said(WATCH, path)}: no answer ({silence(error)})") from error


async def _refused(path: Path, answer: aiohttp.ClientResponse) -> RekeyError:
    if answer.status == GONE:
        return TooOld(f"{said(WATCH, path)}: too old")
    return refusal(WATCH, path, answer.status, answer.headers, await answer.read())


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""  # an object may be longer than what `readline` takes
    async for data in content.iter_any():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line


def _change(path: Path, line: bytes) -> Change:
    try:
        event = orjson.loads(line)
        kind, found = event["type"], event["object"]
        if kind != "ERROR":
            return Change(kind, int(found["metadata"]["resourceVersion"]), found)
    except (ValueError, KeyError, TypeError):
        raise Retryable(f"{said(WATCH, path)}: the answer is not what a watch tells") from None
    if found.get("code") == GONE:
        raise TooOld(f"{said(WATCH, path)}: too old")
    raise Retryable(f"{said(WATCH, path)}: failed with status {found.get('code')}")
