"""Every kind of backend that this program knows, put together: each is loaded when the first credential asks for it."""

from __future__ import annotations

from collections.abc import Callable

from rekey.core.material import Material
from rekey.core.spec import Password
from rekey.core.spec_backend import PostgresqlServer
from rekey.kube.client import Client
from rekey.kube.declarations import KubeDeclarations
from rekey.kube.secrets import KubeSecrets
from rekey.ports.backend import Backend
from rekey.ports.lead import Lead
from rekey.providers.backends import DeclaredBackends
from rekey.providers.generated import values


def declared(client: Client, home: str, lead: Lead | None = None) -> DeclaredBackends:
    """Return the backends that are declared in a cluster; `home` is the operator's namespace."""
    return DeclaredBackends(KubeDeclarations(client, home), KubeSecrets(client), _postgresql, lead)


def _postgresql(
    server: PostgresqlServer, login: Material, authority: Material | None, seconds: Callable[[], float]
) -> Backend:
    from rekey.providers.postgresql import Postgresql  # noqa: PLC0415  8 MiB that only these credentials need

    return Postgresql(server, login, authority, seconds, lambda: values.password(Password()).material)
