"""`spec.notify`: who is told what becomes of a credential, and the webhooks of administrators where that is sent.

Where that is, and by what it is signed, administrators say in a CredentialProvider: never who wants a credential.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from rekey.core.shape import SET, ObjectName, Part
from rekey.core.spec_http import CaSecretName, CertificateSecretName, ProxyUrl
from rekey.core.spec_provide import ProviderRef

MAX_NOTIFY: Final = 4
_URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9._~%:@!,;=+/]*)?$"


class NotifyEvent(StrEnum):
    """What is told of; the order is that in which it is sent."""

    AUTHENTICATION_ERROR = "authentication_error"
    REACTIVATED = "reactivated"
    NEW_VERSION = "new_version"
    EXPIRING = "expiring"


class WebhookServer(Part):
    """Somebody who is told over HTTP, by CloudEvents that are signed in the manner of Standard Webhooks."""

    LOGIN: ClassVar = ("secret",)

    url: str = Field(max_length=1024, pattern=_URL, description="Where events are posted to.")
    secret_name: ObjectName = Field(
        description="Secret with `secret`, by which events are signed: `whsec_` and 24 to 64 bytes in base64."
    )
    ca_secret_name: CaSecretName = None
    certificate_secret_name: CertificateSecretName = None
    proxy_url: ProxyUrl = None


class Notify(Part):
    """Somebody who is told."""

    ref: ProviderRef = Field(description="A provider with `webhook`: where it is sent, and by what it is signed.")
    events: tuple[NotifyEvent, ...] = Field(
        default=(),
        max_length=4,
        json_schema_extra=SET,
        description="What is told. None: all of it.",
    )
