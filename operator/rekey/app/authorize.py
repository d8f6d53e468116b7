"""The command `rekey authorize`: a person's consent goes into the Secret from which a credential is renewed.

1. It acts by the rights of who runs it, and asks for these first: nothing that a person did is lost for want of one.
2. The refresh token goes from the server's answer into the Secret: it is never printed, logged, or an argument.
"""

from __future__ import annotations

import asyncio
import json
import sys
import webbrowser
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from rekey.app.clock import SystemClock
from rekey.core.facts import Key
from rekey.core.material import Material
from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token
from rekey.core.spec_provide import Provide, ProviderKind
from rekey.errors import Conflict, NotFound, RekeyError, Retryable, Taken
from rekey.kube.api import CLUSTER_PROVIDERS, CREDENTIALS, PROVIDERS, SECRETS
from rekey.kube.client import Client
from rekey.kube.config import Access
from rekey.kube.credentials import KubeCredentials, Parser
from rekey.kube.declarations import KubeDeclarations
from rekey.kube.rights import Right, listed, missing
from rekey.kube.secrets import KubeSecrets
from rekey.ports.secrets import NewSecret, SecretChange, SecretView
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.authorizing import PATIENCE, granted, opened

TRIES: Final = 5
_PAUSE: Final = 1.0
_SECONDS: Final = 30.0


class CannotAuthorize(RekeyError):
    """Tell the person who asked why no consent can be got, and what to do."""


@dataclass(frozen=True, slots=True)
class How:
    """How a person wants it: `home` is the operator's namespace, where Secrets of providers for the cluster are."""

    home: str | None = None
    browser: bool = True
    port: int = 0
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Written:
    """What was done, without a value; `missing`: scopes that the server did not grant."""

    credential: str
    secret: str
    done: str
    missing: tuple[str, ...]


async def authorize(key: Key, access: Access, allowed: Allowed, how: How) -> Written:
    """Get a person's consent for a credential, and write what it gave into the Secret that the credential names.

    Raises:
        RekeyError: there is none, or it could not be written; the message says what to do.
    """
    async with Client(access) as client:
        wanted, asks, grant = await _credential(client, key)
        secrets = KubeSecrets(client)
        login = await _login(client, secrets, key, wanted, how.home)
        await _can_be_written(client, secrets, key.namespace, grant)
        roads = Roads(allowed, key.namespace, SystemClock().now, lambda: _SECONDS)
        async with opened(login, asks, how.port) as door:
            await _show(door.address, browser=how.browser)
            found = await granted(door, login, roads, asks, how.patience)
            done = await _written(secrets, key.namespace, grant, found.material)
        return Written(f"{key.namespace}/{key.name}", grant, done, found.missing)


async def _credential(client: Client, key: Key) -> tuple[Provide, Oauth2Token, str]:
    """Return what the credential asks for, and the name of the Secret with the consent."""
    await _demand(client, Right(CREDENTIALS.group, CREDENTIALS.plural, "get", key.namespace, key.name))
    found = await KubeCredentials(client, Parser()).read(key)
    if found is None:
        raise CannotAuthorize(f"there is no RotatedCredential {key.name} in namespace {key.namespace}")
    wanted = found.spec.provider
    oauth2 = wanted.oauth2 if wanted is not None else None
    if wanted is None or oauth2 is None or oauth2.grant_secret_name is None:
        raise CannotAuthorize(
            f"RotatedCredential {key.name} needs nobody's consent: spec.provider.oauth2.grantSecretName is not set"
        )
    return wanted, oauth2, oauth2.grant_secret_name


async def _login(client: Client, secrets: KubeSecrets, key: Key, wanted: Provide, home: str | None) -> Login:
    """Return where the server is, and us as its client."""
    ref = wanted.ref
    wide = ref.kind is ProviderKind.CLUSTER
    if wide and home is None:
        raise CannotAuthorize(f"{ref.kind} {ref.name} has its Secrets in the operator's namespace: name it by --home")
    plural = CLUSTER_PROVIDERS.plural if wide else PROVIDERS.plural
    await _demand(client, Right(PROVIDERS.group, plural, "get", "" if wide else key.namespace, ref.name))
    declared = await KubeDeclarations(client, home or key.namespace).read(key.namespace, ref)
    if declared is None:
        raise CannotAuthorize(f"there is no {ref.kind} {ref.name}: an administrator declares it")
    server: Oauth2Server | None = declared.spec.oauth2
    if server is None or server.authorization_url is None:
        raise CannotAuthorize(f"{ref.kind} {ref.name} needs spec.oauth2.authorizationUrl, where people authorize")
    names = (server.secret_name, server.ca_secret_name, server.certificate_secret_name)
    rights = [Right(SECRETS.group, SECRETS.plural, "get", declared.home, name) for name in names if name is not None]
    await _demand(client, *rights)
    found = [None if name is None else (await _read(secrets, declared.home, name)).material for name in names]
    return Login(server, found[0] or Material({}), *found[1:])


async def _read(secrets: KubeSecrets, namespace: str, name: str) -> SecretView:
    found = await secrets.read(namespace, name)
    if found is None:
        raise CannotAuthorize(f"there is no Secret {name} in namespace {namespace}, which the provider names")
    return found


async def _can_be_written(client: Client, secrets: KubeSecrets, namespace: str, name: str) -> None:
    """See that what a person is about to get can be kept."""
    await _demand(client, Right(SECRETS.group, SECRETS.plural, "get", namespace, name))
    found = await secrets.read(namespace, name)
    if found is None:
        await _demand(client, Right(SECRETS.group, SECRETS.plural, "create", namespace))
        return
    await _demand(client, Right(SECRETS.group, SECRETS.plural, "patch", namespace, name))
    if found.immutable:
        raise CannotAuthorize(f"Secret {name} of namespace {namespace} is immutable: delete it, and run this again")
    if found.owner is not None:
        raise CannotAuthorize(
            f"Secret {name} of namespace {namespace} is another controller's, which would undo what is written there: "
            "see its ownerReferences, or name another one in spec.provider.oauth2.grantSecretName"
        )


async def _demand(client: Client, *rights: Right) -> None:
    lacking: Iterable[Right] = await missing(client, rights)
    if lacking:
        raise CannotAuthorize(f"you lack rights: {listed(lacking)}; ask an administrator for them")


async def _show(address: str, *, browser: bool) -> None:
    """Lead the person to the server; what is printed is no result, so it goes where errors do."""
    sys.stderr.write(f"Log in and consent in the browser on this machine:\n\n{address}\n\n")
    sys.stderr.flush()
    if browser:
        await asyncio.to_thread(webbrowser.open, address)


async def _written(secrets: KubeSecrets, namespace: str, name: str, material: Material) -> str:
    """Write it, whoever wrote in between: the newest consent counts, and this one is not given away lightly."""
    for more in reversed(range(TRIES)):
        try:
            found = await secrets.read(namespace, name)
            if found is None:
                await secrets.create(namespace, NewSecret(name, material, owner=None, immutable=False))
                return "created"
            await secrets.change(namespace, name, SecretChange(found.uid, found.resource_version, material=material))
        except (Conflict, NotFound, Retryable, Taken) as error:
            if not more:
                text = f"Secret {name} of namespace {namespace} could not be written ({error}): run this again"
                raise CannotAuthorize(text) from error
            await asyncio.sleep(_PAUSE)
        else:
            return "replaced"
    raise AssertionError("the last try returns or raises")


def as_json(written: Written) -> str:
    """Return it for programs."""
    return json.dumps(asdict(written))


def as_text(written: Written) -> str:
    """Return it for people."""
    lines = [f"Secret {written.secret} was {written.done}: {written.credential} is renewed from it within a minute."]
    if written.missing:
        lines.append(f"The server did not grant: {' '.join(written.missing)}")
    return "\n".join(lines)
