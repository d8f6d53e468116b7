"""What verifiers are told of a version proves it, and is no part of the value."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwk, jws

from rekey.core import proof
from rekey.core.material import Material
from rekey.core.spec_verifier import Format
from rekey.errors import Rejected
from tests.providers.making import make

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EC = ec.generate_private_key(ec.SECP256R1())
SIGNERS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": EC,
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
SIGNERS["PS256"] = SIGNERS["RS256"]


def told(form: Format, **values: bytes) -> dict[str, Any]:
    """Return the proof of these values."""
    found = json.loads(proof.prove(form, Material(values)) or "null")
    assert isinstance(found, dict)
    return found


def pem(algorithm: str) -> bytes:
    """Return a public key as it stands in a bundle."""
    return bytes(SIGNERS[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def authority(serial: int) -> bytes:
    """Return the certificate of an authority."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "orders")])
    draft = x509.CertificateBuilder(name, name, EC.public_key(), serial, NOON, NOON + timedelta(days=1))
    return draft.sign(EC, hashes.SHA256()).public_bytes(Encoding.PEM)


def ssh_line(comment: bytes = b"") -> bytes:
    """Return a line of authorized_keys."""
    return bytes(SIGNERS["EdDSA"].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)) + comment


def test_a_token_is_known_by_its_id_and_its_hash() -> None:
    """The id is the one that the token is issued with; the hash is of the whole token."""
    issued = make("token", prefix="ord_")
    value = issued.material.reveal()["token"]
    found = told(Format.SHA256, token=value)
    assert found == {"id": issued.public["token-id"], "sha256": hashlib.sha256(value).hexdigest()}


@pytest.mark.parametrize("value", [b"typed by hand", b"ord_short.value", b""], ids=repr)
def test_a_token_of_another_make_has_no_id(value: bytes) -> None:
    """An adopted one may look as it likes; one that is empty is none."""
    if value:
        assert told(Format.SHA256, token=value) == {"sha256": hashlib.sha256(value).hexdigest()}
    else:
        with pytest.raises(Rejected):
            told(Format.SHA256, token=value)


def test_a_password_is_known_by_its_hash() -> None:
    """Verifiers compare with every entry."""
    assert told(Format.SHA256, password=b"s3cret") == {"sha256": hashlib.sha256(b"s3cret").hexdigest()}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", SIGNERS)
def test_what_was_signed_is_verified_by_the_proof(algorithm: str) -> None:
    """A JWS that another library's key made is verified by the public JWK, which names key, algorithm and use."""
    found = told(Format.JWKS, **{"public.pem": pem(algorithm)}, kid=b"k1", algorithm=algorithm.encode())
    public = found["jwk"]
    assert (found["kid"], public["kid"], public["alg"], public["use"]) == ("k1", "k1", algorithm, "sig")
    assert not {"d", "p", "q", "k"} & public.keys()
    key: Any = {"RSA": jwk.RSAKey, "EC": jwk.ECKey, "OKP": jwk.OKPKey}[public["kty"]]
    private = key.import_key(SIGNERS[algorithm])
    signed = jws.serialize_compact({"alg": algorithm}, b"hello", private, algorithms=[algorithm])
    read = jws.deserialize_compact(signed, key.import_key(public), algorithms=[algorithm])
    assert read.payload == b"hello"


def test_an_authority_is_known_by_its_serial() -> None:
    """The proof has the certificate, and nothing of a leaf."""
    certificate = authority(0xABC)
    found = told(Format.CA_BUNDLE, **{"ca.crt": certificate, "tls.key": b"private"})
    assert found == {"ca": certificate.decode(), "serial": "abc"}


def test_an_ssh_key_is_known_by_its_line(tmp_path: Path) -> None:
    """The fingerprint is the one that `ssh-keygen` shows."""
    found = told(Format.AUTHORIZED_KEYS, **{"ssh-publickey": ssh_line(b" orders@example\n")})
    assert found == {"key": ssh_line(b" orders@example").decode()}
    (tmp_path / "key.pub").write_bytes(ssh_line())
    try:
        said = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        blob = base64.b64decode(ssh_line().split()[1])
        expected = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        assert proof.fingerprint_of(found["key"]) == f"SHA256:{expected}"
    else:
        assert proof.fingerprint_of(found["key"]) in said.stdout


def test_an_hmac_key_has_no_proof() -> None:
    """It would be the key itself, which belongs into no status."""
    assert proof.prove(Format.HMAC, Material({"key": b"k"})) is None


def test_a_keyring_holds_what_the_bundle_shows() -> None:
    """The bytes are those under `key`, as they stand there, whatever they encode."""
    keys = Material({"key": b"a"}), Material({"key": b"\xff\xfe"})
    ring = json.loads(proof.keyring(zip(("next", "current"), keys, strict=True)))["keys"]
    assert [base64.urlsafe_b64decode(one["k"] + "==") for one in ring] == [b"a", b"\xff\xfe"]
    assert [(one["kid"], one["status"]) for one in ring] == [
        (hashlib.sha256(b"rekey-hmac-id:a").hexdigest()[:16], "next"),
        (proof.key_id(keys[1]), "current"),
    ]


WRONG: dict[str, tuple[Format, dict[str, bytes]]] = {
    "a password where a signing key should be": (Format.JWKS, {"password": b"hunter2"}),
    "a signing key of an unknown algorithm": (
        Format.JWKS,
        {"public.pem": pem("ES256"), "kid": b"hunter2", "algorithm": b"none"},
    ),
    "an RSA key that claims to be another": (
        Format.JWKS,
        {"public.pem": pem("RS256"), "kid": b"hunter2", "algorithm": b"ES256"},
    ),
    "no PEM": (Format.JWKS, {"public.pem": b"hunter2", "kid": b"k", "algorithm": b"ES256"}),
    "no certificate": (Format.CA_BUNDLE, {"ca.crt": b"hunter2"}),
    "two lines of keys": (Format.AUTHORIZED_KEYS, {"ssh-publickey": ssh_line(b"\n") + ssh_line()}),
    "a line that is no key": (Format.AUTHORIZED_KEYS, {"ssh-publickey": b"ssh-ed25519 hunter2!"}),
    "a line that is one word": (Format.AUTHORIZED_KEYS, {"ssh-publickey": b"hunter2"}),
    "an endless line": (Format.AUTHORIZED_KEYS, {"ssh-publickey": ssh_line(b" " + b"hunter2" * 2000)}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_without_its_words(case: str) -> None:
    """The refusal names the format and the keys, quotes no value, and hides no cause that does."""
    form, values = WRONG[case]
    with pytest.raises(Rejected, match=f"{form} cannot describe what is under") as caught:
        proof.prove(form, Material(values))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
