"""Every kind of backend that this program knows, put together: each is loaded when the first credential asks for it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from rekey.core.material import Material
from rekey.core.spec import Password
from rekey.core.spec_provide import KINDS, Provide
from rekey.kube.account_tokens import AccountTokens
from rekey.kube.client import Client
from rekey.kube.declarations import KubeDeclarations
from rekey.kube.identities import identity
from rekey.kube.secrets import KubeSecrets
from rekey.ports.backend import Backend
from rekey.ports.cluster import Clock
from rekey.ports.lead import Lead
from rekey.providers.backends import DeclaredBackends, Maker, Place, Sender, undivided
from rekey.providers.generated import values
from rekey.providers.health import Tell, nobody
from rekey.providers.http.allowed import Allowed
from rekey.providers.limits import Turnstiles
from rekey.providers.parts import Parts, Reached
from rekey.providers.vault.passes import Pass, Passes

if TYPE_CHECKING:
    from rekey.core.spec_vault import VaultServer
    from rekey.providers.vault.login import Vault


def declared(  # noqa: PLR0913  what the parts take
    client: Client,
    home: str,
    clock: Clock,
    allowed: Allowed,
    lead: Lead | None = None,
    place: Place = undivided,
    *,
    tell: Tell = nobody,
) -> DeclaredBackends:
    """Return the backends that are declared in a cluster; `home` is the operator's namespace."""
    makers: dict[str, Maker] = {
        "postgresql": partial(_postgresql, allowed),
        "oauth2": partial(_oauth2, clock, allowed),
        "serviceAccountToken": partial(_service_account, client),
        "awsAccessKey": partial(_aws, clock, allowed),
        "apiKey": partial(_api_key, clock, allowed),
        **dict.fromkeys(
            (kind for kind in KINDS if KINDS[kind].server == "vault"),
            partial(_vault, client, clock, allowed, Passes()),
        ),
    }
    declarations, turnstiles = KubeDeclarations(client, home), Turnstiles(time.monotonic)
    webhook = partial(_webhook, clock, allowed)
    return DeclaredBackends(
        declarations, KubeSecrets(client), makers, turnstiles, lead, place, tell=tell, webhook=webhook
    )


def _postgresql(allowed: Allowed, parts: Parts) -> Backend:
    from rekey.providers.postgresql import Postgresql  # noqa: PLC0415  8 MiB that only these credentials need
    from rekey.providers.postgresql.login import Place, Way  # noqa: PLC0415  as above

    server = parts.spec.postgresql
    if server is None:
        raise TypeError("no PostgreSQL server is declared")
    place = Place(server, parts.authority, Way(allowed, parts.namespace), parts.certificate)
    return Postgresql(place, parts.login, parts.seconds, _password)


def _oauth2(clock: Clock, allowed: Allowed, parts: Parts) -> Backend:
    from rekey.providers.http.roads import Roads  # noqa: PLC0415  as above
    from rekey.providers.oauth2.asking import Login  # noqa: PLC0415  as above
    from rekey.providers.oauth2.backend import Oauth2Backend  # noqa: PLC0415  as above

    server, asks = parts.spec.oauth2, parts.wanted.oauth2
    if server is None or asks is None:
        raise TypeError("no OAuth2 server is declared, or no token asked for")
    roads = Roads(allowed, parts.namespace, clock.now, parts.seconds)
    return Oauth2Backend(Login(server, parts.login, parts.authority, parts.certificate), roads, asks, parts.hears)


def _service_account(client: Client, parts: Parts) -> Backend:
    server = parts.spec.kubernetes
    if server is None:
        raise TypeError("no ServiceAccounts are declared")
    return AccountTokens(client, server, parts.namespace)


def _aws(clock: Clock, allowed: Allowed, parts: Parts) -> Backend:
    from rekey.providers.aws.asking import Account, Keys  # noqa: PLC0415  as above
    from rekey.providers.aws.backend import AwsAccessKeys  # noqa: PLC0415  as above

    server, asks = parts.spec.aws, parts.wanted.aws_access_key
    if server is None or asks is None:
        raise TypeError("no AWS account is declared, or no access key asked for")
    account = Account(server, parts.authority, allowed, parts.namespace, clock.now, parts.seconds)
    return AwsAccessKeys(account, Keys(parts.login), asks.user_name, clock.now)


def _api_key(clock: Clock, allowed: Allowed, parts: Parts) -> Backend:
    from rekey.providers.api_key.asking import Account  # noqa: PLC0415  as above
    from rekey.providers.api_key.backend import ApiKeyBackend  # noqa: PLC0415  as above
    from rekey.providers.http.roads import Roads  # noqa: PLC0415  as above

    server = parts.spec.api_key
    if server is None:
        raise TypeError("no service that makes keys is declared")
    account = Account(server, parts.login, parts.authority, parts.certificate)
    roads = Roads(allowed, parts.namespace, clock.now, parts.seconds)
    return ApiKeyBackend(account, roads, parts.namespace, parts.hears)


def _webhook(clock: Clock, allowed: Allowed, namespace: str, found: Reached) -> Sender:
    from rekey.providers.http.roads import Roads  # noqa: PLC0415  as above
    from rekey.providers.webhook import Webhook  # noqa: PLC0415  as above

    server = found.declared.spec.webhook
    if server is None:
        raise TypeError("no webhook is declared")
    roads = Roads(allowed, namespace, clock.now, found.seconds)
    return Webhook(server, found.login, found.authority, roads, found.certificate)


def _vault(client: Client, clock: Clock, allowed: Allowed, passes: Passes, parts: Parts) -> Backend:
    server, ref = vault_server(parts), parts.wanted.ref
    known = passes.of((parts.home, ref.kind, ref.name), server, parts.login)
    return _at_vault(vault_of(client, clock, allowed, known, parts), server.token_role, parts.wanted)


def vault_server(parts: Parts) -> VaultServer:
    """Return what is declared of the server."""
    if parts.spec.vault is None:
        raise TypeError("no Vault server is declared")
    return parts.spec.vault


def vault_of(client: Client, clock: Clock, allowed: Allowed, known: Pass, parts: Parts) -> Vault:
    """Return the Vault server that is declared, and us logged in there."""
    from rekey.providers.http.roads import Roads  # noqa: PLC0415  as above
    from rekey.providers.vault.login import Login, Vault  # noqa: PLC0415  as above
    from rekey.providers.vault.road import Road  # noqa: PLC0415  as above

    server = vault_server(parts)
    account = server.auth.kubernetes

    async def who() -> str:
        if account is None:
            raise TypeError("no ServiceAccount is named")
        return await identity(client, parts.home, account.service_account_name, account.audience)

    road = Road(server, parts.authority, Roads(allowed, parts.namespace, clock.now, parts.seconds), parts.certificate)
    return Vault(road, Login(server, parts.login, who), known, parts.hears)


def _at_vault(vault: Vault, token_role: str | None, wanted: Provide) -> Backend:
    if wanted.vault_kv is not None:
        from rekey.providers.vault.kv import VaultKv  # noqa: PLC0415  as above

        return VaultKv(vault, wanted.vault_kv, _password)
    if wanted.vault_app_role is not None:
        from rekey.providers.vault.approle import VaultSecretIds  # noqa: PLC0415  as above

        return VaultSecretIds(vault, wanted.vault_app_role)
    if wanted.vault_pki is not None:
        from rekey.providers.vault.pki import VaultPki  # noqa: PLC0415  as above, cryptography

        return VaultPki(vault, wanted.vault_pki)
    if wanted.vault_database is not None:
        from rekey.providers.vault.database import VaultLeases  # noqa: PLC0415  as above

        return VaultLeases(vault, wanted.vault_database, token_role)
    raise TypeError(f"Vault has no {wanted.kind}")


def _password() -> Material:
    return values.password(Password()).material
