"""API keys in the specs: the service that makes them and how it is asked, and the key that is wanted of it.

The first belongs to administrators, the second to whoever wants a credential, who never says where anything is sent.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from rekey.core.shape import ATOMIC, LINE, SET, Duration, ObjectName, Part
from rekey.core.spec_http import POINTER, URL, CaSecretName, CertificateSecretName, ProxyUrl
from rekey.core.spec_key_requests import HEADER, CreateRequest, ListRequest, ProveRequest, RevokeRequest, Showing

Code = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[ -~]+$")]


class Header(Part):
    """A header of every request; no secret."""

    name: str = Field(min_length=1, max_length=64, pattern=HEADER, description="Its name, such as `Api-Version`.")
    value: str = Field(max_length=256, pattern=r"^[ -~]*$", description="What it says. No secret: everybody reads it.")


class ApiKeyServer(Showing):
    """A service that has its keys made over HTTP."""

    LOGIN: ClassVar = ("api_key",)

    base_url: str = Field(max_length=1024, pattern=URL, description="What all paths stand behind.")
    secret_name: ObjectName = Field(description="Secret with the `api_key` by which keys are made and revoked.")
    ca_secret_name: CaSecretName = None
    certificate_secret_name: CertificateSecretName = None
    proxy_url: ProxyUrl = None
    headers: tuple[Header, ...] = Field(
        default=(), max_length=8, json_schema_extra=ATOMIC, description="More headers of every request."
    )
    create: CreateRequest = Field(description="How a key is made.")
    list: ListRequest | None = Field(
        default=None,
        description="How keys are listed. Without it a key whose answer was lost is left over, and nobody knows it.",
    )
    revoke: RevokeRequest = Field(description="How a key is revoked.")
    prove: ProveRequest | None = Field(
        default=None, description="How a new key is proved, and seen to be refused when it was revoked."
    )
    success_field: str | None = Field(
        default=None,
        max_length=128,
        pattern=POINTER,
        description="Where an answer says whether it is one of success, for services that answer 200 with an error.",
    )
    success_value: str = Field(
        default="true", max_length=128, pattern=LINE, description="What stands there then, as text."
    )
    error_field: str = Field(
        default="/error", max_length=128, pattern=POINTER, description="Where an error has its code, as a JSON pointer."
    )
    reauthorize_errors: tuple[Code, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET,
        description="Codes, or statuses such as `403`, by which it says that `api_key` is not accepted. So does a 401.",
    )
    busy_errors: tuple[Code, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET,
        description="Likewise: that it is to be asked later. So do 408, 425, 429 and 503.",
    )
    gone_errors: tuple[Code, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET,
        description="Likewise: that there is no such key. So do 404 and 410 where one is revoked.",
    )
    limit_errors: tuple[Code, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET,
        description="Likewise: that it allows no more keys.",
    )
    key_lifetime: Duration | None = Field(
        default=None,
        description="When a key ends where neither the answer nor `rotation.lifetime` says: from 1m to 87600h. Absent: "
        "never.",
    )
    longest_lifetime: Duration | None = Field(
        default=None,
        description="A key is replaced as if it ended by then, whatever is said: from 1m to 87600h. Absent: no limit.",
    )


class ApiKey(Part):
    """A key of a service, for each version."""

    scopes: tuple[Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!#-\[\]-~]+$")], ...] = Field(
        default=(), max_length=32, json_schema_extra=SET, description="What is asked for. None: what the service gives."
    )
    audience: str | None = Field(
        default=None, min_length=1, max_length=512, pattern=LINE, description="For whom the key is to be good."
    )
