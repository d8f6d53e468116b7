"""Tokens of ServiceAccounts: made and proved by a real API server, and only where it was declared that they may be."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_provide import Provide
from rekey.core.spec_service_account import KubernetesServer
from rekey.errors import Forbidden, NotAccepted, Rejected, RekeyError, Retryable
from rekey.kube.account_tokens import AccountTokens
from rekey.kube.api import CREATE, DELETE, SECRETS, SERVICE_ACCOUNTS
from rekey.kube.client import Client
from rekey.ports.backend import Claim, Granted, Held, Intent
from tests.kube.answering import always, answering, status
from tests.kube.stage import KubeStage
from tests.sim.conformance_of_backends import everything
from tests.sim.stage import Play, Stage

SERVER = KubernetesServer.model_validate({"serviceAccounts": ["default", "gone"]})
CLAIM = Claim("uid-1", "orders", "api", 1)
REVIEW = {"authenticated": True, "user": {"username": "system:serviceaccount:orders:default"}}


def wanted(account: str = "default", **more: Any) -> Provide:
    """Return what a credential asks for."""
    return Provide.model_validate(
        {"ref": {"name": "here"}, "serviceAccountToken": {"serviceAccountName": account, **more}}
    )


def intent(asks: Provide) -> Intent:
    """Return a version to make."""
    return Intent(CLAIM, asks, datetime.now(UTC))


def held(asks: Provide, granted: Granted) -> Held:
    """Return a version as it is stored."""
    return Held(CLAIM, asks, material=granted.material)


@pytest.mark.kube
def test_made_and_proved(play: Play) -> None:
    """It is accepted for its audience, as that account, until about the time that was asked for; another is not."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        backend, asks = AccountTokens(stage.client, SERVER, stage.namespace), wanted(audiences=["vault"])
        one = await backend.issue(intent(asks), None)
        await backend.prove(held(asks, one))
        assert one.expires is not None
        assert abs(one.expires - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=5)
        assert one.material.keys() == ("token",)
        for other in (wanted(audiences=["bank"]), wanted("gone", audiences=["vault"]), wanted()):
            with pytest.raises(NotAccepted) as refused:
                await backend.prove(held(other, one))
            assert one.material.reveal()["token"].decode() not in everything(refused.value)
        mangled = Material({"token": one.material.reveal()["token"][:-4] + b"AAAA"})
        with pytest.raises(NotAccepted):
            await backend.prove(replace(held(asks, one), material=mangled))
        with pytest.raises(NotAccepted, match="is gone"):
            await backend.prove(Held(CLAIM, asks))

    play(scene)


@pytest.mark.kube
def test_of_no_account(play: Play) -> None:
    """Only what the provider names is asked for; a missing account is named, and its tokens end with it."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        backend = AccountTokens(stage.client, SERVER, stage.namespace)
        for account, reason in (("other", Reason.PROVIDER_NOT_ALLOWED), ("gone", Reason.BACKEND_REFUSED)):
            with pytest.raises(Rejected, match=account) as refused:
                await backend.issue(intent(wanted(account)), None)
            assert refused.value.reason == reason
        one = await backend.issue(intent(wanted()), None)
        await stage.client.request(DELETE, SERVICE_ACCOUNTS.one(stage.namespace, "default"))
        async with asyncio.timeout(60):
            while await accepted(backend, held(wanted(), one)):  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.05)

    play(scene)


async def accepted(backend: AccountTokens, one: Held) -> bool:
    """Say whether a token is accepted now."""
    try:
        await backend.prove(one)
    except NotAccepted:
        return False
    return True


@pytest.mark.kube
def test_why_it_is_bound_to_no_secret(play: Play) -> None:
    """A token can be bound to a Secret that is there, and not to one that is yet to hold it."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        path = SERVICE_ACCOUNTS.one(stage.namespace, "default", "token")
        bound = {"apiVersion": "v1", "kind": "Secret", "name": "orders-v1"}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
        with pytest.raises(RekeyError):
            await stage.client.request(CREATE, path, body=body)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "orders-v1"}}
        await stage.client.request(CREATE, SECRETS.all(stage.namespace), body=secret)
        found = await stage.client.request(CREATE, path, body=body)
        one = Held(CLAIM, wanted(), material=Material({"token": found["status"]["token"].encode()}))
        backend = AccountTokens(stage.client, SERVER, stage.namespace)
        await backend.prove(one)
        await stage.client.request(DELETE, SECRETS.one(stage.namespace, "orders-v1"))
        async with asyncio.timeout(60):
            while await accepted(backend, one):  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.05)

    play(scene)


TROUBLE: dict[str, tuple[int, dict[str, Any], type[RekeyError]]] = {
    "a right that is missing is named": (403, status("Forbidden"), Forbidden),
    "a busy API server is asked again": (429, status("TooManyRequests"), Retryable),
    "one that fails is asked again": (500, status("InternalError"), Retryable),
    "a life that it does not give": (422, status("Invalid"), Rejected),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_trouble(case: str) -> None:
    """What the API server answers instead of a token, or of a review, means what it means everywhere."""
    code, answer, meant = TROUBLE[case]

    async def scene() -> None:
        async with answering(always(code, answer)) as server, Client(server.access()) as client:
            backend = AccountTokens(client, SERVER, "orders")
            with pytest.raises(meant):
                await backend.issue(intent(wanted()), None)
            with pytest.raises(meant):
                await backend.prove(Held(CLAIM, wanted(), material=Material({"token": b"canary"})))

    asyncio.run(scene())


REVIEWS: dict[str, tuple[dict[str, Any], bool]] = {
    "the account itself": (REVIEW, True),
    "another account": (REVIEW | {"user": {"username": "system:serviceaccount:orders:other"}}, False),
    "nobody, with an error that quotes": ({"error": "canary is no token"}, False),
    "an answer that says nothing": ({}, False),
}


@pytest.mark.parametrize("case", REVIEWS)
def test_reviews(case: str) -> None:
    """Only a review that names the account proves a token, and nothing of it is repeated."""
    found, good = REVIEWS[case]

    async def scene() -> None:
        async with answering(always(201, {"status": found})) as server, Client(server.access()) as client:
            backend = AccountTokens(client, SERVER, "orders")
            one = Held(CLAIM, wanted(), material=Material({"token": b"canary"}))
            if good:
                await backend.prove(one)
                return
            with pytest.raises(NotAccepted) as refused:
                await backend.prove(one)
            assert "canary" not in everything(refused.value)

    asyncio.run(scene())
