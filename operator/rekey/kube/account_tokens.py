"""Tokens of ServiceAccounts as a backend: made by the API server (TokenRequest), and proved there (TokenReview).

1. Only ServiceAccounts of the credential's own namespace that the provider names are asked for.
2. A token is bound to its ServiceAccount only. It could be bound to a Secret, with which it would end; but that must
   exist before the token does, and a version's Secret holds the token. So nothing revokes it: it ends by itself, soon.
3. A token whose answer was lost was given to nobody, and ends by itself, too.
"""

from __future__ import annotations

from typing import Final

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_provide import Provide
from rekey.core.spec_service_account import KubernetesServer, ServiceAccountToken
from rekey.errors import NotAccepted, NotFound, Rejected
from rekey.kube.api import CREATE, SERVICE_ACCOUNTS, Path
from rekey.kube.client import Client
from rekey.kube.identities import GROUP, requested
from rekey.kube.objects import instant
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits

_REVIEWS: Final = Path(f"/apis/{GROUP}/tokenreviews", "tokenreviews")


class AccountTokens:
    """The port over the API server, for one namespace."""

    traits = Traits(makes_value=True, listable=False)

    def __init__(self, client: Client, server: KubernetesServer, namespace: str) -> None:
        self._client = client
        self._server = server
        self._namespace = namespace

    def make(self, intent: Intent) -> Material:
        """Never asked: the API server makes its tokens itself."""
        raise TypeError(f"the API server makes the value of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Request a token; see the port."""
        del material
        asks = self._asks(intent.wanted)
        name = asks.service_account_name
        if name not in self._server.service_accounts:
            why = f"the provider does not name ServiceAccount {name}: an administrator adds it to `serviceAccounts`"
            raise Rejected(Reason.PROVIDER_NOT_ALLOWED, why)
        account, seconds = SERVICE_ACCOUNTS.one(self._namespace, name, "token"), int(asks.expiration.total_seconds())
        try:
            status = await requested(self._client, account, asks.audiences, seconds)
        except NotFound as error:
            why = f"there is no ServiceAccount {name} in namespace {self._namespace}: create it"
            raise Rejected(Reason.BACKEND_REFUSED, why) from error
        return Granted(Material({"token": status["token"].encode()}), expires=instant(status["expirationTimestamp"]))

    async def prove(self, held: Held) -> None:
        """Have the API server review the token; see the port."""
        asks, about = self._asks(held.wanted), f"the token of version {held.claim.number}"
        if held.material is None:
            raise NotAccepted(f"{about} is gone")
        spec = {"token": held.material.reveal()["token"].decode(), "audiences": list(asks.audiences)}
        body = {"apiVersion": GROUP, "kind": "TokenReview", "spec": spec}
        status = (await self._client.request(CREATE, _REVIEWS, body=body)).get("status") or {}
        who = f"system:serviceaccount:{self._namespace}:{asks.service_account_name}"
        if not status.get("authenticated"):
            raise NotAccepted(f"the API server does not accept {about}")
        if (status.get("user") or {}).get("username") != who:
            raise NotAccepted(f"{about} is not one of {who}")

    async def revoke(self, held: Held) -> None:
        """Do nothing: it ends by itself."""
        del held

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return nothing: tokens cannot be listed."""
        del owner
        return ()

    def _asks(self, wanted: Provide) -> ServiceAccountToken:
        if wanted.service_account_token is None:
            raise ValueError("not a token of a ServiceAccount")
        return wanted.service_account_token
