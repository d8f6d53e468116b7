"""Every kind of backend that this program knows, put together: each is loaded when the first credential asks for it."""

from __future__ import annotations

import time
from functools import partial

from rekey.core.spec import Password
from rekey.kube.account_tokens import AccountTokens
from rekey.kube.client import Client
from rekey.kube.declarations import KubeDeclarations
from rekey.kube.secrets import KubeSecrets
from rekey.ports.backend import Backend
from rekey.ports.cluster import Clock
from rekey.ports.lead import Lead
from rekey.providers.backends import DeclaredBackends, Maker, Parts, Place, Reached, Sender, undivided
from rekey.providers.generated import values
from rekey.providers.health import Tell, nobody
from rekey.providers.http.allowed import Allowed
from rekey.providers.limits import Turnstiles


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
    }
    declarations, turnstiles = KubeDeclarations(client, home), Turnstiles(time.monotonic)
    webhook = partial(_webhook, clock, allowed)
    return DeclaredBackends(
        declarations, KubeSecrets(client), makers, turnstiles, lead, place, tell=tell, webhook=webhook
    )


def _postgresql(allowed: Allowed, parts: Parts) -> Backend:
    from rekey.providers.postgresql import Postgresql  # noqa: PLC0415  8 MiB that only these credentials need
    from rekey.providers.postgresql.login import Way  # noqa: PLC0415  as above

    server = parts.spec.postgresql
    if server is None:
        raise TypeError("no PostgreSQL server is declared")
    way = Way(allowed, parts.namespace)
    return Postgresql(
        server, parts.login, parts.authority, way, parts.seconds, lambda: values.password(Password()).material
    )


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
    from rekey.providers.aws.asking import Account, Keys  # noqa: PLC0415  36 MiB that only these credentials need
    from rekey.providers.aws.backend import AwsAccessKeys  # noqa: PLC0415  as above

    server, asks = parts.spec.aws, parts.wanted.aws_access_key
    if server is None or asks is None:
        raise TypeError("no AWS account is declared, or no access key asked for")
    account = Account(server, parts.authority, allowed, parts.namespace, parts.seconds)
    return AwsAccessKeys(account, Keys(parts.login), asks.user_name, clock.now)


def _api_key(clock: Clock, allowed: Allowed, parts: Parts) -> Backend:
    from rekey.providers.api_key.asking import Account  # noqa: PLC0415  as above
    from rekey.providers.api_key.backend import ApiKeyBackend  # noqa: PLC0415  as above
    from rekey.providers.http.roads import Roads  # noqa: PLC0415  as above

    server = parts.spec.api_key
    if server is None:
        raise TypeError("no service that makes keys is declared")
    roads = Roads(allowed, parts.namespace, clock.now, parts.seconds)
    return ApiKeyBackend(Account(server, parts.login, parts.authority), roads, parts.namespace, parts.hears)


def _webhook(clock: Clock, allowed: Allowed, namespace: str, found: Reached) -> Sender:
    from rekey.providers.webhook import Webhook  # noqa: PLC0415  as above

    server = found.declared.spec.webhook
    if server is None:
        raise TypeError("no webhook is declared")
    return Webhook(
        server,
        found.login,
        found.authority,
        namespace=namespace,
        allowed=allowed,
        now=clock.now,
        seconds=found.seconds,
    )
