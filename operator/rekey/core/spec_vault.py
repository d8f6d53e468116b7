"""Vault (or OpenBao) in the specs: where a server is and how we log in there, and what is wanted of it.

The first belongs to administrators, the second to whoever wants a credential, who never says where anything is sent.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from rekey.core.shape import HOST, SET, ObjectName, Part
from rekey.core.spec_http import CaSecretName, CertificateSecretName, ProxyUrl

_ADDRESS: Final = rf"^https?://{HOST}(:[1-9][0-9]{{0,4}})?/?$"
_SEGMENT: Final = r"[A-Za-z0-9_][-A-Za-z0-9_.@]*"
_PATH: Final = rf"^{_SEGMENT}(/{_SEGMENT})*$"
_DNS: Final = r"^(\*\.)?[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"

Mount = Annotated[str, Field(min_length=1, max_length=128, pattern=_PATH)]
Role = Annotated[str, Field(min_length=1, max_length=128, pattern=rf"^{_SEGMENT}$")]
DnsName = Annotated[str, Field(min_length=1, max_length=253, pattern=_DNS)]


class VaultKubernetesLogin(Part):
    """Log in as a ServiceAccount."""

    mount: Mount = Field(default="kubernetes", description="Where the auth method is mounted.")
    role: Role = Field(description="Role of the auth method.")
    service_account_name: ObjectName = Field(
        description="ServiceAccount as which we log in: of the namespace of the provider's Secrets. The operator needs "
        "the right to `create` its `serviceaccounts/token`."
    )
    audience: str = Field(
        default="vault",
        min_length=1,
        max_length=253,
        pattern=r"^[!-~]+$",
        description="For whom its token is good: what the role says under `audience`, and nobody else.",
    )


class VaultAppRoleLogin(Part):
    """Log in by an AppRole."""

    mount: Mount = Field(default="approle", description="Where the auth method is mounted.")
    secret_name: ObjectName = Field(description="Secret with `role_id` and `secret_id`.")


class VaultTokenLogin(Part):
    """Show a token that a person made."""

    secret_name: ObjectName = Field(
        description="Secret with `token`. It is renewed when it is used; a token that ends between two rotations is "
        "the wrong one."
    )


class VaultAuth(Part):
    """How we log in: exactly one."""

    kubernetes: VaultKubernetesLogin | None = Field(default=None, description="As a ServiceAccount.")
    app_role: VaultAppRoleLogin | None = Field(default=None, description="By an AppRole.")
    token: VaultTokenLogin | None = Field(default=None, description="By a token.")


class VaultServer(Part):
    """A Vault or OpenBao server."""

    address: str = Field(
        max_length=512,
        pattern=_ADDRESS,
        description="`https://host:port` of the server. `http://` is accepted for a loopback address only.",
    )
    ca_secret_name: CaSecretName = None
    certificate_secret_name: CertificateSecretName = None
    proxy_url: ProxyUrl = None
    namespace: str | None = Field(
        default=None, min_length=1, max_length=256, pattern=_PATH, description="Namespace of Vault's, where it has any."
    )
    auth: VaultAuth = Field(description="How we log in: exactly one.")
    token_role: Role | None = Field(
        default=None,
        description="Role of the auth method for tokens by which each `vaultDatabase` lease gets a token of its own: a "
        "lease ends with its token, and the one we log in with ends too soon.",
    )

    @property
    def LOGIN(self) -> tuple[str, ...]:  # noqa: N802  a constant of other servers
        """The keys of the Secret by which we log in."""
        if self.auth.app_role is not None:
            return ("role_id", "secret_id")
        return ("token",) if self.auth.token is not None else ()

    @property
    def secret_name(self) -> str | None:
        """That Secret; None where we log in as a ServiceAccount."""
        login = self.auth.app_role or self.auth.token
        return login.secret_name if login is not None else None


class VaultKvPath(Part):
    """A password that is made here and pushed to a path of a KV engine, version 2."""

    mount: Mount = Field(default="secret", description="Where the engine is mounted.")
    path: str = Field(
        min_length=1, max_length=512, pattern=_PATH, description="Path of the secret. It is this credential's alone."
    )


class VaultAppRole(Part):
    """A secret id of an AppRole."""

    mount: Mount = Field(default="approle", description="Where the auth method is mounted.")
    role: Role = Field(description="Name of the role.")


class VaultCertificate(Part):
    """A certificate of a PKI engine; `rotation.lifetime` is how long it is good, by default what its role says."""

    mount: Mount = Field(default="pki", description="Where the engine is mounted.")
    role: Role = Field(description="Role of the engine, which says what may be asked for.")
    common_name: DnsName = Field(description="Common name of the certificate.")
    dns_names: tuple[DnsName, ...] = Field(
        default=(), max_length=64, json_schema_extra=SET, description="More names that it is good for."
    )


class VaultDatabaseRole(Part):
    """A user of a database, held by a lease; `rotation.lifetime` is how long, by default what its role allows."""

    mount: Mount = Field(default="database", description="Where the engine is mounted.")
    role: Role = Field(description="Role of the engine, which says what is made where.")
