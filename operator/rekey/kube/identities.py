"""Tokens of ServiceAccounts by which we log in elsewhere: short, and good for one audience (TokenRequest)."""

from __future__ import annotations

from rekey.core.reasons import Reason
from rekey.errors import NotFound, Rejected
from rekey.kube.api import CREATE, SERVICE_ACCOUNTS, Path
from rekey.kube.client import Client

_SECONDS = 600
"""The shortest life that the API server gives."""


async def identity(client: Client, namespace: str, account: str, audience: str) -> str:
    """Return a token of that ServiceAccount for that audience.

    Raises:
        Rejected: there is no such ServiceAccount.
        RekeyError: the API server refuses, or is away.
    """
    one = SERVICE_ACCOUNTS.one(namespace, account, "token")
    spec = {"audiences": [audience], "expirationSeconds": _SECONDS}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    try:
        # It changes nothing there, so it is no question of who leads in that namespace.
        found = await client.request(CREATE, Path(one.url, one.resource), body=body)
    except NotFound as error:
        text = f"there is no ServiceAccount {account} in namespace {namespace}: create it, or name another"
        raise Rejected(Reason.PROVIDER_NOT_READY, text) from error
    return str(found["status"]["token"])
