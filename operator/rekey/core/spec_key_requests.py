"""The requests by which a service makes, lists, revokes and proves API keys: data, with closed placeholders.

1. The placeholders are lists of names, and each is escaped as its place needs it: nothing written here is evaluated.
2. No placeholder holds a key: keys stand in headers and bodies only, because URLs are logged.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from rekey.core.shape import ATOMIC, LINE, Part
from rekey.core.spec_http import POINTER, BodyFormat, ExpiryUnit

HEADER: Final = r"^[A-Za-z][-A-Za-z0-9]*$"
_PATH: Final = r"^/([-A-Za-z0-9._~%:@!,;=+/?&]|[{{]({0})[}}])*$"
_VALUE: Final = r"^([^\x00-\x1f\x7f{{}}]|[{{]({0})[}}])*$"
_OF_VERSION: Final = "owner|namespace|name|number|mark"
MAY_BE_EMPTY: Final = "scopes|audience|expires|expiresDate|expiresUnix|lifetime"
_ASKED: Final = f"{_OF_VERSION}|{MAY_BE_EMPTY}"


class KeyAuthorization(StrEnum):
    """Where a key stands in a request."""

    BEARER = "Bearer"
    BASIC = "Basic"
    HEADER = "Header"
    BODY = "Body"
    QUERY = "Query"


class Method(StrEnum):
    """The methods of HTTP by which services are asked."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class FieldType(StrEnum):
    """What a field of a JSON body is; in a form everything is text, and a list is a field for each item."""

    TEXT = "Text"
    NUMBER = "Number"
    BOOLEAN = "Boolean"
    LIST = "List"


class Showing(Part):
    """How a key is shown to the service."""

    authorization_method: KeyAuthorization = Field(
        default=KeyAuthorization.BEARER,
        description="`Bearer`: `Authorization: Bearer <key>`. `Basic`: HTTP Basic, see `username`. `Header`: in "
        "`headerName`. `Body`: at `keyField` of the body. `Query` is refused: URLs are logged.",
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^[!-9;-z|~]+$",
        description="With `Basic` the name to which the key is the password. Absent: the key is the name, and the "
        "password is empty.",
    )
    header_name: str | None = Field(
        default=None, max_length=64, pattern=HEADER, description="With `Header` its name, such as `X-Api-Key`."
    )
    header_prefix: str = Field(
        default="", max_length=64, pattern=r"^[ -~]*$", description="What stands before the key there: `Token `."
    )
    key_field: str | None = Field(
        default=None, max_length=128, pattern=r"^[^{}]+$", description="With `Body` the field in which it stands."
    )


class Request(Part):
    """A request; its path stands behind `baseUrl`."""

    method: Method = Field(default=Method.GET, description="Its method.")
    body_format: BodyFormat = Field(default=BodyFormat.JSON, description="How its body is written, if it has one.")


class BodyField(Part):
    """A field of the body of a request that makes a key."""

    name: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[^{}]+$",
        description="Its name; one that begins with `/` is a JSON pointer (RFC 6901), for objects in objects.",
    )
    value: str = Field(
        max_length=512,
        pattern=_VALUE.format(_ASKED),
        description="What it says. `{mark}` is how Rekey finds the key again; `{owner}` (uid), `{namespace}`, `{name}` "
        "and `{number}` are of the credential and its version; `{scopes}` (parted by blanks) and `{audience}` what it "
        "asks for; `{expires}` (RFC 3339), `{expiresDate}`, `{expiresUnix}` and `{lifetime}` (seconds) when the key is "
        "to end by `rotation.lifetime`. A field whose placeholder has nothing to say is left out; so `{mark}` stands "
        "beside none of the last six.",
    )
    type: FieldType = Field(
        default=FieldType.TEXT, description="What it is in JSON; `List`: the words of the text, parted by blanks."
    )


class CreateRequest(Request):
    """The request that makes a key, and where its answer has what."""

    method: Method = Field(default=Method.POST, description="Its method.")
    path: str = Field(
        max_length=512,
        pattern=_PATH.format("namespace|name|owner|number|mark"),
        description="Its path behind `baseUrl`, with `{namespace}`, `{name}`, `{owner}`, `{number}` and `{mark}` as "
        "in `fields`.",
    )
    fields: tuple[BodyField, ...] = Field(
        default=(), max_length=32, json_schema_extra=ATOMIC, description="What the body says."
    )
    value_field: str = Field(
        default="/key", max_length=128, pattern=POINTER, description="Where the answer has the key, as a JSON pointer."
    )
    id_field: str = Field(
        default="/id",
        max_length=128,
        pattern=POINTER,
        description="Where the answer has the key's id, by which it is revoked; it is no secret.",
    )
    expiry_field: str | None = Field(
        default=None,
        max_length=128,
        pattern=POINTER,
        description="Where the answer says when the key ends, as a JSON pointer. Absent: it does not.",
    )
    expiry_unit: ExpiryUnit = Field(
        default=ExpiryUnit.DATE,
        description="What stands there: `Seconds` or `Milliseconds` from now, or a `Date` (RFC 3339, a day, or seconds "
        "since 1970).",
    )


class ListRequest(Request):
    """The request that lists keys, and where its answer has what."""

    path: str = Field(
        max_length=512,
        pattern=_PATH.format("namespace|owner"),
        description="Its path behind `baseUrl`. `{owner}` and `{namespace}` are the credential's, for services that "
        "can search. Have it ask for so few that an answer has 64 KiB at most.",
    )
    items_field: str | None = Field(
        default=None, max_length=128, pattern=POINTER, description="Where the list is. Absent: the answer is the list."
    )
    id_field: str = Field(
        default="/id",
        max_length=128,
        pattern=POINTER,
        description="Where an item has its id. Never where it has the key, for ids stand in URLs: a key that is known "
        "is refused.",
    )
    mark_field: str = Field(
        default="/name",
        max_length=128,
        pattern=POINTER,
        description="Where an item has the text in which `create.fields` put `{mark}`. Others are never touched.",
    )
    live_field: str | None = Field(
        default=None,
        max_length=128,
        pattern=POINTER,
        description="Where an item says that it is accepted, if revoked ones stay listed.",
    )
    live_value: str = Field(
        default="true", max_length=128, pattern=LINE, description="What stands there of one that is accepted."
    )
    next_field: str | None = Field(
        default=None, max_length=128, pattern=POINTER, description="Where the answer has the cursor of the next page."
    )
    page_parameter: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[A-Za-z][-A-Za-z0-9_]*$",
        description="Query parameter with the cursor of `nextField`; without that with the number of the page, from 1 "
        "until one is empty. Absent: there is one page.",
    )


class RevokeRequest(Request):
    """The request that revokes a key."""

    method: Method = Field(default=Method.DELETE, description="Its method.")
    path: str = Field(
        max_length=512,
        pattern=_PATH.format("id"),
        description="Its path behind `baseUrl`, with `{id}`. 404 and 410 say that it is gone.",
    )
    id_field: str | None = Field(
        default=None, max_length=128, pattern=r"^[^{}]+$", description="Field of the body for the id, if it has one."
    )


class ProveRequest(Request, Showing):
    """A request that a new key is proved by: 401 and 403 refuse it."""

    path: str = Field(
        max_length=512, pattern=_PATH.format("id"), description="Its path behind `baseUrl`; it should change nothing."
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^([!-9;-z|~]|[{]id[}])+$",
        description="With `Basic` the name to which the key is the password; `{id}` stands for its id. Absent: the key "
        "is the name, and the password is empty.",
    )
