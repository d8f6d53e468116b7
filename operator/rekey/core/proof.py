"""What those who verify need of one version: taken from its value, and public for every format but HMAC.

1. The values are opened here for one purpose: to pass on their public part, or their hash. HMAC has no public part:
   there the key itself goes into the verifier's Secret, and nowhere else.
2. What a parser complains of may quote the value: of its words nothing is passed on.
3. Libraries for keys are imported by the formats that need them: most operators never do.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_generate import KEYS
from rekey.core.spec_keys import JWK_TYPES
from rekey.core.spec_verifier import Format
from rekey.errors import Rejected

LONGEST: Final = 8192
_TOKEN_ID: Final = re.compile(rb"(?:[a-z][a-z0-9]{0,15}_)?([0-9A-Za-z]{22})\.")
_JSON: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
Values = Mapping[str, bytes]


def prove(form: Format, material: Material) -> str | None:
    """Return what tells this version from others, as JSON text; None for HMAC.

    Raises:
        Rejected: it is no value that this format can describe; one that was adopted may be any.
    """
    if form is Format.HMAC:
        return None
    try:
        proof = as_text(_PROOFS[form](material.reveal()))
    except (KeyError, ValueError):
        proof = ""
    if not 0 < len(proof) <= LONGEST:
        text = f"spec.verifier.format: {form} cannot describe what is under {', '.join(material.keys())}"
        raise Rejected(Reason.INVALID_SPEC, text)
    return proof


def remains(proof: str | None) -> str | None:
    """Return what is kept of the proof of a version that has ended: by what name its key was known, no key."""
    kid = json.loads(proof).get("kid") if proof is not None else None
    return as_text({"kid": kid}) if kid is not None else None


def as_text(found: object) -> str:
    """Return it as JSON of which the same always gives the same bytes."""
    return _JSON.encode(found)


def _sha256(values: Values) -> dict[str, str]:
    token = values.get(KEYS["token"][0])
    found = _TOKEN_ID.match(token) if token else None
    known = {"id": found.group(1).decode()} if found else {}
    return {**known, "sha256": sha256(token or values[KEYS["password"][0]]).hexdigest()}


def _jwks(values: Values) -> dict[str, Any]:
    from joserfc.errors import JoseError  # noqa: PLC0415  see 3. above
    from joserfc.jwk import import_key  # noqa: PLC0415  see 3. above

    kid, algorithm = values["kid"].decode(), values["algorithm"].decode()
    try:
        public = import_key(values["public.pem"], JWK_TYPES[algorithm]).as_dict(private=False)
    except JoseError:
        raise ValueError(algorithm) from None
    return {"kid": kid, "jwk": {**public, "kid": kid, "alg": algorithm, "use": "sig"}}


def _authority(values: Values) -> dict[str, str]:
    from cryptography import x509  # noqa: PLC0415  see 3. above
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  see 3. above

    certificate = x509.load_pem_x509_certificate(values["ca.crt"])
    return {"ca": certificate.public_bytes(Encoding.PEM).decode(), "serial": f"{certificate.serial_number:x}"}


@lru_cache(maxsize=4096)
def serial_of(authority: str) -> str:
    """Return the serial number of a certificate in PEM, hexadecimal; the same ones are asked for again and again.

    Raises:
        ValueError: it is no certificate.
    """
    from cryptography import x509  # noqa: PLC0415  see 3. above

    return f"{x509.load_pem_x509_certificate(authority.encode()).serial_number:x}"


def _authorized(values: Values) -> dict[str, str]:
    (line,) = values["ssh-publickey"].decode().splitlines()
    fingerprint_of(line)
    return {"key": line.strip()}


_PROOFS: Final = {
    Format.SHA256: _sha256,
    Format.JWKS: _jwks,
    Format.CA_BUNDLE: _authority,
    Format.AUTHORIZED_KEYS: _authorized,
}


def fingerprint_of(line: str) -> str:
    """Return the fingerprint of a line of authorized_keys, as `ssh-keygen -l` shows it.

    Raises:
        ValueError: it is no such line.
    """
    _, blob, *_ = line.split()
    return f"SHA256:{b64encode(sha256(b64decode(blob, validate=True)).digest()).decode().rstrip('=')}"


def key_id(material: Material) -> str:
    """Return by what name verifiers know an HMAC key; it does not help to find the key."""
    return sha256(b"rekey-hmac-id:" + material.reveal()[KEYS["hmacKey"][0]]).hexdigest()[:16]


def keyring(keys: Iterable[tuple[str, Material]]) -> bytes:
    """Return the HMAC keys, each with its status, as a JWK set: the bytes that stand in the bundle, as they stand."""
    ring = [
        {
            "kty": "oct",
            "kid": key_id(material),
            "k": urlsafe_b64encode(material.reveal()[KEYS["hmacKey"][0]]).decode().rstrip("="),
            "alg": "HS256",
            "status": status,
        }
        for status, material in keys
    ]
    return as_text({"keys": ring}).encode()
