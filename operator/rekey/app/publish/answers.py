"""What is answered to which request: documents and pages from the shelf, and one and the same 404 for all else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Final, NamedTuple

from aiohttp import web

from rekey import __version__
from rekey.app.publish.metrics import Metrics
from rekey.app.publish.shelf import Shelf
from rekey.core import documents, page
from rekey.core.documents import Age
from rekey.core.facts import Key
from rekey.core.publication import Publication
from rekey.core.timeline import shown

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_ALWAYS: Final = {
    "Content-Security-Policy": page.POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": f"rekey/{__version__}",
}
_ADDRESS: Final = 6
log = logging.getLogger(__name__)


class _Body(NamedTuple):
    document: str
    form: str
    content: bytes
    cache: str = "no-cache"


class Answers:
    """Answers requests; `longest` bounds for how long an answer may be kept by who asked."""

    def __init__(self, shelf: Shelf, metrics: Metrics, longest: timedelta) -> None:
        self._shelf = shelf
        self._metrics = metrics
        self._longest = longest

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        try:
            name, answer = self._answer(request)
        except Exception:
            log.exception("a request could not be answered")
            name, answer = "none", _plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        answer.headers.update(_ALWAYS)
        self._metrics.answered(name, answer.status)
        return answer

    def _answer(self, request: web.BaseRequest) -> tuple[str, web.Response]:
        if request.method not in {"GET", "HEAD"}:
            return "none", _plain(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        if not self._shelf.is_full:
            return "none", _plain(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})
        age = self._shelf.age
        body = self._body(request.rel_url.raw_path, age)
        if body is None:
            return "none", _plain(HTTPStatus.NOT_FOUND)
        etag = documents.etag(body.content)
        headers = {
            "Cache-Control": body.cache,
            "ETag": f'"{etag}"',
            "Rekey-As-Of": shown(age.as_of),
            **({"Rekey-Stale": "true"} if age.stale else {}),
        }
        if any(one.value in {"*", etag} for one in request.if_none_match or ()):
            return body.document, web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return body.document, web.Response(body=body.content, headers={**headers, "Content-Type": body.form})

    def _body(self, path: str, age: Age) -> _Body | None:
        if path == "/":
            return _Body("index", _HTML, page.index(self._shelf.all(), age).encode())
        parts = path.split("/")
        if len(parts) != _ADDRESS or parts[:3] != ["", "v1", "namespaces"]:
            return None
        found = self._shelf.get(Key(parts[3], parts[4]))
        return None if found is None else self._of(found, parts[5], age)

    def _of(self, found: Publication, document: str, age: Age) -> _Body | None:
        cache = f"public, max-age={self._seconds(found)}"
        match document:
            case "":
                return _Body("page", _HTML, page.credential(found, age).encode())
            case "jwks.json":
                return _Body("jwks", "application/jwk-set+json", documents.jwks(found), cache)
            case "catalog.json":
                return _Body("catalog", _JSON, documents.catalog(found, age), cache)
            case "timeline.json":
                return _Body("timeline", _JSON, documents.timeline(found, age), cache)
            case _:
                return None

    def _seconds(self, found: Publication) -> int:
        said = self._longest if found.cache_for is None else min(found.cache_for, self._longest)
        return int(said.total_seconds())


def _plain(status: HTTPStatus, more: Mapping[str, str] | None = None) -> web.Response:
    headers = {"Cache-Control": "no-store", "Content-Type": _TEXT, **(more or {})}
    return web.Response(status=status, body=f"{status.phrase}\n".encode(), headers=headers)
