"""Requests as they were declared: placeholders filled and escaped, the key where it belongs, and never in the URL."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from rekey.core.api_key import mark
from rekey.core.material import Material
from rekey.core.pointing import put
from rekey.core.reasons import Reason
from rekey.core.spec_api_key import ApiKeyServer
from rekey.core.spec_http import BodyFormat
from rekey.core.spec_key_requests import BodyField, CreateRequest, FieldType, KeyAuthorization, Request, Showing
from rekey.errors import Rejected
from rekey.ports.backend import Intent
from rekey.providers.http.roads import Endpoint

Field = tuple[str, object]
_PLACEHOLDER: Final = re.compile(r"[{]([A-Za-z]+)[}]")
_KEY: Final = re.compile(rb"[!-~]+")
_TYPES: Final = {BodyFormat.FORM: "application/x-www-form-urlencoded", BodyFormat.JSON: "application/json"}
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it is sent."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """Us at a service: `login` has the `api_key`, `authority` the `ca.crt` that is trusted, `certificate` ours."""

    server: ApiKeyServer
    login: Material
    authority: Material | None = None
    certificate: Material | None = None

    @property
    def known(self) -> Endpoint:
        """The service, as requests go there."""
        return Endpoint.of(self.server.base_url, self.server, self.authority, self.certificate)

    def ours(self, asked: Request, path: str, fields: Sequence[Field] = (), query: Sequence[Field] = ()) -> Sent:
        """Return a request with our own key.

        Raises:
            Rejected: the Secret is incomplete.
        """
        key = self.login.reveal().get("api_key", b"").strip()
        if not _KEY.fullmatch(key):
            where = f"Secret {self.server.secret_name}"
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} has no `api_key` of visible ASCII: put it there")
        if query:
            path = f"{path}{'&' if '?' in path else '?'}{urlencode(query)}"
        return self._sent(asked, path, fields, self.server, key.decode())

    def theirs(self, material: Material | None) -> Sent | None:
        """Return the request by which a version is proved; None if nothing is left of it, or nothing is declared."""
        held, asked = material.reveal() if material is not None else {}, self.server.prove
        if asked is None or not _KEY.fullmatch(held.get("api_key", b"")):
            return None
        name = held.get("id", b"").decode("ascii", "replace")
        return self._sent(asked, path(asked.path, {"id": name}), (), asked, held["api_key"].decode(), name)

    def _sent(
        self, asked: Request, path: str, fields: Sequence[Field], showing: Showing, key: str, name: str = ""
    ) -> Sent:
        headers, fields = {"Accept": "application/json"}, list(fields)
        match showing.authorization_method:
            case KeyAuthorization.BODY:
                fields.append((showing.key_field or "", key))
            case KeyAuthorization.HEADER:
                headers[showing.header_name or ""] = showing.header_prefix + key
            case KeyAuthorization.BASIC:
                user = (showing.username or "").replace("{id}", name)
                pair = f"{user}:{key}" if user else f"{key}:"
                headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
            case KeyAuthorization.BEARER:
                headers["Authorization"] = f"Bearer {key}"
            case _:
                raise Rejected(Reason.PROVIDER_NOT_READY, "a key is never sent in a URL: mend `authorizationMethod`")
        if fields:
            headers["Content-Type"] = _TYPES[asked.body_format]
        declared = {one.name: one.value for one in self.server.headers}
        over = {name.lower() for name in declared}
        headers = {name: value for name, value in headers.items() if name.lower() not in over} | declared
        return Sent(asked.method, self.server.base_url.rstrip("/") + path, headers, _body(fields, asked.body_format))


def is_known_as(material: Material | None, name: str) -> bool:
    """Say whether nothing that is kept of a version contradicts that this is its id."""
    return material is None or material.reveal().get("id", name.encode()) == name.encode()


def is_among(material: Material | None, ids: Sequence[str]) -> bool:
    """Say whether one of the ids, which stand in URLs, is the key itself."""
    return material is not None and material.reveal().get("api_key") in {one.encode() for one in ids}


def path(template: str, values: Mapping[str, str]) -> str:
    """Return a path with every value escaped, so that none leads elsewhere."""
    return _filled(template, values, lambda value: quote(value, safe=""))


def wanted(asked: CreateRequest, intent: Intent) -> tuple[str, list[Field]]:
    """Return path and body by which a version is asked for; fields that have nothing to say are left out.

    Raises:
        Rejected: a field is not what it is declared to be.
    """
    values = _values(intent)
    fields = [(one.name, _typed(one, _filled(one.value, values))) for one in asked.fields if _says(one, values)]
    return path(asked.path, values), fields


def _says(one: BodyField, values: Mapping[str, str]) -> bool:
    names = _PLACEHOLDER.findall(one.value)
    if all(values[name] for name in names):
        return True
    if "mark" in names:  # past admission: without it no list would find the key again
        text = f"the field {one.name} of `create.fields` has `{{mark}}` beside what is not asked for: part them"
        raise Rejected(Reason.PROVIDER_NOT_READY, text)
    return False


def _values(intent: Intent) -> dict[str, str]:
    claim, asks, ends = intent.claim, intent.wanted.api_key, intent.expires
    return {
        "owner": claim.owner,
        "namespace": claim.namespace,
        "name": claim.name,
        "number": str(claim.number),
        "mark": mark(claim.owner, claim.number),
        "scopes": " ".join(asks.scopes) if asks is not None else "",
        "audience": (asks.audience or "") if asks is not None else "",
        "expires": f"{ends:%Y-%m-%dT%H:%M:%SZ}" if ends is not None else "",
        "expiresDate": f"{ends:%Y-%m-%d}" if ends is not None else "",
        "expiresUnix": str(int(ends.timestamp())) if ends is not None else "",
        "lifetime": str(int((ends - intent.now).total_seconds())) if ends is not None else "",
    }


def _filled(template: str, values: Mapping[str, str], escaped: Callable[[str], str] = str) -> str:
    """Return the text with what its placeholders stand for; what is filled in is not looked at again."""
    return _PLACEHOLDER.sub(lambda found: escaped(values[found[1]]), template)


def _typed(one: BodyField, text: str) -> object:
    if one.type is FieldType.LIST:
        return text.split()
    if one.type is FieldType.TEXT:
        return text
    if (text not in {"true", "false"}) if one.type is FieldType.BOOLEAN else not _NUMBER.fullmatch(text):
        raise Rejected(
            Reason.PROVIDER_NOT_READY, f"the field {one.name} of `create.fields` is not what its `type` says: mend it"
        )
    return orjson.loads(text)


def _body(fields: Sequence[Field], style: BodyFormat) -> bytes:
    if not fields:
        return b""
    if style is BodyFormat.FORM:
        return urlencode([(name, _plain(value)) for name, value in fields], doseq=True).encode()
    document: dict[str, Any] = {}
    for name, value in fields:
        put(document, name if name.startswith("/") else "/" + name.replace("~", "~0").replace("/", "~1"), value)
    return orjson.dumps(document)


def _plain(value: object) -> object:
    """Return a value as a form has it."""
    return str(value).lower() if isinstance(value, bool) else value
