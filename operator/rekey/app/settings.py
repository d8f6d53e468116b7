"""What an administrator may set: the only reader of the environment.

1. Every setting has a default, an environment variable `REKEY_<NAME>` and a sentence; `docs/reference.md` shows them.
2. A flag of the command line wins over the variable, the variable over the default.
3. Durations are written as in manifests: `90s`, `1h30m`.
   POD_NAME and POD_NAMESPACE, as a manifest takes them from the pod, are defaults of who and where we are.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from rekey.app.variables import validated
from rekey.app.webhooks import Webhooks
from rekey.core.shape import Duration
from rekey.core.spec_vault import Mount, Role
from rekey.providers.http.allowed import Allowed

PREFIX: Final = "REKEY_"
PUBLISH_PREFIX: Final = "REKEY_PUBLISH_"
_OF_THE_POD: Final = {"POD_NAME": "identity", "POD_NAMESPACE": "lease_namespace"}
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """From which severity on lines are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _are_namespaces(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _NAMESPACE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a namespace")
    return tuple(dict.fromkeys(names))


Namespaces = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_are_namespaces)]


def _can_be_asked(entries: tuple[str, ...]) -> tuple[str, ...]:
    Allowed(entries)
    return entries


Asked = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_can_be_asked)]


class Settings(BaseModel):
    """All settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespaces: Namespaces = Field(
        default=(), description="Namespaces to work in, separated by commas; none: all of them."
    )
    workers: int = Field(default=32, ge=1, le=1024, description="Credentials that are worked on at once.")
    max_rollouts_per_namespace: int = Field(
        default=5, ge=1, le=1000, description="Consumers that may be restarting at once in one namespace."
    )
    max_rollouts: int = Field(
        default=20, ge=1, le=10_000, description="Consumers that may be restarting at once in all."
    )
    kubelet_cache_lag: Duration = Field(
        default=timedelta(seconds=5), description="How old the Secrets may be that a kubelet starts a container with."
    )
    kubelet_propagation: Duration = Field(
        default=timedelta(seconds=120), description="How long a mounted volume may show an old value."
    )
    drift_interval: Duration = Field(
        default=timedelta(hours=1), description="How often the Secrets of each credential are compared with the ledger."
    )
    drift_reads_per_second: int = Field(
        default=50, ge=1, le=10_000, description="Secrets read a second for these comparisons, at most."
    )
    resync_interval: Duration = Field(
        default=timedelta(minutes=10), description="How often the list of credentials is compared with what was heard."
    )
    probe_allowed: Asked = Field(
        default=(),
        description="What `spec.validation.http`, `spec.usage` and providers may ask besides the Services of a "
        "credential's own namespace (and providers public addresses): hosts, `*.svc`, `host:port` and networks, "
        "separated by commas; with `http://` in front also without TLS.",
    )
    webhooks: Webhooks = Field(
        default=(),
        description="ClusterCredentialProviders whose webhooks are told of every credential, separated by commas; "
        "`name=event+event`: of these events alone.",
    )
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port of /livez, /readyz and /metrics; 0: any.")
    metrics_per_credential: int = Field(
        default=1000,
        ge=0,
        le=100_000,
        description="Credentials that have time series of their own; the most urgent ones.",
    )
    leader_election: bool = Field(
        default=True, description="Whether several replicas agree by a Lease on who acts; false: there is only one."
    )
    identity: str = Field(
        default="",
        description="Our name in the Lease: the pod's. Default: POD_NAME, else the host's and a random part.",
    )
    lease_name: str = Field(default="rekey", description="Name of the Lease.")
    lease_namespace: str = Field(
        default="",
        description="Namespace of the Lease. Default: POD_NAMESPACE, else the ServiceAccount's or kubeconfig's.",
    )
    lease_duration: Duration = Field(
        default=timedelta(seconds=15), description="After how long without a renewal another replica takes the Lease."
    )
    lease_renew_deadline: Duration = Field(
        default=timedelta(seconds=10),
        description="How long after a renewal its sender acts; shorter than the duration.",
    )
    lease_retry: Duration = Field(
        default=timedelta(seconds=2), description="How often the Lease is renewed, or looked at by those who stand by."
    )
    fence: str = Field(
        default="",
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?)?$",
        description="ValidatingAdmissionPolicy that refuses a former leader's writes; empty: none is looked for.",
    )
    shards: int = Field(
        default=1, ge=1, le=64, description="Into how many shards the label rekey.dev/shard divides the namespaces."
    )
    key_rotation_interval: Duration = Field(
        default=timedelta(0), description="After how long the key ring gets a new key; 0s: when a person asks for it."
    )
    key_retention: Duration = Field(
        default=timedelta(days=30), description="How long a disabled key of the ring can still be put back."
    )
    transit_provider: str = Field(
        default="",
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$",
        description="ClusterCredentialProvider of the Vault whose transit engine keeps the key that seals; empty: the "
        "key ring in the cluster does.",
    )
    transit_mount: Mount = Field(default="transit", description="Where that engine is mounted.")
    transit_key: Role = Field(default="rekey", description="Name of that key, which is Rekey's alone.")
    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error.")
    log_format: LogFormat = Field(
        default=LogFormat.AUTO, description="json, text, or auto: text on a terminal, else json."
    )
    shutdown_grace: Duration = Field(
        default=timedelta(seconds=20), description="How long work in hand may take after the order to stop."
    )

    @field_validator("lease_name", "lease_namespace")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if name and not _NAMESPACE.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a name")
        return name

    @model_validator(mode="after")
    def _terms_do_not_overlap(self) -> Self:
        if not timedelta() < self.lease_retry < self.lease_renew_deadline < self.lease_duration:
            raise ValueError("REKEY_LEASE_RETRY < REKEY_LEASE_RENEW_DEADLINE < REKEY_LEASE_DURATION must hold")
        return self

    @model_validator(mode="after")
    def _shards_can_work(self) -> Self:
        if self.shards > 1 and (self.namespaces or not self.leader_election):
            raise ValueError("REKEY_SHARDS needs the election, and all namespaces: leave REKEY_NAMESPACES out")
        if self.shards > self.max_rollouts:
            raise ValueError("REKEY_MAX_ROLLOUTS is divided among REKEY_SHARDS: it must not be less")
        return self

    @field_validator("drift_interval", "resync_interval")
    @classmethod
    def _is_not_a_loop(cls, length: timedelta) -> timedelta:
        if length < timedelta(seconds=1):
            raise ValueError("must be at least 1s")
        return length


def read(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings; a flag that is None or empty was not given.

    Raises:
        BadSettings: one of them cannot be used, or `REKEY_…` names none.
    """
    around = environ if environ is not None else environment()
    of_the_pod = {setting: around[name] for name, setting in _OF_THE_POD.items() if name in around}
    ours = {name: value for name, value in around.items() if not name.startswith(PUBLISH_PREFIX)}
    return validated(Settings, PREFIX, flags, ours, of_the_pod)


def environment() -> Mapping[str, str]:
    """Return the environment, for those whose settings are named by others (KUBECONFIG)."""
    return os.environ
