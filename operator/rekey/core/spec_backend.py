"""The specs of CredentialProvider and ClusterCredentialProvider: where a backend is and how we log in there.

1. They belong to administrators: no RotatedCredential says where anything is sent.
2. Secrets are named without a namespace: those of a CredentialProvider are of its own namespace, those of a
   ClusterCredentialProvider of the operator's.
3. Exactly one kind is set, and which one never changes (admission sees to both).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Protocol

from pydantic import Field

from rekey.core.shape import ATOMIC, ObjectName, Part
from rekey.core.spec_api_key import ApiKeyServer
from rekey.core.spec_aws import AwsServer
from rekey.core.spec_consumers import LabelSelector
from rekey.core.spec_http import CaSecretName, CertificateSecretName
from rekey.core.spec_limits import Limits
from rekey.core.spec_notify import WebhookServer
from rekey.core.spec_oauth2 import Oauth2Server
from rekey.core.spec_service_account import KubernetesServer
from rekey.core.spec_vault import VaultServer

_HOST: Final = r"^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$"


class Tls(StrEnum):
    """How the server is known."""

    VERIFY_FULL = "VerifyFull"
    NONE = "None"


class Server(Protocol):
    """Where a backend is and how we log in there; `LOGIN` are the keys of the Secret by which we do."""

    @property
    def LOGIN(self) -> tuple[str, ...]:  # noqa: N802  a constant of most
        """Those keys."""
        ...

    @property
    def secret_name(self) -> str | None:
        """That Secret; None where none is needed."""
        ...

    @property
    def ca_secret_name(self) -> str | None:
        """The Secret of whom the server's certificate must be issued by; None: whom the image trusts."""
        ...


class PostgresqlServer(Part):
    """A PostgreSQL server."""

    LOGIN: ClassVar = ("username", "password")

    host: str = Field(min_length=1, max_length=253, pattern=_HOST, description="Name or address of the server.")
    port: int = Field(default=5432, ge=1, le=65535, description="Its port.")
    database: str = Field(
        default="postgres", min_length=1, max_length=63, pattern=r"^[!-~]+$", description="Database to log in to."
    )
    tls: Tls = Field(
        default=Tls.VERIFY_FULL,
        description="`VerifyFull`: TLS 1.2 at least, and a certificate for `host`. `None`: in the clear, accepted for "
        "a loopback address only.",
    )
    ca_secret_name: CaSecretName = None
    certificate_secret_name: CertificateSecretName = None
    secret_name: ObjectName = Field(
        description="Secret with `username` and `password` of the role by which we log in. It needs CREATEROLE, and "
        "to be a member of the roles that credentials name, with ADMIN OPTION."
    )


class CredentialProviderSpec(Part):
    """All of `.spec` of a CredentialProvider."""

    postgresql: PostgresqlServer | None = Field(default=None, description="A PostgreSQL server, version 14 or later.")
    oauth2: Oauth2Server | None = Field(default=None, description="An OAuth2 authorization server.")
    kubernetes: KubernetesServer | None = Field(default=None, description="The API server that Rekey works with.")
    aws: AwsServer | None = Field(default=None, description="An AWS account.")
    api_key: ApiKeyServer | None = Field(default=None, description="A service that has its keys made over HTTP.")
    vault: VaultServer | None = Field(default=None, description="A Vault or OpenBao server.")
    webhook: WebhookServer | None = Field(
        default=None, description="Somebody who is told what becomes of credentials (`spec.notify`)."
    )
    limits: Limits = Field(default_factory=Limits, description="How hard it may be used.")


class AllowedNamespaces(Part):
    """Who may use a ClusterCredentialProvider; whoever is named by either."""

    names: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(), max_length=256, json_schema_extra=ATOMIC, description="Namespaces by name."
    )
    selector: LabelSelector | None = Field(default=None, description="Namespaces by their labels.")


class ClusterCredentialProviderSpec(CredentialProviderSpec):
    """All of `.spec` of a ClusterCredentialProvider."""

    allowed_namespaces: AllowedNamespaces = Field(
        default_factory=AllowedNamespaces, description="Namespaces whose credentials may use it. Absent: none."
    )


__all__ = [
    "AllowedNamespaces",
    "ClusterCredentialProviderSpec",
    "CredentialProviderSpec",
    "PostgresqlServer",
    "Server",
    "Tls",
]
