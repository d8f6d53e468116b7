"""JWTs: made by PyJWT and checked by the kit, and the other way round."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest

from rekey_client import Clock, Reason
from rekey_client.signing import Claims, Signed
from tests.kit.mount import Mount
from tests.kit.values import NOW, Signing, Time, at, jwks
from tests.kit.world import World

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
KEY = Signing()
I = int(NOW)  # noqa: E741  the instant, in tables

CLAIMS: dict[str, tuple[dict[str, Any], Reason]] = {
    "all is well": ({}, Reason.ACCEPTED),
    "expired 29 seconds ago": ({"exp": I - 29}, Reason.ACCEPTED),
    "expired 30 seconds ago": ({"exp": I - 30}, Reason.EXPIRED),
    "valid in 30 seconds": ({"nbf": I + 30}, Reason.ACCEPTED),
    "valid in 31 seconds": ({"nbf": I + 31}, Reason.NOT_YET_VALID),
    "issued in 30 seconds": ({"iat": I + 30}, Reason.ACCEPTED),
    "issued in 31 seconds": ({"iat": I + 31}, Reason.NOT_YET_VALID),
    "a fraction of a second": ({"exp": I - 29.5}, Reason.ACCEPTED),
    "no time of issue": ({"iat": None}, Reason.ACCEPTED),
    "never expires": ({"exp": None}, Reason.MALFORMED),
    "expires in some 10^300 years": ({"exp": 1e308}, Reason.ACCEPTED),
    "for several services": ({"aud": ["web", "api"]}, Reason.ACCEPTED),
    "for another service": ({"aud": "web"}, Reason.WRONG_AUDIENCE),
    "for a service whose name begins like ours": ({"aud": "api2"}, Reason.WRONG_AUDIENCE),
    "for nobody": ({"aud": None}, Reason.WRONG_AUDIENCE),
    "for a number": ({"aud": 7}, Reason.WRONG_AUDIENCE),
    "scopes in a list": ({"scope": None, "scp": ["read", "write"]}, Reason.ACCEPTED),
    "scopes in a text": ({"scope": "write read"}, Reason.ACCEPTED),
    "another scope": ({"scope": "reader"}, Reason.INSUFFICIENT_SCOPE),
    "no scope": ({"scope": None}, Reason.INSUFFICIENT_SCOPE),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claims_decide(name: str, tmp_path: Path) -> None:
    """A token of PyJWT for the scope `read` at the service `api` comes to what its claims say."""
    claims, reason = CLAIMS[name]
    world = World.of(tmp_path, jwks((KEY, KEY.row())))
    assert world.reason(f"Bearer {KEY.sign(**claims)}", "read") is reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pyjwt_signs_and_the_kit_verifies(algorithm: str, tmp_path: Path) -> None:
    """Every algorithm that Rekey makes keys for is understood."""
    key, other = Signing(algorithm), Signing(algorithm, 1)
    world = World.of(tmp_path, jwks((key, key.row(3))))
    found = world.ask(f"Bearer {key.sign(sub='job-7')}")
    assert (found.reason, found.identity and found.identity.subject) == (Reason.ACCEPTED, "job-7")
    forged = pyjwt.encode({"exp": I + 60, "aud": "api"}, other.key, algorithm, headers={"kid": key.kid})
    assert world.reason(f"Bearer {forged}") is Reason.INVALID


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_kit_signs_and_pyjwt_verifies(algorithm: str, tmp_path: Path) -> None:
    """Header and claims are what another make expects."""
    key, clock = Signing(algorithm), Clock()
    claims = Claims(audience="api", scopes=("read", "write"), subject="job", issuer="orders", lifetime=120)
    signed = Signed(Mount(tmp_path / "bundle", key.bundle(4)).path, claims, clock=clock)
    token = signed.header().value.reveal().removeprefix("Bearer ")
    assert pyjwt.get_unverified_header(token) == {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    found = pyjwt.decode(token, key.public_pem, [algorithm], audience="api", issuer="orders")
    assert (found["sub"], found["scope"], found["exp"] - found["iat"]) == ("job", "read write", 120)


def test_a_key_gives_no_more_than_it_has(tmp_path: Path) -> None:
    """Scopes of the token count only as far as the key's entry has them."""
    world = World.of(tmp_path, jwks((KEY, KEY.row(scopes=["read"]))))
    found = world.ask(f"Bearer {KEY.sign(scope='read admin')}", "read")
    assert found.identity is not None
    assert found.identity.scopes == frozenset({"read"})
    assert world.reason(f"Bearer {KEY.sign(scope='read admin')}", "admin") is Reason.INSUFFICIENT_SCOPE


LIMITS: dict[str, tuple[dict[str, Any], Reason]] = {
    "a key that expired 29 seconds ago": ({"expires": at(-29)}, Reason.ACCEPTED),
    "a key that expired 30 seconds ago": ({"expires": at(-30)}, Reason.EXPIRED),
    "a key for another service": ({"audience": ["web"]}, Reason.WRONG_AUDIENCE),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_of_the_key_hold(name: str, tmp_path: Path) -> None:
    """A token that is well by itself comes to what the entry of its key says."""
    more, reason = LIMITS[name]
    assert World.of(tmp_path, jwks((KEY, KEY.row(**more)))).reason(f"Bearer {KEY.sign()}") is reason


def test_a_service_without_a_name_takes_only_tokens_for_anyone(tmp_path: Path) -> None:
    """RFC 7519: who does not find itself in `aud` must refuse."""
    world = World.of(tmp_path, jwks((KEY, KEY.row())), audience=None)
    assert world.reason(f"Bearer {KEY.sign(aud=None)}") is Reason.ACCEPTED
    assert world.reason(f"Bearer {KEY.sign()}") is Reason.WRONG_AUDIENCE


def test_a_token_of_a_key_that_is_gone_is_revoked(tmp_path: Path) -> None:
    """Whoever shows the true signature is told; a forged one with the same kid is unknown."""
    fresh = Signing(number=1)
    world = World.of(tmp_path, jwks((KEY, KEY.row(1)), (fresh, fresh.row(2))))
    assert world.reason(f"Bearer {KEY.sign()}") is Reason.ACCEPTED
    world.deliver(jwks((fresh, fresh.row(2))))
    assert world.reason(f"Bearer {KEY.sign()}") is Reason.REVOKED
    assert world.reason(f"Bearer {fresh.sign({'kid': KEY.kid})}") is Reason.UNKNOWN
    assert world.reason(f"Bearer {fresh.sign()}") is Reason.ACCEPTED


def test_a_key_ring_of_hmac_keys_verifies_hs256(tmp_path: Path) -> None:
    """With `format: HMAC` the keys are those of keyring.json."""
    secret = b"s" * 32
    ring = {
        "keys": [{"kty": "oct", "kid": "abcd", "k": urlsafe_b64encode(secret).decode().rstrip("="), "alg": "HS256"}]
    }
    entry = {"credential": "shop/hooks", "version": 1, "status": "current", "client": "hooks", "id": "abcd"}
    verifier = {"format": "HMAC", "entries": [entry]}
    files = {"verifier.json": json.dumps(verifier).encode(), "keyring.json": json.dumps(ring).encode()}
    world = World.of(tmp_path, files)
    claims = {"exp": I + 60, "aud": "api"}
    assert world.reason("Bearer " + pyjwt.encode(claims, secret, headers={"kid": "abcd"})) is Reason.ACCEPTED
    assert world.reason("Bearer " + pyjwt.encode(claims, b"t" * 32, headers={"kid": "abcd"})) is Reason.INVALID


def _signed(tmp_path: Path, lifetime: int, **options: Any) -> tuple[Signed, Mount, Time]:
    time = Time()
    mount = Mount(tmp_path / "bundle", KEY.bundle(1))
    return Signed(mount.path, Claims("api", lifetime=lifetime), clock=time.clock, **options), mount, time


AGES = {
    "an hour's token after 49 minutes 59 less the jitter": (3600, 3600 - 660 - 1, False),
    "an hour's token ten minutes before it expires": (3600, 3000, True),
    "five minutes' token before its half": (300, 150 - 15 - 1, False),
    "five minutes' token at its half": (300, 150, True),
}


@pytest.mark.parametrize("name", AGES)
def test_a_signed_token_is_renewed_in_time(name: str, tmp_path: Path) -> None:
    """Ten minutes before it expires, or half its lifetime, up to a tenth of that earlier."""
    lifetime, age, renewed = AGES[name]
    signed, _, time = _signed(tmp_path, lifetime)
    first = signed.header()
    time.pass_(age)
    assert (signed.header() != first) is renewed


def test_a_signed_token_follows_its_key(tmp_path: Path) -> None:
    """Another version in the bundle is used at the next look, whatever the age of the token."""
    signed, mount, time = _signed(tmp_path, 3600)
    assert signed.header().version == "1"
    mount.write(Signing(number=1).bundle(2))
    time.pass_(0.5)
    assert signed.header().version == "2"


def test_by_hand_nothing_happens_by_itself(tmp_path: Path) -> None:
    """With mode manual neither age nor a new version counts until `reload`."""
    signed, mount, time = _signed(tmp_path, 300, mode="manual")
    first = signed.header()
    mount.write(Signing(number=1).bundle(2))
    time.pass_(10_000)
    assert signed.header() == first
    assert signed.other_than("1") is None
    signed.reload()
    assert signed.header().version == "2"
