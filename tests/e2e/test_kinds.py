"""One rotation of every kind on a real API server, read back by libraries and tools of another make."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from rekey.core.material import Material
from rekey.core.spec_generate import KEYS
from tests.e2e.history import recording
from tests.e2e.manifests import credential
from tests.e2e.stage import Stage
from tests.providers.making import files, tool

pytestmark = pytest.mark.kube

SHOP = {"commonName": "shop", "dnsNames": ["shop.test"]}
LIFE = {"lifetime": "1440h"}
KINDS: dict[str, dict[str, Any]] = {
    "password": {},
    "token": {},
    "hmac-key": {"hmacKey": {"encoding": "Hex"}},
    "signing-key": {"signingKey": {"algorithm": "EdDSA"}},
    "signing-key-rsa": {"signingKey": {"algorithm": "PS256", "bits": 2048}},
    "ssh-key": {"sshKey": {"comment": "e2e"}},
    "ssh-key-rsa": {"sshKey": {"type": "rsa"}},
    "certificate": {"certificate": SHOP},
    "certificate-tls": {"certificate": {**SHOP, "algorithm": "RS256", "bits": 2048}},
}
TYPES = {"certificate-tls": "kubernetes.io/tls", "ssh-key-rsa": "kubernetes.io/ssh-auth"}


@pytest.mark.parametrize("name", KINDS)
def test_a_rotation_of_each_kind(stage: Stage, name: str) -> None:
    """Both versions are shown whole, then the old one goes; when each ends is on record; no more is shown than told."""
    generate = KINDS[name] or {name: {}}
    (kind,) = generate
    target = {"target": {"type": TYPES[name]}} if name in TYPES else {}
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(credential(name, generate=generate, rotation=LIFE, **target))
        stage.until_states(name, {1: "Active"})
        first = stage.held(name)
        stage.trigger(name)
        stage.until_states(name, {1: "Revoked", 2: "Active"})
        bundles = [decoded(one.body["data"]) for one in recorder.history().of("secrets", name) if not one.gone]
    both = next(one for one in bundles if "previous.version" in one)
    _judge_both(first, both, KEYS[kind])
    assert both.items() >= {key: stage.held(f"{name}-v2")[key] for key in KEYS[kind]}.items()
    assert [key for one in bundles for key in one if "issuer" in key] == []
    assert all("expirationTime" in one for one in stage.status(name)["versions"])
    stored = stage.get("secrets", f"{name}-v2")
    assert stored is not None
    notes = {key.removeprefix("rekey.dev/") for key in stored["metadata"]["annotations"]}
    assert notes >= PUBLIC.get(kind, set())


PUBLIC = {
    "token": {"token-id"},
    "signingKey": {"kid"},
    "sshKey": {"fingerprint"},
    "certificate": {"serial", "fingerprint", "authority"},
}


def decoded(data: dict[str, str]) -> dict[str, bytes]:
    """Return what the data of a Secret stands for."""
    return {key: b64decode(text) for key, text in data.items()}


def _judge_both(first: dict[str, bytes], both: dict[str, bytes], keys: tuple[str, ...]) -> None:
    """The bundle shows the old version as it was, a new one of other secrets, and nothing else."""
    assert set(both) == {*keys, *(f"previous.{key}" for key in keys), "version", "previous.version"}
    assert {key: both[f"previous.{key}"] for key in keys} == {key: first[key] for key in keys}
    assert both[keys[0]] != first[keys[0]]


def test_what_is_signed_by_either_version_verifies(stage: Stage) -> None:
    """During the overlap a verifier that knows both public keys reads tokens of both."""
    rotation = {"overlap": {"duration": "1h"}}
    stage.apply(credential("login", generate={"signingKey": {}}, **rotation))
    stage.until_states("login", {1: "Active"})
    old = stage.held("login")
    token = jwt.encode({"sub": "a"}, old["private.pem"], "ES256", headers={"kid": old["kid"].decode()})
    stage.trigger("login")
    stage.until(lambda: "previous.kid" in stage.held("login"), "both keys")
    both = stage.held("login")
    known = {both[f"{half}kid"].decode(): both[f"{half}public.pem"] for half in ("", "previous.")}
    assert jwt.decode(token, known[jwt.get_unverified_header(token)["kid"]], ["ES256"]) == {"sub": "a"}
    newer = jwt.encode({"sub": "b"}, both["private.pem"], "ES256", headers={"kid": both["kid"].decode()})
    assert jwt.decode(newer, known[jwt.get_unverified_header(newer)["kid"]], ["ES256"]) == {"sub": "b"}


def test_an_authority_that_ends_is_followed_by_another(stage: Stage, tmp_path: Path) -> None:
    """Every certificate verifies by the authority beside it; the last in the life of an authority is not too long."""
    rules = {"certificate": {**SHOP, "caLifetime": "1440h"}}
    stage.apply(credential("short", generate=rules, rotation=LIFE))
    authorities = []
    for number in (1, 2):
        if number > 1:
            # Both ends are known in seconds: in the same second the first authority would outlive the second leaf, too.
            issued = datetime.fromisoformat(stage.status("short")["versions"][0]["issuedTime"])
            stage.until(lambda: datetime.now(UTC) > issued + timedelta(seconds=2), "another second")  # noqa: B023
            stage.trigger("short")
        stage.until(lambda: stage.data(f"short-v{number}"), f"version {number}")  # noqa: B023  # it is asked at once
        folder = files(tmp_path / str(number), Material(stage.held(f"short-v{number}")))
        strict = ("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "shop.test")
        assert tool("openssl", *strict, "-CAfile", folder / "ca.crt", folder / "tls.crt").endswith(": OK\n")
        authorities.append((folder / "ca.crt").read_bytes())
    assert authorities[0] != authorities[1]
