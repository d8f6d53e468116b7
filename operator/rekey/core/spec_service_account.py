"""ServiceAccounts in the specs: those whose tokens an administrator lets be asked for, and the token that is wanted."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from rekey.core.shape import SET, Duration, ObjectName, Part


class KubernetesServer(Part):
    """The API server that Rekey works with; it logs in there as itself, so no Secret is needed."""

    LOGIN: ClassVar = ()

    service_accounts: tuple[ObjectName, ...] = Field(
        min_length=1,
        max_length=256,
        json_schema_extra=SET,
        description="ServiceAccounts of the credential's own namespace whose tokens may be asked for; no others. "
        "Whoever may use the provider can do all that these may.",
    )

    @property
    def secret_name(self) -> None:
        """Return that no Secret is needed."""
        return

    @property
    def ca_secret_name(self) -> None:
        """Return likewise."""
        return


class ServiceAccountToken(Part):
    """A token of a ServiceAccount, renewed before it expires."""

    service_account_name: ObjectName = Field(
        description="ServiceAccount of this namespace; its provider must name it, too."
    )
    audiences: tuple[Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]+$")], ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=SET,
        description="For whom the token is to be good. None: for the API server.",
    )
    expiration: Duration = Field(
        default=timedelta(hours=1),
        description="How long it is to be good, from 10m to 24h; the API server may give less. It cannot be taken "
        "back.",
    )
