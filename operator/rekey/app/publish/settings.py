"""What may be set for `rekey publish`: variables `REKEY_PUBLISH_<NAME>`, flags win."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rekey.app.settings import PUBLISH_PREFIX, LogFormat, LogLevel, Namespaces, environment
from rekey.app.variables import validated
from rekey.core.shape import Duration


class PublishSettings(BaseModel):
    """All settings; as they are by default they do not suffice (`read` says what is missing)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespaces: Namespaces = Field(default=(), description="Namespaces to publish, separated by commas; none: all.")
    host: str = Field(default="", description="Address to listen at; none: all of this machine's.")
    port: int = Field(default=8443, ge=0, le=65535, description="Port of what is published; 0: any.")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port of /livez, /readyz and /metrics; 0: any.")
    tls_directory: str = Field(
        default="", description="Directory with `tls.crt` and `tls.key`, as a Secret is mounted; read anew on change."
    )
    insecure_http: bool = Field(
        default=False, description="Serve without TLS: behind an ingress or a mesh that has it. Loopback needs no word."
    )
    max_age: Duration = Field(
        default=timedelta(minutes=5),
        description="For how long answers may be kept, at most; a shorter `overlap.propagation` makes it less.",
    )
    stale_after: Duration = Field(
        default=timedelta(minutes=5),
        description="After how long without the API server what is served is marked as stale.",
    )
    compare_interval: Duration = Field(
        default=timedelta(minutes=5), description="How often what is served is compared with a new list."
    )
    max_connections: int = Field(default=512, ge=1, le=65_536, description="Connections at once; one more is closed.")
    drain: Duration = Field(
        default=timedelta(seconds=5), description="How long new connections are still taken after the order to stop."
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error.")
    log_format: LogFormat = Field(
        default=LogFormat.AUTO, description="json, text, or auto: text on a terminal, else json."
    )

    @model_validator(mode="after")
    def _is_not_a_loop(self) -> Self:
        if self.compare_interval < timedelta(seconds=1):
            raise ValueError(f"{PUBLISH_PREFIX}COMPARE_INTERVAL must be at least 1s")
        return self


class _Usable(PublishSettings):
    @model_validator(mode="after")
    def _is_secure(self) -> Self:
        if self.tls_directory and self.insecure_http:
            raise ValueError("--tls-directory and --insecure-http exclude each other: leave one out")
        if not (self.tls_directory or self.insecure_http or _is_loopback(self.host)):
            raise ValueError(
                "there is no certificate: name its directory (--tls-directory), or, behind an ingress or a mesh, say "
                "--insecure-http; on --host 127.0.0.1 neither is needed"
            )
        return self


def read(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> PublishSettings:
    """Return the settings; a flag that is None or empty was not given.

    Raises:
        BadSettings: one of them cannot be used, `REKEY_PUBLISH_…` names none, or there is no certificate.
    """
    return validated(_Usable, PUBLISH_PREFIX, flags, environment() if environ is None else environ)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
