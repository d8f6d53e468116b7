"""`spec.provider`: credentials that live at a backend; which one, and what is wanted there.

1. Where a backend is, and how we log in there, an administrator says in a CredentialProvider (`spec_backend`): never
   whoever wants a credential.
2. Exactly one kind is set, and which one never changes (admission sees to both).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import Field

from rekey.core.shape import ObjectName, Part
from rekey.core.spec_api_key import ApiKey
from rekey.core.spec_aws import SLOTS, AwsAccessKey
from rekey.core.spec_oauth2 import Oauth2Token
from rekey.core.spec_service_account import ServiceAccountToken
from rekey.core.spec_vault import VaultAppRole, VaultCertificate, VaultDatabaseRole, VaultKvPath


class ProviderKind(StrEnum):
    """Where a provider is declared: in the credential's own namespace, or for the cluster."""

    NAMESPACED = "CredentialProvider"
    CLUSTER = "ClusterCredentialProvider"


class ProviderRef(Part):
    """Which provider."""

    kind: ProviderKind = Field(
        default=ProviderKind.NAMESPACED,
        description="`CredentialProvider`: of this namespace. `ClusterCredentialProvider`: one that allows this "
        "namespace.",
    )
    name: ObjectName = Field(description="Its name.")


class PostgresqlRole(Part):
    """A login role for each version, `<role>_v<number>`."""

    role: str = Field(
        min_length=1,
        max_length=52,
        pattern=r"^[a-z_][a-z0-9_]*$",
        description="Role that holds the rights and owns what is made; it must exist, and not log in. The role of a "
        "version is a member of it and acts as it from login on, so everything keeps one owner.",
    )
    connection_limit: int | None = Field(
        default=None, ge=1, le=10_000, description="How many connections each version may have. Absent: no limit."
    )
    terminate: bool = Field(
        default=True,
        description="Whether connections that are still open are ended when a version is revoked. False: no new ones "
        "are accepted, and the role is dropped when the last has ended.",
    )


class Provide(Part):
    """A credential of a backend: exactly one kind."""

    ref: ProviderRef = Field(description="Where the backend is and how we log in there.")
    postgresql: PostgresqlRole | None = Field(
        default=None,
        description="A login role of a PostgreSQL server for each version, delivered as `username` and `password`.",
    )
    oauth2: Oauth2Token | None = Field(
        default=None,
        description="An OAuth2 access token, delivered as `access_token` and `token_type`. It is renewed before it "
        "ends, and nothing is restarted for that.",
    )
    service_account_token: ServiceAccountToken | None = Field(
        default=None,
        description="A token of a ServiceAccount of this namespace, delivered as `token`. It is renewed before it "
        "ends, and nothing is restarted for that.",
    )
    aws_access_key: AwsAccessKey | None = Field(
        default=None,
        description="An access key of an IAM user for each version, delivered as `aws_access_key_id` and "
        "`aws_secret_access_key`.",
    )
    api_key: ApiKey | None = Field(
        default=None,
        description="A key of a service that has keys made over HTTP, for each version, delivered as `api_key` and "
        "`id`.",
    )
    vault_kv: VaultKvPath | None = Field(
        default=None,
        alias="vaultKV",
        description="A password that is made here, pushed as a version of a secret of Vault's KV engine (for clients "
        "outside the cluster), and delivered as `password`.",
    )
    vault_app_role: VaultAppRole | None = Field(
        default=None,
        description="A secret id of an AppRole of Vault's for each version, delivered as `role_id` and `secret_id`.",
    )
    vault_pki: VaultCertificate | None = Field(
        default=None,
        alias="vaultPKI",
        description="A certificate of Vault's PKI engine for each version, delivered as `tls.crt`, `tls.key` and "
        "`ca.crt`.",
    )
    vault_database: VaultDatabaseRole | None = Field(
        default=None,
        description="A user that Vault's database engine makes for each version, delivered as `username` and "
        "`password`; its lease lasts as long as the version, and is revoked with it.",
    )

    @property
    def kind(self) -> str:
        """Which kind, by its name in a manifest."""
        fields = type(self).model_fields.items()
        return next(str(one.alias) for name, one in fields if one.alias in KINDS and getattr(self, name) is not None)

    @property
    def renews(self) -> bool:
        """Whether a version ends by itself soon, and the next one comes without a rollout."""
        return KINDS[self.kind].renews

    @property
    def keys(self) -> tuple[str, ...]:
        """The plain keys of the bundle under which the value stands."""
        return KINDS[self.kind].keys

    @property
    def slots(self) -> int | None:
        """How many versions can be there at once; None: as many as are made."""
        return KINDS[self.kind].slots

    @property
    def chained(self) -> bool:
        """Whether a version is got with what is kept in the one before: none is given away that was got."""
        return self.oauth2 is not None and self.oauth2.grant_secret_name is not None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of credential is like.

    `server`: the field of a provider's spec that says where it lives; `keys`: those of the bundle under which its value
    is delivered; `renews`: a version ends by itself soon, and the next one comes without a rollout; `slots`: how many
    versions can be there at once (None: as many as are made).
    """

    server: str
    keys: tuple[str, ...]
    renews: bool = False
    slots: int | None = None


KINDS: Final[dict[str, Kind]] = {
    "postgresql": Kind("postgresql", ("username", "password")),
    "oauth2": Kind("oauth2", ("access_token", "token_type"), renews=True),
    "serviceAccountToken": Kind("kubernetes", ("token",), renews=True),
    "awsAccessKey": Kind("aws", ("aws_access_key_id", "aws_secret_access_key"), slots=SLOTS),
    "apiKey": Kind("apiKey", ("api_key", "id")),
    "vaultKV": Kind("vault", ("password",)),
    "vaultAppRole": Kind("vault", ("role_id", "secret_id")),
    "vaultPKI": Kind("vault", ("tls.crt", "tls.key", "ca.crt")),
    "vaultDatabase": Kind("vault", ("username", "password")),
}
"""Every kind, by its name in a manifest."""
SERVERS: Final = tuple(dict.fromkeys(kind.server for kind in KINDS.values()))
"""Every kind of backend, by the name of its field in a provider's spec."""
