"""Tokens of ServiceAccounts (TokenRequest); those by which we log in elsewhere are short, and for one audience."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rekey.core.reasons import Reason
from rekey.errors import NotFound, Rejected
from rekey.kube.api import CREATE, SERVICE_ACCOUNTS, Path
from rekey.kube.client import Client

GROUP: Final = "authentication.k8s.io/v1"
_SECONDS: Final = 600
"""The shortest life that the API server gives."""


async def requested(client: Client, path: Path, audiences: Iterable[str], seconds: int) -> dict[str, Any]:
    """Return what the API server says of a token that it made: the status of a TokenRequest.

    Raises:
        NotFound: there is no such ServiceAccount.
        RekeyError: the API server refuses, or is away.
    """
    spec = {"audiences": list(audiences), "expirationSeconds": seconds}
    found = await client.request(CREATE, path, body={"apiVersion": GROUP, "kind": "TokenRequest", "spec": spec})
    status: dict[str, Any] = found["status"]
    return status


async def identity(client: Client, namespace: str, account: str, audience: str) -> str:
    """Return a token of that ServiceAccount for that audience.

    Raises:
        Rejected: there is no such ServiceAccount.
        RekeyError: the API server refuses, or is away.
    """
    one = SERVICE_ACCOUNTS.one(namespace, account, "token")
    try:
        # It changes nothing there, so it is no question of who leads in that namespace.
        status = await requested(client, Path(one.url, one.resource), [audience], _SECONDS)
    except NotFound as error:
        text = f"there is no ServiceAccount {account} in namespace {namespace}: create it, or name another"
        raise Rejected(Reason.PROVIDER_NOT_READY, text) from error
    return str(status["token"])
