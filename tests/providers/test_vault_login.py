"""How we are logged in at a real Vault server: one token for all, renewed, got anew, and what if it is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.providers.vault.passes import Passes
from tests.providers.test_vault_conformance import KvBench
from tests.providers.vault import Door, RealVault, Wire, by_token, now, refused, run
from tests.sim.conformance_of_backends import OURS, held

pytestmark = pytest.mark.xdist_group("vault")


def logins(wire: Wire) -> list[str]:
    """Return the requests that were about our being logged in."""
    return [
        one.removeprefix("POST ").removeprefix("GET ").removeprefix("/v1/auth/")
        for one in wire.asked
        if "/v1/auth/" in one
    ]


def test_a_token_is_got_once_and_renewed(vault: RealVault) -> None:
    """For all calls of a provider; renewed when two thirds of its life are over, and got anew when it is refused."""

    async def scene() -> None:
        bench, wire, passes, ahead = KvBench(vault), Wire(), Passes(), [timedelta(0)]
        door = replace(vault.door, road=wire.road, passes=passes, now=lambda: now() + ahead[0])
        for _ in range(3):
            await door.adapter(bench.wanted).find(OURS)
        assert logins(wire) == ["approle/login"]
        ahead[0] = timedelta(minutes=45)
        await door.adapter(bench.wanted).find(OURS)
        assert logins(wire) == ["approle/login", "token/renew-self"]
        (known,) = passes._known.values()
        assert known.token is not None
        vault.root.auth.token.revoke(known.token.value)
        await door.adapter(bench.wanted).find(OURS)
        assert logins(wire) == ["approle/login", "token/renew-self", "approle/login"]
        other = replace(door, secret=vault.pair())
        await other.adapter(bench.wanted).find(OURS)
        assert logins(wire)[3:] == ["approle/login"]

    run(scene())


def test_many_at_once_log_in_once(vault: RealVault) -> None:
    """Whoever comes second waits for the first, also when the token of both is refused."""

    async def scene() -> None:
        bench, wire, passes = KvBench(vault), Wire(), Passes()
        adapter = replace(vault.door, road=wire.road, passes=passes).adapter(bench.wanted)
        await asyncio.gather(*(adapter.find(OURS) for _ in range(20)))
        (known,) = passes._known.values()
        assert known.token is not None
        vault.root.auth.token.revoke(known.token.value)
        await asyncio.gather(*(adapter.find(OURS) for _ in range(20)))
        assert logins(wire) == ["approle/login"] * 2

    run(scene())


def test_a_token_that_a_person_made(vault: RealVault) -> None:
    """It is asked how long it lives, and renewed; revoked, it is that person's to mend."""

    async def scene() -> None:
        bench, wire = KvBench(vault), Wire()
        ahead = [timedelta(0)]
        door = replace(by_token(vault, ttl="1h"), road=wire.road, now=lambda: now() + ahead[0])
        one = await door.adapter(bench.wanted).issue(bench.intent(), bench.made(bench.intent()))
        ahead[0] = timedelta(minutes=45)
        await door.adapter(bench.wanted).prove(held(bench.intent(), one))
        assert logins(wire) == ["token/lookup-self", "token/renew-self"]
        vault.root.auth.token.revoke(door.secret.reveal()["token"].decode())
        reason, words = await refused(door.adapter(bench.wanted).find(OURS))
        assert (reason, "Secret login" in words) == (Reason.NEEDS_REAUTH, True)

    run(scene())


def test_a_right_that_is_missing(vault: RealVault) -> None:
    """It is told from a log-in that is refused, as the token is asked once more whether it is good."""

    async def scene() -> None:
        bench, wire = KvBench(vault), Wire()
        door = by_token(vault, 'path "secret/metadata/*" { capabilities = ["read"] }')
        reason, words = await refused(wire.of(bench.wanted, door).issue(bench.intent(), bench.made(bench.intent())))
        assert (reason, "no policy" in words) == (Reason.BACKEND_REFUSED, True)
        assert logins(wire) == ["token/lookup-self"] * 2
        assert bench.things() == []

    run(scene())


def test_a_log_in_as_a_service_account(vault: RealVault) -> None:
    """Its token is shown, good for the audience; one for another audience is refused."""
    key = generate_private_key(SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    # This build has no auth method of Kubernetes': the one for JWTs takes the same request.
    vault.root.sys.enable_auth_method("jwt", path="cluster")
    vault.root.auth.jwt.configure(jwt_validation_pubkeys=[public], path="cluster")
    more = {"token_policies": ["rekey"], "path": "cluster", "bound_audiences": ["vault"]}
    vault.root.auth.jwt.create_role("rekey", "sub", [], role_type="jwt", **more)

    def door(audience: str) -> Door:
        async def who() -> str:
            at = int(now().timestamp())
            claims = {"sub": "system:serviceaccount:rekey:vault", "aud": audience, "nbf": at - 60, "exp": at + 600}
            return jwt.encode({"alg": "ES256"}, claims, ECKey.import_key(key))

        auth = {"kubernetes": {"mount": "cluster", "role": "rekey", "serviceAccountName": "vault"}}
        return replace(vault.door, secret=Material({}), auth=auth, identity=who, passes=Passes())

    async def scene() -> None:
        bench = KvBench(vault)
        assert await door("vault").adapter(bench.wanted).find(OURS) == ()
        reason, _ = await refused(door("somebody").adapter(bench.wanted).find(OURS))
        assert reason == Reason.NEEDS_REAUTH

    run(scene())
